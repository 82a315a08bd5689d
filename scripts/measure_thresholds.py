"""Measure the thresholds that hold for a whole plate."""

from levelfield.config.settings import Science
from levelfield.execution.logs import job_log
from levelfield.io.tables import read_csv, write_csv
from levelfield.steps.fields import read_flat_fields
from levelfield.steps.measure_thresholds import measure_thresholds

with job_log(snakemake.log[0]):
    table = measure_thresholds(
        read_csv(snakemake.input.index),
        snakemake.params.wells,
        Science(snakemake.params.science),
        read_flat_fields(snakemake.input.illumination),
        snakemake.threads,
        f"thresholds {snakemake.wildcards.plate}",
    )
    write_csv(table, snakemake.output[0])
