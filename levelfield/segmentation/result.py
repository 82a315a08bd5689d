"""What every segmenter returns, and what many of them begin and end with."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from levelfield.arrays import Image, Labels, Plane
from levelfield.segmentation.options import SizeFilter


@dataclass(frozen=True)
class Segmentation:
    """Objects of one image.

    Attributes
    ----------
    labels : (Y, X) int32
        0 = background. Numbered 1..n in raster order of the first pixel, or, for objects that come
        from others (cells, cytoplasm), like the objects they come from.
    record : dict of str to float
        Facts about this image that deserve a column in the table of sites, e.g. the threshold.
    """

    labels: Labels
    record: dict[str, float] = field(default_factory=dict)


def single_channel(image: Image, method: str) -> Plane:
    """Return the only channel (Y, X) of an image (C, Y, X).

    Raises
    ------
    ValueError
        If there are several.
    """
    if len(image) != 1:
        raise ValueError(
            f"method {method} segments 1 channel but was given {len(image)}; name one channel, or "
            "make one of them with the step combine_channels"
        )
    return image[0]


def filtered(labels: Labels, options: SizeFilter, record: Mapping[str, float]) -> Segmentation:
    """Filter objects by size and border, number them in raster order, and record how many went."""
    # Imported here: the plan and other jobs read what methods there are, and need no image.
    from levelfield.labels.filtering import filter_objects
    from levelfield.labels.objects import renumber

    kept, removed = filter_objects(labels, *options.limits)
    return Segmentation(renumber(kept), {**record, **removed})


def remaining(labels: Labels, parent: Labels, name: str) -> Segmentation:
    """Return what is left of the objects of `parent`, and record how many have nothing left."""
    from levelfield.labels.objects import object_numbers

    n_gone = len(object_numbers(parent)) - len(object_numbers(labels))
    return Segmentation(labels, {name: float(n_gone)})
