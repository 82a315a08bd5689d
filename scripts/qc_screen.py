"""Judge the segmentation of the whole screen, with plates as blocks."""

from levelfield.config.settings import Science
from levelfield.execution.logs import job_log
from levelfield.io.tables import read_csv, write_csv
from levelfield.steps.qc_plate import assess_screen
from levelfield.steps.summarise_plate import stack

with job_log(snakemake.log[0]):
    plates = stack([read_csv(path) for path in snakemake.input.plates])
    tables = {
        name: [read_csv(path) for path in snakemake.input[name]]
        for name in ("estimates", "reviewed", "answers")
    }
    write_csv(plates, snakemake.output.plates)
    quality = assess_screen(plates=plates, science=Science(snakemake.params.science), **tables)
    for name, table in quality._asdict().items():
        write_csv(table, snakemake.output[name])
