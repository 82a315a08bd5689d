"""Measure the objects of a pack of wells."""

from pathlib import Path

from levelfield.config.results import checkpoints_of
from levelfield.config.settings import Science
from levelfield.execution.checkpoints import Checkpoint
from levelfield.execution.logs import job_log
from levelfield.io.tables import read_csv, read_previous, write_parquet
from levelfield.steps.fields import read_flat_fields
from levelfield.steps.measure import measure_pack, measurement_job

with job_log(snakemake.log[0]):
    plate, pack = snakemake.wildcards.plate, snakemake.wildcards.pack
    job = measurement_job(
        snakemake.params.store,
        Science(snakemake.params.science),
        read_flat_fields(snakemake.input.illumination),
    )
    paths = dict(zip(job.tables, map(Path, snakemake.output), strict=True))
    folder = checkpoints_of(snakemake.params.store)
    checkpoint = Checkpoint(folder, f"measure_{pack}")
    tables = measure_pack(
        read_csv(snakemake.input.segmented),
        job,
        read_previous(paths),
        snakemake.threads,
        f"measure {plate} {pack}",
        checkpoint,
    )
    checkpoint.check()
    for name, path in paths.items():
        write_parquet(tables[name], path)
    checkpoint.remove()
