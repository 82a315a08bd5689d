"""Alter labels by a known amount, to see whether the QC finds it."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from levelfield.objects import Labels, expand


def plant_growth(labels: Labels, grow_px: float) -> Labels:
    """Grow all objects into the background, or shrink them away from it.

    Objects keep their numbers, so that each can be compared with what it was. Where two grow
    towards each other, a pixel goes to the nearer one; seams between objects that touch stay.
    Shrunk objects may vanish, and pixels outside of the image count as object.

    Parameters
    ----------
    labels : (Y, X) int32
        0 = background.
    grow_px : float
        Background whose centre is at most so far from the centre of an object's pixel joins the
        object; below 0, pixels of objects that are at most so far from background leave them. On
        the grid of pixels an outline so moves by whole pixels: 1.5 px moves it by 1 px along the
        axes, by 1.41 px along the diagonals, and by 1.27 px (4/π) in the mean of all directions.

    Returns
    -------
    (Y, X) int32
    """
    if grow_px >= 0:
        return expand(labels, grow_px)
    if labels.all():  # there is no background to be measured from
        return labels.copy()
    from_background = ndimage.distance_transform_edt(labels > 0)
    return np.where(from_background > -grow_px, labels, 0).astype(np.int32)
