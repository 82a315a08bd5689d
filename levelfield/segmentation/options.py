"""Options that several segmentation methods share."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from levelfield.config.options import Flag, Number, Options

Share = Annotated[Number, Field(ge=0, le=1)]
Length = Annotated[Number | None, Field(ge=0)]
"""In px, or null."""
Diameter = Annotated[Number | None, Field(ge=1)]
"""In px, or null."""
OutlineHeight = Annotated[Number | None, Field(ge=0.01, le=0.99)]
"""Between the background (0) and an object's own brightness (1), or null."""
Smoothing = Annotated[
    Number,
    Field(
        ge=0,
        description="Standard deviation in px of the Gaussian over the image before thresholding; "
        "0 for none.",
    ),
]
FillHoles = Annotated[Flag, Field(description="Fill the holes of objects.")]
Border = Annotated[
    Literal["keep", "discard"],
    Field(description="Whether objects that touch the border of the image stay."),
]
MinimumDiameter = Annotated[
    Number, Field(ge=0, description="Objects of a smaller equivalent diameter (px) are removed.")
]
Regularisation = Annotated[
    Number,
    Field(
        ge=0,
        description="Intensity (0-1) per px; 0 follows the image alone, large values the distance "
        "alone.",
    ),
]
Scale = Annotated[
    Number,
    Field(
        ge=0.05,
        le=20,
        description="Images are enlarged by this before, for objects smaller or larger than the "
        "model's.",
    ),
]
MinimumKept = Annotated[
    Share,
    Field(
        description="An object that keeps less of its pixels than this, where better ones overlap "
        "it, is dropped."
    ),
]
MinimumQuality = Annotated[
    Share,
    Field(description="Masks that the network itself thinks worse of (predicted IoU) are dropped."),
]
MaskThreshold = Annotated[
    Share,
    Field(
        description="A pixel is part of an object from this probability; higher makes smaller "
        "objects."
    ),
]


class SizeFilter(Options):
    """Which objects stay; what `levelfield.labels.filtering.filter_objects` wants to know."""

    minimum_diameter: MinimumDiameter = 6.0
    maximum_diameter: Length = None
    """Objects of a larger equivalent diameter (px) are removed; null for none."""
    border: Border = "keep"

    @property
    def limits(self) -> tuple[float, float | None, str]:
        """Smallest and largest diameter (px), and what becomes of objects at the border."""
        return self.minimum_diameter, self.maximum_diameter, self.border


class ThresholdOptions(Options):
    """How the foreground is found."""

    method: Literal[
        "otsu",
        "otsu_three_low",
        "otsu_three_high",
        "minimum_cross_entropy",
        "li",
        "triangle",
        "robust_background",
        "sauvola",
        "manual",
    ] = "otsu_three_low"
    """How the level is found. otsu_three_low makes the middle one of three classes foreground,
    otsu_three_high background. manual takes the level from `value`, sauvola needs `window`."""
    value: Number | None = None
    """The level for the method manual, as intensity (0-1)."""
    log: Flag = False
    """Measure on the logarithm of the intensity, so that dim objects count as much as bright ones.
    """
    correction: Annotated[Number, Field(ge=0.01, le=100)] = 1.0
    """Factor on the level's height above the background; above 1 shrinks the objects."""
    lower: Number = 0.0
    """The level is never below this intensity (0-1)."""
    upper: Number = 1.0
    """The level is never above this intensity (0-1)."""
    window: Annotated[Number | None, Field(ge=3)] = None
    """Size in px of the blocks that get a level of their own; null for one level per image."""
    # Of 444 fields with nuclei all measure above 25; empty ones about 1.
    minimum_contrast: Annotated[Number, Field(ge=0)] = 5.0
    """An image whose foreground is not so many times the pixel noise above its background has no
    objects."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.upper < self.lower:
            raise ValueError(
                f"threshold.upper is {self.upper!r}; it must be a number from {self.lower:g} to inf"
            )
        if self.method == "manual" and self.value is None:
            raise ValueError(
                "threshold.value (method manual needs it) is None; it must be a number from -inf "
                "to inf"
            )
        if self.method != "manual" and self.value is not None:
            raise ValueError(f"threshold.value is {self.value!r}, but only method manual uses it")
        if self.method == "sauvola" and self.window is None:
            raise ValueError("threshold.window is missing; method sauvola needs it (px, e.g. 101)")
        return self


class DeclumpOptions(Options):
    """How touching objects are divided; see `levelfield.segmentation.declump.declump`."""

    centres: Literal["shape_intensity", "shape", "intensity", "log", "none"] = "shape_intensity"
    """What marks an object."""
    lines: Literal["shape_intensity", "shape", "intensity", "propagation", "none"] = (
        "shape_intensity"
    )
    """Where touching objects are divided."""
    smoothing: Length = None
    """Standard deviation in px of the Gaussian before centres are sought; null for a twentieth of
    the typical diameter."""
    suppression_distance: Length = None
    """Touching centres nearer than this (px) are one; null for a quarter of the typical diameter.
    """
    depth: Share = 0.08
    """Two centres are one unless the pass between them is lower by this fraction of the lower
    centre; larger splits less."""
    regularisation: Regularisation = 0.05


Threshold = Annotated[ThresholdOptions, Field(description="What is foreground.")]
Declump = Annotated[DeclumpOptions, Field(description="How touching objects are divided.")]


class GrowthOptions(Options):
    """Shared by the methods that grow objects over a foreground."""

    smoothing: Smoothing = 1.0
    # Cytoplasm is often far dimmer than the nucleus in the same channel.
    threshold: Threshold = ThresholdOptions(log=True)
    maximum_distance: Length = None
    """Objects reach at most so many px beyond their parents; null for as far as the foreground."""
    fill_holes: FillHoles = True
    border: Border = "keep"
