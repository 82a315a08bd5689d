"""Measure the thresholds that hold for a whole plate."""

from levelfield.config.settings import object_sets, plate_dtype
from levelfield.execution.logs import job_log
from levelfield.io.tables import read_csv, write_csv
from levelfield.steps.fields import read_flat_fields
from levelfield.steps.measure_thresholds import measure_thresholds

with job_log(snakemake.log[0]):
    index = read_csv(snakemake.input.index)
    table = measure_thresholds(
        index,
        snakemake.params.wells,
        object_sets(snakemake.params.science),
        snakemake.params.science,
        read_flat_fields(snakemake.input.illumination),
        plate_dtype(index),
        snakemake.threads,
        f"thresholds {snakemake.wildcards.plate}",
    )
    write_csv(table, snakemake.output[0])
