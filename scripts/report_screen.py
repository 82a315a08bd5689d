"""Write the report page of the screen."""

from levelfield.execution.logs import job_log
from levelfield.io.provenance import versions
from levelfield.io.tables import read_csv, stack, write_text
from levelfield.report import ScreenReport, screen_page

with job_log(snakemake.log[0]):
    inputs = snakemake.input
    data = ScreenReport(
        plates=read_csv(inputs.plates),
        answers=stack([read_csv(p) for p in (*inputs.all_answers, inputs.answers)]),
        verdict=stack([read_csv(p) for p in (*inputs.verdicts, inputs.verdict)]),
        drift=read_csv(inputs.drift),
        readouts=stack([read_csv(path) for path in inputs.readouts]),
        versions=versions(),
        unfinished=snakemake.params.unfinished,
    )
    write_text(screen_page(data), snakemake.output[0])
