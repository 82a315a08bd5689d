"""The method `labels`: take over labels that were made elsewhere."""

import numpy as np

from levelfield.arrays import AnyLabels, Image, Labels, Plane
from levelfield.config.options import Flag
from levelfield.segmentation.method import Method
from levelfield.segmentation.options import MinimumDiameter, SizeFilter
from levelfield.segmentation.result import Segmentation, filtered

RING = 5  # px around an object that count as its surroundings


class LabelsOptions(SizeFilter):
    """Options of the method `labels`."""

    split_parts: Flag = False
    """Make each connected part an object of its own, for masks that do not number their objects."""
    minimum_diameter: MinimumDiameter = 0.0


def labels(image: Image, options: LabelsOptions, imported: AnyLabels) -> Segmentation:
    """Take over labels that were made elsewhere, and treat them like any other.

    The record says how many objects have `SeveralParts`, and which share of the objects is
    `BrighterThanSurroundings` in the first channel: near 1 where bright objects and labels belong
    together, near 0.5 where the labels are those of another image.

    Raises
    ------
    ValueError
        If the labels have another size than the image, or are a mask instead of labels.
    """
    from levelfield.labels import objects

    expected = image.shape[1:]
    if imported.shape != expected:
        hint = "They may be of another site, or scaled or cropped."
        if imported.shape == expected[::-1]:
            hint = "They look transposed: rows and columns are exchanged."
        raise ValueError(f"the labels are {imported.shape} px, the image is {expected}. {hint}")
    numbered = objects.split_parts(imported) if options.split_parts else objects.renumber(imported)
    parts = objects.split_parts(numbered)
    if numbered.max() == 1 and parts.max() > 1:
        raise ValueError(
            f"the label image gives one number to all of its {parts.max()} separate objects: it is "
            "a mask, and would count as one object. Export labels instead, or set split_parts: true"
        )
    several = np.bincount(objects.relate(parts, numbered)["parent"], minlength=1)[1:] > 1
    record = {
        "SeveralParts": float(several.sum()),
        "BrighterThanSurroundings": _brighter_share(image[0], numbered),
    }
    return filtered(numbered, options, record)


def _brighter_share(plane: Plane, labels: Labels) -> float:
    """Share of the objects that are brighter than the background around them; NaN without any."""
    from scipy import ndimage

    from levelfield.labels import objects

    numbers = objects.object_numbers(labels)
    ring = np.where(labels > 0, 0, objects.expand(labels, RING))
    surrounded = numbers[np.isin(numbers, ring)]
    if not len(surrounded):
        return float("nan")
    inside = ndimage.mean(plane, labels, surrounded)
    return float(np.mean(inside > ndimage.mean(plane, ring, surrounded)))


METHOD = Method(
    name="labels",
    makes="whatever label images hold that were made elsewhere",
    files=True,
    made_elsewhere=True,
    options=LabelsOptions,
    run=labels,
)
