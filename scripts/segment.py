"""Segment a pack of wells and write its fields to the plate store."""

from dataclasses import replace
from pathlib import Path

from levelfield.config.results import checkpoints_of
from levelfield.config.settings import Science
from levelfield.execution.checkpoints import Checkpoint
from levelfield.execution.logs import job_log
from levelfield.io.tables import read_csv, write_csv
from levelfield.steps.fields import read_flat_fields
from levelfield.steps.segment import JobInputs, segment_pack, segmentation_job

with job_log(snakemake.log[0], snakemake.resources.get("gpu", 0)):
    plate, pack = snakemake.wildcards.plate, snakemake.wildcards.pack
    index = read_csv(snakemake.input.index)
    inputs = JobInputs.read(
        snakemake.input.classifiers,
        dict(zip(snakemake.params.weights, snakemake.input.weights, strict=True)),
        snakemake.input.thresholds,
        snakemake.input.diameters,
        snakemake.config["device"],
    )
    job = segmentation_job(
        plate,
        snakemake.params.store,
        index,
        Science(snakemake.params.science),
        read_flat_fields(snakemake.input.illumination),
        snakemake.params.saturated_percent,
        replace(
            inputs,
            label_folder=Path(snakemake.params.label_folder),
            control_types=snakemake.params.planted_wells,
        ),
    )
    checkpoint = Checkpoint(checkpoints_of(snakemake.params.store), f"segment_{pack}")
    table = segment_pack(
        index, snakemake.params.wells, job, snakemake.threads, f"segment {plate} {pack}", checkpoint
    )
    checkpoint.check()
    write_csv(table, snakemake.output[0])
    checkpoint.remove()
