"""The method `masked`: cut objects to the area of other objects, e.g. speckles to nuclei."""

from levelfield.arrays import Image, Labels
from levelfield.config.options import Options
from levelfield.segmentation.method import Method
from levelfield.segmentation.options import Share
from levelfield.segmentation.result import Segmentation, remaining


class MaskedOptions(Options):
    """Options of the method `masked`."""

    minimum_fraction: Share = 0.0
    """Objects of which a smaller share lies inside are removed."""


def masked(image: Image, options: MaskedOptions, parent: Labels, within: Labels) -> Segmentation:
    """Cut the objects `parent` to the area of the objects `within`; numbers stay."""
    from levelfield.labels.objects import within_mask

    return remaining(within_mask(parent, within > 0, options.minimum_fraction), parent, "Removed")


METHOD = Method(
    name="masked",
    makes="objects cut to others, such as speckles to nuclei",
    options=MaskedOptions,
    run=masked,
    builds_on=("parent", "within"),
    copies_outlines=True,
)
