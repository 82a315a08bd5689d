"""Measure the objects of a pack of wells."""

from pathlib import Path

from levelfield.config.results import checkpoints_of
from levelfield.config.settings import Science
from levelfield.execution.checkpoints import Checkpoint
from levelfield.execution.field_cache import remake_tables
from levelfield.execution.logs import job_log
from levelfield.io.tables import read_csv
from levelfield.steps.fields import read_flat_fields
from levelfield.steps.measure import measurement_job

with job_log(snakemake.log[0]):
    plate, pack = snakemake.wildcards.plate, snakemake.wildcards.pack
    science = Science(snakemake.params.science)
    flat_fields = read_flat_fields(snakemake.input.illumination)
    job = measurement_job(snakemake.params.store, science, flat_fields)
    segmented = read_csv(snakemake.input.segmented)
    paths = dict(zip(job.tables, map(Path, snakemake.output), strict=True))
    checkpoint = Checkpoint(checkpoints_of(snakemake.params.store), f"measure_{pack}")
    what = f"measure {plate} {pack}"
    remake_tables(job, segmented, paths, snakemake.threads, what, checkpoint)
