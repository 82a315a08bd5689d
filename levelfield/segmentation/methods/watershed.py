"""The method `watershed`: grow parents over the foreground by a watershed."""

from typing import Literal

import numpy as np

from levelfield.arrays import Image, Labels
from levelfield.segmentation.method import Method
from levelfield.segmentation.methods.classical import DETECTION_KNOBS, THRESHOLD_KNOBS
from levelfield.segmentation.options import GrowthOptions
from levelfield.segmentation.result import Segmentation


class WatershedOptions(GrowthOptions):
    """Options of the method `watershed`."""

    surface: Literal["image", "gradient"] = "gradient"
    """Objects meet where the image is darkest between them, or where it is steepest."""


def watershed(image: Image, options: WatershedOptions, parent: Labels) -> Segmentation:
    """Grow parents over the foreground by a watershed that starts from them.

    As CellProfiler's IdentifySecondaryObjects with the methods Watershed - Image and - Gradient.
    """
    from scipy import ndimage
    from skimage.segmentation import watershed as flood

    from levelfield.segmentation.growth import foreground_near, grown, surrounded

    smoothed, found, foreground = foreground_near(image, "watershed", options, parent)
    if options.surface == "image":
        height = -smoothed
    else:  # separable, so faster than scikit-image's
        height = np.hypot(ndimage.sobel(smoothed, 0), ndimage.sobel(smoothed, 1))
    # Parents keep their pixels. The flood starts at their rims: it takes most of its time for the
    # pixels inside, which can reach nothing.
    outer = (foreground | (parent > 0)) & ~surrounded(parent > 0)
    flooded = flood(height, parent, mask=outer, connectivity=2)
    labels = np.where(parent > 0, parent, flooded).astype(np.int32)
    return grown(labels, options.fill_holes, options.border, found)


METHOD = Method(
    name="watershed",
    makes="cells around nuclei, by a watershed over the foreground",
    options=WatershedOptions,
    run=watershed,
    builds_on=("parent",),
    channels=(1, 1),
    threshold=True,
    classifier="image",
    knobs=(*THRESHOLD_KNOBS, *DETECTION_KNOBS),
)
