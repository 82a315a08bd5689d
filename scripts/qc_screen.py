"""Judge the segmentation of the whole screen, with plates as blocks."""

from levelfield.pipeline.logs import job_log
from levelfield.pipeline.quality import assess_screen
from levelfield.pipeline.summary import stack
from levelfield.pipeline.tables import read_csv, write_csv

with job_log(snakemake.log[0]):
    plates = stack([read_csv(path) for path in snakemake.input.plates])
    estimates = [read_csv(path) for path in snakemake.input.estimates]
    reviewed = [read_csv(path) for path in snakemake.input.reviewed]
    write_csv(plates, snakemake.output.plates)
    verdict = assess_screen(estimates, plates, snakemake.params.science, reviewed)
    write_csv(verdict, snakemake.output.verdict)
