"""Train a pixel classifier on scribbles or labels."""

from pathlib import Path

from levelfield.execution.logs import job_log
from levelfield.io.tables import beside
from levelfield.segmentation.pixel_classifier import train_pixel_classifier
from levelfield.steps.train_pixel_classifier import training_images

with job_log(snakemake.log[0]) as log:
    science = snakemake.params.science
    images = training_images(Path(science["training"]), Path(snakemake.params.schema))
    classifier = train_pixel_classifier(images, **science.get("parameters", {}))
    with beside(snakemake.output[0], ".npz") as draft:
        classifier.save(draft)
    log.info(
        "pixel classifier %s: %d images, %d trees",
        snakemake.wildcards.classifier,
        len(images),
        len(classifier.roots),
    )
