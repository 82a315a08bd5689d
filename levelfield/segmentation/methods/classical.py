"""The method `classical`: smooth, threshold, fit each object's outline, declump, filter."""

from typing import Annotated

from pydantic import Field

from levelfield.arrays import Image
from levelfield.config.options import Number
from levelfield.segmentation.method import Knob, Method
from levelfield.segmentation.options import (
    Declump,
    DeclumpOptions,
    FillHoles,
    OutlineHeight,
    Share,
    SizeFilter,
    Threshold,
    ThresholdOptions,
)
from levelfield.segmentation.result import Segmentation, filtered
from levelfield.segmentation.sizes import Size, in_px

# A level that is given by hand comes before the factor of one that is measured.
THRESHOLD_KNOBS = (
    Knob("threshold.value", 0.1, "smaller", relative=True),
    Knob("threshold.correction", 0.1, "smaller"),
)
DETECTION_KNOBS = (
    Knob("threshold.value", 0.1, "find_fewer", relative=True),
    Knob("threshold.correction", 0.1, "find_fewer"),
)
# Shares of the typical diameter, for sizes that are not given.
SMOOTHING, SMALLEST = 0.05, 0.12
FIRST_DIAMETER = 20.0  # px; as long as nobody knows, and where nothing is found
DECLUMP_KNOBS = (Knob("declump.depth", 0.04, "divide_less"),)


class ClassicalOptions(SizeFilter):
    """Options of the method `classical`; a diameter is that of the plate's typical object."""

    diameter: Size = None
    """Typical diameter of the objects, in px or as a text such as 12 um; null measures it once for
    each plate."""
    contrast: Annotated[Number | None, Field(gt=0)] = None
    """Typical height of an object's own brightness above the background beside it, as intensity
    (0-1); null measures it once for each plate."""
    smoothing: Size = None
    """Standard deviation of the Gaussian over the image before thresholding; 0 for none, null for
    0.05 diameters."""
    threshold: Threshold = ThresholdOptions()
    outline: OutlineHeight = 0.4
    """Height of each object's outline between the background beside it (0) and the object's own
    brightness (1); larger makes smaller objects. null makes the threshold the outline of all."""
    background_radius: Size = None
    """How far around an outline its background is measured (standard deviation of a Gaussian); null
    for 0.25 diameters."""
    fill_holes: FillHoles = True
    declump: Declump = DeclumpOptions()
    debris: Share = 0.25
    """Objects whose diameter times contrast, each relative to the plate's typical object, is less
    are removed: specks and haze. 0 keeps them."""
    minimum_diameter: Size = None  # type: ignore[assignment]
    """Objects of a smaller equivalent diameter are removed; null for 0.12 diameters."""
    maximum_diameter: Size = None  # type: ignore[assignment]
    """Objects of a larger equivalent diameter are removed; null for none."""

    def limits_for(self, diameter: float) -> SizeFilter:
        """Return the limits of size in px, given the typical diameter (px)."""
        largest = self.maximum_diameter
        return SizeFilter(
            minimum_diameter=in_px(self.minimum_diameter, diameter, SMALLEST),
            maximum_diameter=None if largest is None else in_px(largest, diameter, 1.0),
            border=self.border,
        )

    def smoothing_px(self) -> float:
        """Return the smoothing in px, of the typical diameter that the options give."""
        return in_px(self.smoothing, self.diameter_px or FIRST_DIAMETER, SMOOTHING)

    @property
    def diameter_px(self) -> float | None:
        """The typical diameter in px, if it is given."""
        return None if self.diameter is None else in_px(self.diameter, FIRST_DIAMETER, 1.0)


def classical(image: Image, options: ClassicalOptions) -> Segmentation:
    """Segment bright objects on a darker background, as CellProfiler's IdentifyPrimaryObjects.

    With `outline` the threshold only finds the objects, so it should be low enough for dim ones,
    and each then gets an outline that fits its own brightness; without, the threshold is the
    outline, and a higher one such as `otsu` fits better. Sizes follow from the typical object; what
    the options leave open of it is measured on the image.
    """
    from levelfield.segmentation.by_threshold import find_objects, typical_for, without_debris

    typical = typical_for(image, options)
    found = find_objects(image, options, typical)
    labels, n_debris = without_debris(found, options, typical)
    record = found.record | {"TypicalDiameter": typical.diameter, "RemovedDebris": n_debris}
    return filtered(labels, options.limits_for(typical.diameter), record)


METHOD = Method(
    name="classical",
    makes="nuclei and other bright objects: smooth, threshold, fit each outline, declump, filter",
    options=ClassicalOptions,
    run=classical,
    channels=(1, 1),
    threshold=True,
    classifier="image",
    plate_diameter=True,
    plate_contrast=True,
    measure="levelfield.segmentation.by_threshold:measure_typical",
    knobs=(Knob("outline", 0.05, "smaller"), *THRESHOLD_KNOBS, *DECLUMP_KNOBS, *DETECTION_KNOBS),
)
