"""Write the report page of a plate."""

from pathlib import Path

from levelfield.execution.logs import job_log
from levelfield.io.tables import write_text
from levelfield.report import plate_page
from levelfield.steps.report import plate_report, write_browser

with job_log(snakemake.log[0]) as log:
    results = Path(snakemake.output.page).parent
    data = plate_report(
        results,
        snakemake.input.layout,
        snakemake.params.n_wells,
        snakemake.params.store,
        snakemake.params.config,
        with_truth=bool(snakemake.input.truth),
    )
    write_text(plate_page(data), snakemake.output.page)
    number = write_browser(results, Path(snakemake.output.browser))
    log.info("the plate browser holds %d wells", number)
