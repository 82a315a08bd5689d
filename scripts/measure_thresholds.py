"""Measure the thresholds that hold for a whole plate."""

from levelfield.pipeline.logs import job_log
from levelfield.pipeline.settings import object_sets, plate_dtype
from levelfield.pipeline.tables import read_csv, read_flat_fields, write_csv
from levelfield.pipeline.thresholds import measure_thresholds

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
