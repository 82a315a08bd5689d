"""A field as people look at it in a report: small, its outlines apart, one contrast for a plate."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from levelfield.arrays import AnyArray, Image, Labels, Plane
from levelfield.io.pictures import jpeg, transparent_png
from levelfield.labels.boundaries import inner_boundary

SIDE_PX = 600
"""About the longer side of a picture; fields are shrunk by whole numbers of pixels."""
PICTURE, OUTLINE = "picture_", "outline_"
"""Columns of pictures start with it, and go on with the name of the channel or object set."""
_INK = "#ffffff"


def thumbnail_step(shape: Sequence[int]) -> int:
    """Return how many pixels of a field (Y, X) lie along one pixel of its picture."""
    return max(1, round(max(shape[-2:]) / SIDE_PX))


def field_thumbnail(
    image: Image,
    names: Sequence[str],
    labels: Mapping[str, Labels],
    ranges: Mapping[str, tuple[float, float]],
) -> pd.DataFrame:
    """Draw a field small.

    Parameters
    ----------
    image : (C, Y, X) float32
        Corrected intensities.
    names : sequence of str
        Its channels, in order.
    labels : mapping of str to (Y, X) int32
        By object set.
    ranges : mapping of str to (float, float)
        Intensities of each channel that are shown as black and as white.

    Returns
    -------
    DataFrame
        One row: ``height_px, width_px`` of the field and ``step`` (`thumbnail_step`);
        ``picture_<channel>``, a grey JPEG; ``outline_<set>``, a PNG of the outermost pixels of
        every object on a transparent ground, at up to twice the pixels of the picture.
    """
    step = thumbnail_step(image.shape)
    row: dict[str, object] = {"height_px": image.shape[1], "width_px": image.shape[2], "step": step}
    for name, plane in zip(names, image, strict=True):
        low, high = ranges[name]
        row[f"{PICTURE}{name}"] = jpeg((_shrunk(plane, step) - low) / (high - low))
    every = (step + 1) // 2
    for name, own in labels.items():
        seen = np.ascontiguousarray(own[::every, ::every])
        row[f"{OUTLINE}{name}"] = transparent_png(inner_boundary(seen, False), [_INK], level=6)
    return pd.DataFrame([row])


def _shrunk(plane: Plane, step: int) -> AnyArray:
    """Return the mean of every `step` x `step` pixels; what is left at two borders is cut."""
    if step == 1:
        return plane
    rows, columns = (length // step for length in plane.shape)
    cut = plane[: rows * step, : columns * step]
    # One axis after the other, which is much quicker than both at once.
    along = cut.reshape(rows, step, -1).mean(axis=1, dtype=np.float32)
    return along.reshape(rows, columns, step).mean(axis=2, dtype=np.float32)


def no_thumbnails(names: Sequence[str], sets: Sequence[str]) -> pd.DataFrame:
    """Return the table of `field_thumbnail` without rows."""
    pictures = [f"{PICTURE}{name}" for name in names] + [f"{OUTLINE}{name}" for name in sets]
    return pd.DataFrame(columns=["height_px", "width_px", "step", *pictures])
