"""Segment a pack of wells and write its fields to the plate store."""

from pathlib import Path

from levelfield.config.results import checkpoints_of
from levelfield.config.settings import Science
from levelfield.execution.checkpoints import Checkpoint
from levelfield.execution.logs import job_log
from levelfield.io.tables import read_csv, read_measured, write_csv
from levelfield.segmentation.pixel_classifier import PixelClassifier
from levelfield.steps.fields import read_flat_fields
from levelfield.steps.segment import JobInputs, segment_pack, segmentation_job

with job_log(snakemake.log[0], snakemake.resources.get("gpu", 0)):
    plate, pack = snakemake.wildcards.plate, snakemake.wildcards.pack
    index = read_csv(snakemake.input.index)
    job = segmentation_job(
        plate,
        snakemake.params.store,
        index,
        Science(snakemake.params.science),
        read_flat_fields(snakemake.input.illumination),
        snakemake.params.saturated_percent,
        JobInputs(
            label_folder=Path(snakemake.params.label_folder),
            classifiers={
                Path(path).stem: PixelClassifier.load(Path(path))
                for path in snakemake.input.classifiers
            },
            weights=dict(
                zip(snakemake.params.weights, map(Path, snakemake.input.weights), strict=True)
            ),
            thresholds=read_measured(snakemake.input.thresholds, "threshold"),
            diameters=read_measured(snakemake.input.diameters, "diameter"),
            device=snakemake.config["device"],
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
