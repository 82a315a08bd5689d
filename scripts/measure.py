"""Measure the objects of a pack of wells."""

from functools import partial
from pathlib import Path

from levelfield.config.results import checkpoints_of
from levelfield.execution.checkpoints import Checkpoint
from levelfield.execution.field_cache import remake_tables
from levelfield.execution.logs import job_log
from levelfield.io.tables import read_csv
from levelfield.steps.fields import read_flat_fields
from levelfield.steps.measure import measure_pack, measurement_job

with job_log(snakemake.log[0]):
    plate, pack = snakemake.wildcards.plate, snakemake.wildcards.pack
    flat_fields = read_flat_fields(snakemake.input.illumination)
    job = measurement_job(snakemake.params.store, snakemake.params.science, flat_fields)
    make = partial(measure_pack, read_csv(snakemake.input.segmented), job)
    paths = dict(zip(job.tables, map(Path, snakemake.output), strict=True))
    checkpoint = Checkpoint(checkpoints_of(snakemake.params.store), f"measure_{pack}")
    remake_tables(make, paths, snakemake.threads, f"measure {plate} {pack}", checkpoint)
