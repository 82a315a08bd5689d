"""Make collages of a plate's control classes, and read them as the plate is read."""

import pandas as pd

from levelfield.config.layouts import read_layout
from levelfield.config.settings import Science
from levelfield.execution.logs import job_log
from levelfield.io.tables import read_csv, write_bytes, write_csv
from levelfield.steps.collages import collage_job, plate_collages, plate_references, sound_classes
from levelfield.steps.fields import read_flat_fields
from levelfield.steps.qc_evidence import judged_sets
from levelfield.steps.segment import JobInputs

with job_log(snakemake.log[0], snakemake.resources.get("gpu", 0)):
    science = Science(snakemake.params.science)
    inputs = JobInputs.read(
        snakemake.input.classifiers,
        dict(zip(snakemake.params.weights, snakemake.input.weights, strict=True)),
        snakemake.input.thresholds,
        snakemake.input.diameters,
        snakemake.config["device"],
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
