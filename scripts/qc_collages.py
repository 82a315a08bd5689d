"""Make collages of a plate's control classes, and read them as the plate is read."""

from pathlib import Path

import pandas as pd

from levelfield.config.layouts import read_layout
from levelfield.config.settings import Science
from levelfield.execution.logs import job_log
from levelfield.io.tables import read_csv, read_measured, write_bytes, write_csv
from levelfield.segmentation.pixel_classifier import PixelClassifier
from levelfield.steps.collages import collage_job, plate_collages, plate_references, sound_classes
from levelfield.steps.fields import read_flat_fields
from levelfield.steps.qc_evidence import judged_sets
from levelfield.steps.segment import JobInputs

with job_log(snakemake.log[0], snakemake.resources.get("gpu", 0)):
    science = Science(snakemake.params.science)
    inputs = JobInputs(
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
    )
    job = collage_job(
        snakemake.wildcards.plate,
        snakemake.params.store,
        read_csv(snakemake.input.index),
        science,
        read_flat_fields(snakemake.input.illumination),
        inputs,
        plate_references(snakemake.input.evidence),
    )
    segmented = pd.concat([read_csv(path) for path in snakemake.input.segmented])
    layout = read_layout(snakemake.input.layout, snakemake.params.n_wells)
    classes = sound_classes(layout, segmented, judged_sets(science))
    made = plate_collages(classes, job, snakemake.threads)
    write_csv(made.table, snakemake.output.collages)
    write_csv(made.planted, snakemake.output.planted_read)
    write_bytes(made.sheet, snakemake.output.sheet)
