"""Answer the verdict's questions of a plate from its reference labels."""

import pandas as pd

from levelfield.pipeline.logs import job_log
from levelfield.pipeline.tables import read_csv, write_csv
from levelfield.pipeline.truth import plate_truth
from levelfield.plan import read_layout

with job_log(snakemake.log[0]):
    tables = {name: read_csv(snakemake.input[name]) for name in ("images", "sites", "verdict")}
    truth = plate_truth(
        snakemake.wildcards.plate,
        objects=pd.read_parquet(snakemake.input.objects),
        candidates=pd.read_parquet(snakemake.input.candidates),
        layout=read_layout(snakemake.input.layout, snakemake.params.n_wells),
        science=snakemake.params.science,
        **tables,
    )
    write_csv(truth, snakemake.output[0])
