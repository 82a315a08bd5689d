"""Measure the diameters of objects that hold for a whole plate."""

from pathlib import Path

from levelfield.pipeline.diameters import measure_diameters
from levelfield.pipeline.logs import job_log
from levelfield.pipeline.settings import object_sets, plate_dtype
from levelfield.pipeline.tables import read_csv, read_flat_fields, write_csv

with job_log(snakemake.log[0], snakemake.resources.get("gpu", 0)):
    index = read_csv(snakemake.input.index)
    table = measure_diameters(
        index,
        object_sets(snakemake.params.science),
        snakemake.params.science,
        plate_dtype(index),
        read_flat_fields(snakemake.input.illumination),
        dict(zip(snakemake.params.weights, map(Path, snakemake.input.weights), strict=True)),
        snakemake.config["device"],
    )
    write_csv(table, snakemake.output[0])
