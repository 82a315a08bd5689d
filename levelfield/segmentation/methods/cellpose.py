"""The method `cellpose`: Cellpose 4 (Pachitariu, Rariden & Stringer 2025, Cellpose-SAM)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from levelfield.arrays import Image
from levelfield.config.options import Flag, Number, Whole
from levelfield.segmentation.method import Knob, Method
from levelfield.segmentation.options import Diameter, MinimumDiameter, Share, SizeFilter
from levelfield.segmentation.result import Segmentation

TRAINED_DIAMETER = 30.0  # px, that images are scaled to when a diameter is given
KNOBS = (
    Knob("cell_probability", 0.5, "smaller", signed=True),
    Knob("diameter", 0.15, "divide_less", relative=True, unset="the typical diameter in px"),
    Knob("flow_threshold", 0.2, "find_more"),
)
Radius = Annotated[Number, Field(ge=0, le=10_000)]
Batch = Annotated[Whole | None, Field(ge=1, le=4096)]
Percentile = Annotated[Number, Field(ge=0, le=100)]


class CellposeOptions(SizeFilter):
    """Options of Cellpose, with the defaults of `CellposeModel.eval` (cellpose 4.2).

    In cellpose's own words, `cell_probability` is ``cellprob_threshold``, `minimum_area`
    ``min_size``, `maximum_fraction` ``max_size_fraction``, `iterations` ``niter``, `intensities`
    ``lowhigh``, `normalisation_tile` ``tile_norm_blocksize`` and `tile_side` ``bsize``. Batches are
    halved when memory runs out.
    """

    diameter: Annotated[Diameter, Field(le=10_000)] = None
    """Typical diameter of the objects in px; images are scaled so that it becomes 30. null leaves
    them as they are, for objects of about 8 to 120 px."""
    cell_probability: Annotated[Number, Field(ge=-100, le=100)] = 0.0
    """Pixels whose logit of being part of an object exceeds this are used; lower for more and
    larger objects."""
    flow_threshold: Annotated[Number, Field(ge=0, le=100)] = 0.4
    """Objects whose shape disagrees more with the predicted flow are removed; 0 keeps all."""
    minimum_area: Annotated[Whole, Field(ge=0, le=1_000_000_000)] = 15
    """Objects of fewer px are removed."""
    maximum_fraction: Share = 0.4
    """Objects that cover more of the image are removed."""
    minimum_diameter: MinimumDiameter = 0.0
    iterations: Annotated[Whole | None, Field(ge=1, le=100_000)] = None
    """Steps for which pixels follow the flow; null for 200, and more for larger objects."""
    normalise: Flag = True
    """Scale each channel of an image by its percentiles."""
    percentiles: tuple[Percentile, Percentile] = (1.0, 99.0)
    """The two that become 0 and 1."""
    intensities: tuple[Number, Number] | None = None
    """Two intensities (0-1) that become 0 and 1 in all images, in place of percentiles."""
    invert: Flag = False
    """For dark objects on a bright background."""
    normalisation_tile: Annotated[Whole, Field(ge=0, le=1_000_000)] = 0
    """Side in px of parts of the image that are scaled each by themselves; 0 for the whole image.
    """
    sharpen: Radius = 0.0
    """Radius in px of a filter that sharpens first; 0 for none."""
    smooth: Radius = 0.0
    """Radius in px of a filter that smooths first; 0 for none."""
    resample: Flag = True
    """Find objects at the image's own size; false is faster and coarser where a diameter is given.
    """
    augment: Flag = False
    """Flip tiles and let them overlap by half, which takes twice the work."""
    tile_overlap: Annotated[Number, Field(ge=0.05, le=0.5)] = 0.1
    """Overlap of neighbouring tiles, as a fraction of their side."""
    tile_side: Annotated[Whole | None, Field(ge=64, le=2048)] = None
    """px; only for networks of the kind DINO."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the network's numbers; auto for bfloat16 on a GPU and float32 on a CPU."""
    tiles_at_once: Batch = None
    """Tiles in a batch, which bounds the GPU's memory; null for 32 on a GPU."""
    images_at_once: Batch = None
    """Images whose objects are found together; null for 16 on a GPU."""
    compile: Flag = False
    """Compile the network first, which takes a minute in every job."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in ("percentiles", "intensities"):
            pair = getattr(self, name)
            if pair is not None and pair[0] >= pair[1]:
                raise ValueError(f"{name} is {pair!r}; it must be two numbers, the lower one first")
        if self.invert and not self.normalise and self.intensities is None:
            raise ValueError("invert is true, but it needs normalise: true, or intensities")
        return self

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


def segment_with_cellpose(
    images: Sequence[Image], options: CellposeOptions, inputs: Sequence[Mapping[str, Any]]
) -> list[Segmentation]:
    """Segment images (C, Y, X) of 1 to 3 channels in any order."""
    return inputs[0]["model"].segment(images, options)


def _load(path: Path, rule: str) -> Any:
    from levelfield.segmentation.devices import choose_device
    from levelfield.segmentation.networks.cellpose.model import CellposeModel

    return CellposeModel(path, choose_device(rule))


METHOD = Method(
    name="cellpose",
    makes="nuclei or cells, with a network of Cellpose 4",
    options=CellposeOptions,
    run_many=segment_with_cellpose,
    channels=(1, 3),
    load=_load,
    fields_at_once={"cuda": 32, "mps": 4},
    for_threads=True,
    environment="levelfield[gpu]",
    knobs=KNOBS,
)
