"""Measure the diameters of objects that hold for a whole plate."""

from pathlib import Path

from levelfield.config.settings import object_sets, plate_dtype
from levelfield.execution.logs import job_log
from levelfield.io.tables import read_csv, write_csv
from levelfield.steps.fields import read_flat_fields
from levelfield.steps.measure_diameters import measure_diameters

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
