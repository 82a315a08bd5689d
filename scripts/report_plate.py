"""Write the report page of a plate."""

from pathlib import Path

from levelfield.execution.logs import job_log
from levelfield.io.tables import write_text
from levelfield.report import plate_page
from levelfield.steps.report import plate_report

with job_log(snakemake.log[0]):
    data = plate_report(
        Path(snakemake.output[0]).parent,
        snakemake.input.layout,
        snakemake.params.n_wells,
        snakemake.params.store,
        snakemake.params.config,
        with_truth=bool(snakemake.input.truth),
    )
    write_text(plate_page(data), snakemake.output[0])
