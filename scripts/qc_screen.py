"""Judge the segmentation of the whole screen, with plates as blocks."""

from levelfield.pipeline.logs import job_log
from levelfield.pipeline.quality import assess_screen
from levelfield.pipeline.summary import stack
from levelfield.pipeline.tables import read_csv, write_csv

with job_log(snakemake.log[0]):
    plates = stack([read_csv(path) for path in snakemake.input.plates])
    tables = {
        name: [read_csv(path) for path in snakemake.input[name]]
        for name in ("estimates", "reviewed", "answers")
    }
    write_csv(plates, snakemake.output.plates)
    quality = assess_screen(plates=plates, science=snakemake.params.science, **tables)
    for name, table in quality._asdict().items():
        write_csv(table, snakemake.output[name])
