"""The seam between two touching objects, or between the two sides of a virtual cut.

* ``seam_brightness``: median along the seam over the mean of both sides' medians;
* ``seam_lowest, seam_highest``: 15th and 85th percentile along the seam over the 90th percentile of
  the dimmer side; ``seam_gradient``: median gradient, times the smaller side's diameter, over that;
* ``seam_similarity``: median of the dimmer side over that of the brighter one;
* ``seam_roundness``: minor over major axis of the union;
* ``seam_width, seam_length``: length of the seam over the minor axis of the union, and over the
  smaller side's diameter;
* ``seam_solidity, seam_ellipse_fit``: solidity of the union, and its overlap (intersection over
  union) with the ellipse of its moments; ``..._gain``: how much higher those of the parts are;
* ``seam_area_px, seam_smaller_area_px``: areas of the union and of the smaller side in px.
"""

import numpy as np
import pandas as pd
from numba import njit

from levelfield.arrays import AnyArray, Floats, Image, Integers, Labels
from levelfield.labels.contacts import Contacts
from levelfield.labels.convex_hull import hull_areas
from levelfield.labels.labelwise import (
    axis_lengths,
    coordinate_sums,
    percentiles_per_group,
    percentiles_per_label,
)
from levelfield.labels.row_extents import RowExtents
from levelfield.qc.columns import NEIGHBOUR, NUMBER, empty_table

SEAM_COLUMNS = (
    *(NUMBER, NEIGHBOUR, "seam_brightness", "seam_lowest", "seam_highest", "seam_gradient"),
    *("seam_similarity", "seam_roundness", "seam_width", "seam_length", "seam_solidity"),
    *("seam_solidity_gain", "seam_ellipse_fit", "seam_ellipse_gain", "seam_area_px"),
    "seam_smaller_area_px",
)
PAIR: dict[str, type] = {NUMBER: np.int64, NEIGHBOUR: np.int64}
"""Columns that name the two objects, with their types."""
_LEAST = 1e-6


def seam_features(
    labels: Labels, smooth: Image, gradient: Image, extents: RowExtents, touching: Contacts
) -> pd.DataFrame:
    """Describe the seam of every touching pair: `SEAM_COLUMNS`, as this module explains them.

    Labels (Y, X) are objects, or parts of objects, with their row extents and contacts; `smooth` is
    the lightly smoothed image above local background, `gradient` the magnitude of its gradient per
    px.
    """
    pairs = touching.pairs
    if len(pairs) == 0:
        return empty_table(SEAM_COLUMNS, PAIR)
    sums = coordinate_sums(labels)
    first, second = sums[pairs - 1, 0].T
    smaller, union = np.minimum(first, second), first + second
    major, minor = axis_lengths(sums[pairs - 1].sum(axis=1))
    # Contacts count a slanted seam along both axes; pi / 4 is the mean over directions.
    length = np.pi / 4 * np.bincount(touching.pair_of_contact)
    diameter = 2 * np.sqrt(smaller / np.pi)
    hull = np.maximum(hull_areas(extents), 1)
    solidity = union / np.maximum(hull_areas(extents, pairs), 1)
    of_parts = (first**2 / hull[pairs[:, 0] - 1] + second**2 / hull[pairs[:, 1] - 1]) / union
    fit = ellipse_fit(labels, extents, sums, pairs)
    first_fit, second_fit = ellipse_fit(labels, extents, sums)[pairs - 1].T
    fit_of_parts = (first * first_fit + second * second_fit) / union
    return pd.DataFrame(
        {
            NUMBER: pairs[:, 0],
            NEIGHBOUR: pairs[:, 1],
            **_brightness(touching, labels, smooth, gradient, diameter),
            "seam_roundness": minor / major,
            "seam_width": length / minor,
            "seam_length": length / diameter,
            "seam_solidity": solidity,
            "seam_solidity_gain": of_parts - solidity,
            "seam_ellipse_fit": fit,
            "seam_ellipse_gain": fit_of_parts - fit,
            "seam_area_px": union,
            "seam_smaller_area_px": smaller,
        }
    )


def _brightness(
    touching: Contacts, labels: Labels, smooth: Image, gradient: Image, diameter: Floats
) -> dict[str, AnyArray]:
    pairs, of_contact = touching.pairs, touching.pair_of_contact
    n_objects = int(labels.max())
    within = percentiles_per_label(labels, smooth, (50, 90), n_objects)
    middle, peaks = np.maximum(within, _LEAST)[:, pairs - 1]
    dimmer = peaks.min(axis=1)
    low, centre, high = percentiles_per_group(
        touching.lower(smooth), of_contact, len(pairs), (15, 50, 85)
    )
    steep = percentiles_per_group(touching.lower(gradient), of_contact, len(pairs), (50,))[0]
    return {
        "seam_brightness": np.clip(centre / middle.mean(axis=1), 0, 2),
        "seam_lowest": np.clip(low / dimmer, 0, 2),
        "seam_highest": np.clip(high / dimmer, 0, 2),
        "seam_gradient": np.clip(steep * diameter / dimmer, 0, 20),
        "seam_similarity": middle.min(axis=1) / middle.max(axis=1),
    }


def ellipse_fit(
    labels: Labels, extents: RowExtents, sums: Floats, pairs: Integers | None = None
) -> Floats:
    """Overlap of objects, or of unions of two, with the ellipses of the same second moments.

    Intersection over union, 1 for an ellipse; 0 for a label without pixels. (p,) for the unions of
    `pairs` (p, 2); (n,), every single label, without. Extents and sums (`coordinate_sums`) are
    those of the labels.
    """
    if pairs is None:
        single = np.arange(1, len(sums) + 1)
        pairs = np.stack([single, single], axis=1)
        together = sums
    else:
        together = sums[pairs[:, 0] - 1] + sums[pairs[:, 1] - 1]
    number = np.maximum(together[:, 0], 1)
    y, x = together[:, 1] / number, together[:, 2] / number
    variance_y = together[:, 3] / number - y**2 + 1 / 12
    variance_x = together[:, 4] / number - x**2 + 1 / 12
    covariance = together[:, 5] / number - x * y
    determinant = np.maximum(variance_y * variance_x - covariance**2, 1e-6)
    shape = np.stack([y, x, variance_y, variance_x, covariance, determinant], axis=1)
    inside = np.zeros(len(pairs))
    _count_in_ellipse(labels, pairs, shape, extents.arrays(), inside)
    ellipse = 4 * np.pi * np.sqrt(determinant)
    return np.where(together[:, 0] > 0, inside / (together[:, 0] + ellipse - inside), 0.0)


# numba: counts the pixels of many small objects one by one, without a mask for each
@njit(cache=True)
def _count_in_ellipse(
    labels: Labels, pairs: Integers, shape: Floats, extents: tuple[AnyArray, ...], counts: Floats
) -> None:
    top, height, start, left, right = extents
    for index in range(len(pairs)):
        centre_y, centre_x, yy, xx, xy, determinant = shape[index]
        for side in range(2):
            label = pairs[index, side]
            if side == 1 and label == pairs[index, 0]:
                break
            for row in range(height[label - 1]):
                y = top[label - 1] + row
                at = start[label - 1] + row
                for x in range(left[at], right[at]):
                    if labels[y, x] != label:
                        continue
                    dy, dx = y - centre_y, x - centre_x
                    reach = (xx * dy * dy - 2 * xy * dx * dy + yy * dx * dx) / determinant
                    if reach <= 4:
                        counts[index] += 1
