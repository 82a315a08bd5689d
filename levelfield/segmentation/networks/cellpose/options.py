"""What users can set of Cellpose."""

from __future__ import annotations

from dataclasses import dataclass

from levelfield.config.parameters import require_choice, require_flag, require_number

PRECISIONS = ("auto", "float32", "bfloat16")
TRAINED_DIAMETER = 30.0  # px, that images are scaled to when a diameter is given


@dataclass(frozen=True, kw_only=True)
class CellposeOptions:
    """Options of Cellpose, with the defaults of `CellposeModel.eval` (cellpose 4.2).

    Attributes
    ----------
    diameter
        Typical diameter of the objects in px: images are scaled so that it becomes 30 px. None
        leaves images as they are, which suits objects of about 8 to 120 px. Give one for all
        images of a screen.
    cell_probability
        Pixels whose logit of being part of an object exceeds this are used; lower it for more and
        larger objects. (`cellprob_threshold`)
    flow_threshold
        Objects whose shape disagrees with the network's flow by more than this are removed; raise
        it for more objects, 0 keeps all.
    minimum_area
        Objects of fewer px are removed. (`min_size`)
    maximum_fraction
        Objects that cover more of the image are removed. (`max_size_fraction`)
    minimum_diameter, maximum_diameter
        Objects whose equivalent diameter in px lies outside are removed; no maximum: none.
    border
        `keep` or `discard` objects that touch the border of the image.
    iterations
        Steps for which pixels follow the flow; None for 200, and more for larger objects. Long
        objects need more. (`niter`)
    normalise
        Whether each channel of an image is scaled by its percentiles.
    percentiles
        The two that become 0 and 1.
    intensities
        Two intensities (0-1) that become 0 and 1 in all channels, in place of percentiles: the
        same scale for all images. (`lowhigh`)
    invert
        For dark objects on a bright background.
    normalisation_tile
        Side in px of the parts of the image that are scaled each by themselves, for uneven
        brightness; 0 for the whole image. (`tile_norm_blocksize`)
    sharpen, smooth
        Radii in px of a filter that sharpens or smooths the image first; 0 for none.
    resample
        Whether objects are found at the image's own size, rather than at the scaled one, where
        that takes less time and outlines get coarser. No difference without a diameter.
    augment
        Whether tiles are flipped and overlap by half: twice the work, slightly steadier.
    tile_overlap
        Of neighbouring tiles, as a fraction of their side.
    tile_side
        px; only for networks of the kind DINO, None for 384. (`bsize`)
    precision
        `float32`, `bfloat16`, or `auto`: bfloat16 on a GPU, as Cellpose does, and float32 on a
        CPU, where that is faster.
    tiles_at_once
        In a batch of the network; None for 32 on a GPU and 1 on a CPU. Halved when memory runs out.
    images_at_once
        Whose objects are found together; None for 16 on a GPU and 1 on a CPU. Halved likewise.
    compile
        Whether the network is compiled for the device first. That takes a minute in every job, and
        pays in jobs of thousands of images.
    """

    diameter: float | None = None
    cell_probability: float = 0.0
    flow_threshold: float = 0.4
    minimum_area: int = 15
    maximum_fraction: float = 0.4
    minimum_diameter: float = 0.0
    maximum_diameter: float | None = None
    border: str = "keep"
    iterations: int | None = None
    normalise: bool = True
    percentiles: tuple[float, float] = (1.0, 99.0)
    intensities: tuple[float, float] | None = None
    invert: bool = False
    normalisation_tile: int = 0
    sharpen: float = 0.0
    smooth: float = 0.0
    resample: bool = True
    augment: bool = False
    tile_overlap: float = 0.1
    tile_side: int | None = None
    precision: str = "auto"
    tiles_at_once: int | None = None
    images_at_once: int | None = None
    compile: bool = False

    def __post_init__(self) -> None:
        for name in ("normalise", "invert", "resample", "augment", "compile"):
            require_flag(name, getattr(self, name))
        require_choice("border", self.border, ("keep", "discard"))
        require_choice("precision", self.precision, PRECISIONS)
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if value is not None or name not in _OPTIONAL:
                require_number(name, value, low, high)
        _require_pair("percentiles", self.percentiles, 0, 100)
        if self.intensities is not None:
            _require_pair("intensities", self.intensities)
        if self.invert and not self.normalise and self.intensities is None:
            raise ValueError("invert is true, but it needs normalise: true, or intensities")

    @property
    def scale(self) -> float:
        """By what images are scaled before the network sees them."""
        return TRAINED_DIAMETER / self.diameter if self.diameter else 1.0

    @property
    def steps(self) -> int:
        """For how many steps pixels follow the flow."""
        if self.iterations:
            return self.iterations
        return int(200 / self.scale) if self.resample else 200


_OPTIONAL = (
    "diameter",
    "maximum_diameter",
    "iterations",
    "tile_side",
    "tiles_at_once",
    "images_at_once",
)
_RANGES = (
    ("diameter", 1, 10_000),
    ("cell_probability", -100, 100),
    ("flow_threshold", 0, 100),
    ("minimum_area", 0, 1e9),
    ("maximum_fraction", 0, 1),
    ("minimum_diameter", 0, 1e6),
    ("maximum_diameter", 0, 1e6),
    ("iterations", 0, 100_000),
    ("normalisation_tile", 0, 1e6),
    ("sharpen", 0, 1e4),
    ("smooth", 0, 1e4),
    ("tile_overlap", 0.05, 0.5),
    ("tile_side", 64, 2048),
    ("tiles_at_once", 1, 4096),
    ("images_at_once", 1, 4096),
)


def _require_pair(
    name: str, value: object, low: float = float("-inf"), high: float = float("inf")
) -> None:
    if not isinstance(value, list | tuple) or len(value) != 2 or not value[0] < value[1]:
        raise ValueError(f"{name} is {value!r}; it must be two numbers, the lower one first")
    for one in value:
        require_number(name, one, low, high)
