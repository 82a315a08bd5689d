"""Answer the verdict's questions of a plate from its reference labels."""

import pandas as pd

from levelfield.config.layouts import read_layout
from levelfield.config.settings import Science
from levelfield.execution.logs import job_log
from levelfield.io.tables import read_csv, write_csv
from levelfield.steps.qc_truth import plate_truth

with job_log(snakemake.log[0]):
    tables = {name: read_csv(snakemake.input[name]) for name in ("images", "sites", "verdict")}
    truth = plate_truth(
        snakemake.wildcards.plate,
        objects=pd.read_parquet(snakemake.input.objects),
        candidates=pd.read_parquet(snakemake.input.candidates),
        layout=read_layout(snakemake.input.layout, snakemake.params.n_wells),
        science=Science(snakemake.params.science),
        **tables,
    )
    write_csv(truth, snakemake.output[0])
