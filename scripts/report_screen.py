"""Write the report page of the screen."""

from levelfield.pipeline.logs import job_log
from levelfield.pipeline.summary import stack
from levelfield.pipeline.tables import read_csv, write_text
from levelfield.provenance import versions
from levelfield.report import ScreenReport, screen_page

with job_log(snakemake.log[0]):
    data = ScreenReport(
        plates=read_csv(snakemake.input.plates),
        answers=stack(
            [read_csv(p) for p in (*snakemake.input.all_answers, snakemake.input.answers)]
        ),
        verdict=stack([read_csv(p) for p in (*snakemake.input.verdicts, snakemake.input.verdict)]),
        drift=read_csv(snakemake.input.drift),
        readouts=stack([read_csv(path) for path in snakemake.input.readouts]),
        versions=versions(),
    )
    write_text(screen_page(data), snakemake.output[0])
