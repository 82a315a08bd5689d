"""Judge the segmentation of a plate in both control classes."""

from levelfield.config.layouts import read_layout
from levelfield.config.planted import mark_layout
from levelfield.config.settings import Science
from levelfield.execution.logs import job_log
from levelfield.io.tables import read_csv, read_packs, write_csv, write_parquet
from levelfield.steps.check_review import log_review, read_review
from levelfield.steps.qc_evidence import TABLES
from levelfield.steps.qc_plate import assess

with job_log(snakemake.log[0]):
    layout = read_layout(snakemake.input.layout, snakemake.params.n_wells)
    quality = assess(
        packs=read_packs([path for name in TABLES for path in snakemake.input[name]]),
        sites=read_csv(snakemake.input.sites),
        facts=read_csv(snakemake.input.plate).iloc[0],
        layout=mark_layout(layout, snakemake.params.science["objects"]),
        n_wells=snakemake.params.n_wells,
        science=Science(snakemake.params.science),
        segmented=[read_csv(path) for path in snakemake.input.segmented],
        review=read_review(snakemake.input.review, snakemake.params.schema),
    )
    log_review(snakemake.wildcards.plate, quality.reviewed)
    for name, table in quality.files().items():
        write = write_parquet if name in ("objects", "candidates") else write_csv
        write(table, snakemake.output[name])
