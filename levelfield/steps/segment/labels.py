"""From raw images to the labels of every object set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from levelfield.arrays import Image, Labels
from levelfield.config.references import field_names
from levelfield.config.settings import ObjectSetSettings
from levelfield.images.sites import Site
from levelfield.segmentation.imported import label_file, read_labels
from levelfield.segmentation.pixel_classifier import foreground_probability
from levelfield.segmentation.planting import plant_error
from levelfield.segmentation.registry import (
    METHODS,
    segment_images,
    threshold_input,
    threshold_settings,
)
from levelfield.segmentation.result import Segmentation
from levelfield.segmentation.threshold import GLOBAL_THRESHOLDS, measure_threshold
from levelfield.steps.measure_thresholds import with_plate_threshold
from levelfield.steps.segment.job import SegmentationJob


@dataclass(frozen=True)
class WaitingField:
    """A site whose labels have to be made.

    `image` holds its raw pixels (C, Y, X), of a known checksum, `imported` labels (Y, X) that were
    made elsewhere, by object set, and `mark` is the fingerprint of all that the labels depend on.
    """

    site: Site
    image: NDArray[Any]
    image_checksum: str
    imported: Mapping[str, NDArray[np.int64]]
    mark: str


@dataclass(frozen=True)
class MadeField:
    """The labels (Y, X) of a field by object set, and facts about them by column."""

    labels: dict[str, Labels] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)


def imported_labels(site: Site, job: SegmentationJob) -> dict[str, NDArray[np.int64]]:
    """Read the label images that were made elsewhere, by object set."""
    names = field_names(job.plate, site.well, site.number, site.planes["path"].iloc[0])
    return {
        object_set.name: read_labels(label_file(job.inputs.label_folder, object_set.files, names))
        for object_set in job.sets
        if METHODS[object_set.method].files
    }


def make_labels(waiting: Sequence[WaitingField], job: SegmentationJob) -> list[MadeField]:
    """Correct raw images and make every object set of them."""
    corrected = [job.images.corrected(place.image) for place in waiting]
    made = [MadeField() for _ in waiting]
    for object_set in job.sets:
        inputs = [
            _inputs(object_set, labelled.labels, place.imported, job)
            for place, labelled in zip(waiting, made, strict=True)
        ]
        seen = _seen(object_set, corrected, job)
        results = segment_images(
            seen, object_set.method, object_set.parameters, inputs, object_set.steps
        )
        for place, labelled, result in zip(waiting, made, results, strict=True):
            _add(labelled, result, object_set, place.site, job)
    return made


def segment_alone(
    object_set: ObjectSetSettings, images: Sequence[Image], job: SegmentationJob
) -> list[Labels]:
    """Make the labels of a set that builds on no other, of other images than the plate's fields.

    The images (C, Y, X) are corrected, and hold the channels that the set is made from. Nothing is
    planted. They may be smaller than fields: where every field has a threshold of its own, one is
    measured on all of them together, since one that is nearly empty says nothing.
    """
    seen, inputs = _as_segmented(object_set, images, job), _inputs(object_set, {}, {}, job)
    results = segment_images(
        seen,
        object_set.method,
        _with_common_threshold(object_set, seen),
        [inputs for _ in images],
        object_set.steps,
    )
    return [result.labels for result in results]


def _with_common_threshold(
    object_set: ObjectSetSettings, images: Sequence[Image]
) -> Mapping[str, Any]:
    """Return the parameters of a set, with a threshold that is measured on some images together."""
    method, parameters = object_set.method, object_set.parameters
    if not METHODS[method].threshold:
        return parameters
    settings = threshold_settings(method, parameters)
    if settings["method"] not in GLOBAL_THRESHOLDS:
        return parameters
    smoothed = [threshold_input(image, method, parameters, object_set.steps) for image in images]
    pixels = np.concatenate([plane.ravel() for plane in smoothed])
    level = measure_threshold(pixels, settings["method"], settings["log"])
    return with_plate_threshold(parameters, level)


def _seen(
    object_set: ObjectSetSettings, corrected: Sequence[Image], job: SegmentationJob
) -> list[Image]:
    """Return the channels that a set is made from, or what a classifier says of them."""
    chosen = [job.images.names.index(channel) for channel in object_set.channels]
    return _as_segmented(object_set, [image[chosen] for image in corrected], job)


def _as_segmented(
    object_set: ObjectSetSettings, images: Sequence[Image], job: SegmentationJob
) -> list[Image]:
    """Return images, in the channels of a set, or what a classifier says of them."""
    if object_set.classifier and METHODS[object_set.method].classifier == "image":
        forest = job.inputs.classifiers[object_set.classifier]
        return [foreground_probability(image, forest)[None] for image in images]
    return list(images)


def _inputs(
    object_set: ObjectSetSettings,
    labels: Mapping[str, Labels],
    imported: Mapping[str, NDArray[np.int64]],
    job: SegmentationJob,
) -> dict[str, Any]:
    """Return what a set builds on in one field, by role."""
    wanted = METHODS[object_set.method].inputs
    inputs: dict[str, Any] = {role: labels[name] for role, name in object_set.parents.items()}
    if "imported" in wanted:
        inputs["imported"] = imported[object_set.name]
    if "classifier" in wanted:
        inputs["classifier"] = job.inputs.classifiers[object_set.classifier]
    if "model" in wanted:
        inputs["model"] = job.model(object_set)
    return inputs


def _add(
    made: MadeField,
    result: Segmentation,
    object_set: ObjectSetSettings,
    site: Site,
    job: SegmentationJob,
) -> None:
    """Add the labels of one set, with the error that the config plants into them, and its facts."""
    name = object_set.name
    made.labels[name] = _with_planted(result.labels, name, site, job)
    n_objects = np.count_nonzero(np.bincount(made.labels[name].flat)[1:])
    made.record[f"Count_{name}"] = float(n_objects)
    for fact, value in result.record.items():
        family = "Threshold" if "Threshold" in fact else "Segmentation"
        made.record[f"{family}_{fact}_{name}"] = float(value)
    if object_set.weights:
        made.record[f"Segmentation_Device_{name}"] = job.model(object_set).device_name


def _with_planted(labels: Labels, object_set: str, site: Site, job: SegmentationJob) -> Labels:
    planting = job.planted(site.well).get(object_set)
    if planting is None:
        return labels
    names = (job.plate, site.well, site.number, object_set)
    return plant_error(labels, planting.error, planting.amount, names)
