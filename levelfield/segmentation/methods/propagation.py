"""The method `propagation`: grow parents along least image change and distance."""

from levelfield.arrays import Image, Labels
from levelfield.segmentation.method import Method
from levelfield.segmentation.methods.classical import DETECTION_KNOBS, THRESHOLD_KNOBS
from levelfield.segmentation.options import GrowthOptions, Regularisation
from levelfield.segmentation.result import Segmentation


class PropagationOptions(GrowthOptions):
    """Options of the method `propagation`."""

    regularisation: Regularisation = 0.05


def propagation(image: Image, options: PropagationOptions, parent: Labels) -> Segmentation:
    """Grow parents over the foreground, along least image change and distance.

    As CellProfiler's IdentifySecondaryObjects with the method Propagation. Each object covers at
    least its parent.
    """
    from levelfield.segmentation.growth import foreground_near, grown
    from levelfield.segmentation.propagate import propagate

    smoothed, found, foreground = foreground_near(image, "propagation", options, parent)
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
