"""Measure the diameters of objects that hold for a whole plate."""

from pathlib import Path

from levelfield.config.settings import Science
from levelfield.execution.logs import job_log
from levelfield.io.tables import read_csv, write_csv
from levelfield.steps.fields import read_flat_fields
from levelfield.steps.measure_diameters import measure_diameters

with job_log(snakemake.log[0], snakemake.resources.get("gpu", 0)):
    table = measure_diameters(
        read_csv(snakemake.input.index),
        Science(snakemake.params.science),
        read_flat_fields(snakemake.input.illumination),
        dict(zip(snakemake.params.weights, map(Path, snakemake.input.weights), strict=True)),
        snakemake.config["device"],
    )
    write_csv(table, snakemake.output[0])
