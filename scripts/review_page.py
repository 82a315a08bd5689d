"""Write the page on which people review a plate."""

from pathlib import Path

from levelfield.execution.logs import job_log
from levelfield.io.tables import write_text
from levelfield.steps.review_page import plate_review_page

with job_log(snakemake.log[0]):
    html = plate_review_page(
        Path(snakemake.output[0]).parents[1],
        snakemake.input.layout,
        snakemake.params.n_wells,
        snakemake.params.store,
        snakemake.params.config,
        Path(snakemake.params.path),
    )
    write_text(html, snakemake.output[0])
