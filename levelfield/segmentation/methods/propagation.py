"""The method `propagation`: grow parents along least image change and distance."""

from levelfield.arrays import Image, Labels
from levelfield.config.options import Options
from levelfield.segmentation.method import Method
from levelfield.segmentation.methods.classical import DETECTION_KNOBS, THRESHOLD_KNOBS
from levelfield.segmentation.options import (
    Border,
    FillHoles,
    MaximumDistance,
    Regularisation,
    Smoothing,
    Threshold,
    ThresholdOptions,
)
from levelfield.segmentation.result import Segmentation


class PropagationOptions(Options):
    """Options of the method `propagation`."""

    smoothing: Smoothing = 1.0
    # Cytoplasm is often far dimmer than the nucleus in the same channel.
    threshold: Threshold = ThresholdOptions(log=True)
    regularisation: Regularisation = 0.05
    maximum_distance: MaximumDistance = None
    fill_holes: FillHoles = True
    border: Border = "keep"


def propagation(image: Image, options: PropagationOptions, parent: Labels) -> Segmentation:
    """Grow parents over the foreground, along least image change and distance.

    As CellProfiler's IdentifySecondaryObjects with the method Propagation. Each object covers at
    least its parent.
    """
    from levelfield.segmentation.growth import grown, thresholded, within_reach
    from levelfield.segmentation.propagate import propagate

    smoothed, found, foreground = thresholded(
        image, "propagation", options.smoothing, options.threshold
    )
    foreground = within_reach(foreground, parent, options.maximum_distance)
    labels, _ = propagate(smoothed, parent, foreground, options.regularisation)
    return grown(labels, options.fill_holes, options.border, found)


METHOD = Method(
    name="propagation",
    makes="cells around nuclei, along least image change and distance over the foreground",
    options=PropagationOptions,
    run=propagation,
    builds_on=("parent",),
    channels=(1, 1),
    threshold=True,
    classifier="image",
    knobs=(*THRESHOLD_KNOBS, *DETECTION_KNOBS),
)
