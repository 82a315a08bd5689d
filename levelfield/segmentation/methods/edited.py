"""The method `edited`: split, merge and filter objects by rule."""

from levelfield.arrays import Image, Labels
from levelfield.config.options import Flag
from levelfield.segmentation.method import Method
from levelfield.segmentation.options import Length, MinimumDiameter, SizeFilter
from levelfield.segmentation.result import Segmentation, filtered


class EditedOptions(SizeFilter):
    """Options of the method `edited`."""

    split_parts: Flag = False
    """Make every connected part of an object an object of its own."""
    merge_distance: Length = None
    """Merge objects that are at most so many px apart; null for no merging."""
    minimum_diameter: MinimumDiameter = 0.0


def edited(image: Image, options: EditedOptions, parent: Labels) -> Segmentation:
    """Split, then merge, then filter objects; the result is numbered again in raster order.

    Which new object came from which old one is in the table of `levelfield.labels.objects.relate`.
    """
    from levelfield.labels import objects

    labels = objects.split_parts(parent) if options.split_parts else objects.renumber(parent)
    n_before = int(labels.max(initial=0))
    if options.merge_distance is not None:
        labels = objects.merge_near(labels, options.merge_distance)
    return filtered(labels, options, {"Merged": float(n_before - labels.max(initial=0))})


METHOD = Method(
    name="edited",
    makes="objects split, merged or filtered by rule",
    options=EditedOptions,
    run=edited,
    builds_on=("parent",),
    made_elsewhere=True,
)
