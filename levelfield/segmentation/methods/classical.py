"""The method `classical`: smooth, threshold, fit each object's outline, declump, filter."""

import numpy as np

from levelfield.arrays import Image, Labels, Mask
from levelfield.segmentation.method import Knob, Method
from levelfield.segmentation.options import (
    Declump,
    DeclumpOptions,
    FillHoles,
    OutlineHeight,
    SizeFilter,
    Smoothing,
    Threshold,
    ThresholdOptions,
)
from levelfield.segmentation.result import Segmentation, filtered

# A level that is given by hand comes before the factor of one that is measured.
THRESHOLD_KNOBS = (
    Knob("threshold.value", 0.1, "smaller", relative=True),
    Knob("threshold.correction", 0.1, "smaller"),
)
DETECTION_KNOBS = (
    Knob("threshold.value", 0.1, "find_fewer", relative=True),
    Knob("threshold.correction", 0.1, "find_fewer"),
)
DECLUMP_KNOBS = (Knob("declump.depth", 0.04, "divide_less"),)


class ClassicalOptions(SizeFilter):
    """Options of the method `classical`."""

    smoothing: Smoothing = 1.0
    threshold: Threshold = ThresholdOptions()
    outline: OutlineHeight = 0.4
    """Height of each object's outline between the background (0) and the object's own brightness
    (1); larger makes smaller objects. null makes the threshold the outline of all."""
    fill_holes: FillHoles = True
    declump: Declump = DeclumpOptions()


def classical(image: Image, options: ClassicalOptions) -> Segmentation:
    """Segment bright objects on a darker background, as CellProfiler's IdentifyPrimaryObjects.

    With `outline` the threshold only finds the objects, so it should be low enough for dim ones,
    and each then gets an outline that fits its own brightness; without, the threshold is the
    outline, and a higher one such as `otsu` fits better.
    """
    from levelfield.labels.objects import fill_mask_holes, fill_object_holes, largest_parts
    from levelfield.segmentation.declump import declump
    from levelfield.segmentation.growth import thresholded
    from levelfield.segmentation.outline import above_own_level

    smoothed, found, above = thresholded(image, "classical", options.smoothing, options.threshold)

    def divided(foreground: Mask) -> tuple[Labels, dict[str, float]]:
        filled = fill_mask_holes(foreground) if options.fill_holes else foreground
        return declump(smoothed, filled, options.declump)

    labels, sizes = divided(above)
    if options.outline is not None:
        own = above & above_own_level(smoothed, labels, found.background, options.outline)
        labels, sizes = divided(own)
        # Better divided, the objects know their own brightness better.
        own = above & above_own_level(smoothed, labels, found.background, options.outline)
        labels = largest_parts(np.where(own, labels, 0))
        labels = fill_object_holes(labels) if options.fill_holes else labels
    return filtered(labels, options, found.record() | sizes)


METHOD = Method(
    name="classical",
    makes="nuclei and other bright objects: smooth, threshold, fit each outline, declump, filter",
    options=ClassicalOptions,
    run=classical,
    channels=(1, 1),
    threshold=True,
    classifier="image",
    knobs=(Knob("outline", 0.05, "smaller"), *THRESHOLD_KNOBS, *DECLUMP_KNOBS, *DETECTION_KNOBS),
)
