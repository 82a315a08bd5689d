"""What the pixels say about every object and every touching pair of one field.

These are raw features, in units of the field (px, intensity, ratios); `evidence` turns them into
scores once all packs of a plate are together and the plate's typical object is known.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from levelfield.qc.bias import threshold_bias
from levelfield.qc.cuts import Cuts, best_cuts
from levelfield.qc.geometry import (
    Contacts,
    RowExtents,
    axis_lengths,
    checked_field,
    contacts,
    coordinate_sums,
    hull_areas,
    inner_distance,
    median_per_group,
    object_areas,
    percentile_per_label,
    row_extents,
    typical_diameter,
)

NUMBER = "Metadata_ObjectNumber"
NEIGHBOUR = "Metadata_NeighbourNumber"
OBJECT_COLUMNS = (
    NUMBER,
    "area_px",
    "centre_y_px",
    "centre_x_px",
    "touches_border",
    "mean_intensity",
    "integrated_intensity",
    "local_density",
    "solidity",
    "threshold_bias_px",
    "cut_shape_saddle",
    "cut_intensity_saddle",
    "cut_seam_brightness",
    "cut_seam_width",
    "cut_solidity_gain",
    "cut_smaller_area_px",
)
PAIR_COLUMNS = (
    NUMBER,
    NEIGHBOUR,
    "seam_brightness",
    "seam_similarity",
    "seam_roundness",
    "seam_width",
    "seam_solidity_gain",
    "seam_area_px",
    "seam_smaller_area_px",
)
SMALLEST_PART = 0.06
DENSITY_NEIGHBOURS = 5


# A virtual cut is described as the seam that it would be; without a cut the neutral value stands.
_CUT_COLUMNS = {
    "cut_seam_brightness": ("seam_brightness", 1.0),
    "cut_seam_width": ("seam_width", 1.0),
    "cut_solidity_gain": ("seam_solidity_gain", 0.0),
    "cut_smaller_area_px": ("seam_smaller_area_px", 0.0),
}


class FieldFeatures(NamedTuple):
    """Raw QC features of one field: a row per object and a row per touching pair."""

    objects: pd.DataFrame
    pairs: pd.DataFrame


def field_features(
    labels: NDArray[np.int32],
    image: NDArray[np.float32],
    *,
    inner: NDArray[np.int32] | None = None,
    level: float = 0.4,
) -> FieldFeatures:
    """Measure all that the QC needs from the pixels of one field and one object set.

    Parameters
    ----------
    labels : (Y, X) int32
        Objects; 0 is background.
    image : (Y, X) float32
        The channel in which the objects were segmented, flat-field-corrected.
    inner : (Y, X) int32, optional
        Objects inside (the nuclei of cells), see `levelfield.qc.bias.threshold_bias`.
    level : float
        Edge level of the threshold bias.

    Returns
    -------
    FieldFeatures
        ``objects`` with `OBJECT_COLUMNS`: areas in px, intensities above local background,
        ``local_density`` in objects per 10,000 px, ``threshold_bias_px``, and the best virtual
        cut of the object (``cut_*``; an object without one has saddles, seam brightness and width
        1 and gain 0).
        ``pairs`` with `PAIR_COLUMNS`: the seam between two touching objects.

    Raises
    ------
    ValueError
        When labels and image do not fit each other.

    Notes
    -----
    The features follow Levelfield's QC study; saddles are those of `levelfield.qc.cuts`.
    """
    labels, image, inner = checked_field(labels, image, inner)
    present = np.flatnonzero(object_areas(labels)) + 1
    if present.size == 0:
        return empty_features()
    diameter = typical_diameter(labels)
    background = local_background(labels, image, diameter)
    smooth = ndimage.gaussian_filter(image, max(0.6, 0.05 * diameter)) - background
    extents = row_extents(labels)
    pairs = seam_features(labels, smooth, extents)
    objects = _object_table(labels, image - background, extents)
    depth = inner_distance(labels)
    bias = threshold_bias(labels, image, level, inner=inner, depth=depth)
    objects["threshold_bias_px"] = bias
    blurred = ndimage.gaussian_filter(image, max(0.7, 0.1 * diameter)) - background
    objects = objects.assign(**_cut_features(labels, depth, smooth, blurred, diameter))
    objects = objects.loc[present - 1, list(OBJECT_COLUMNS)].reset_index(drop=True)
    return FieldFeatures(objects, pairs)


def empty_features() -> FieldFeatures:
    """Return the features of a field without objects: all columns, no rows."""
    return FieldFeatures(_empty(OBJECT_COLUMNS), _empty(PAIR_COLUMNS))


def _empty(columns: tuple[str, ...]) -> pd.DataFrame:
    whole = (NUMBER, NEIGHBOUR)
    types = {name: np.int64 if name in whole else np.float64 for name in columns}
    types["touches_border"] = bool
    return pd.DataFrame({name: np.empty(0, types[name]) for name in columns})


def local_background(
    labels: NDArray[np.int32], image: NDArray[np.float32], diameter: float
) -> NDArray[np.float32]:
    """Smooth background image from pixels well away from objects (Y, X) float32.

    Means over blocks of half a diameter are blurred by 1.5 diameters; where no background is near,
    the field's median background takes over, and without any background its 5th percentile.
    """
    block = max(2, int(diameter / 2))
    size = 2 * max(1, int(diameter / 4)) + 1
    away = ndimage.maximum_filter((labels > 0).view(np.uint8), size) == 0
    if away.sum() < 50:
        away = labels == 0
    if away.sum() < 50:
        return np.full(image.shape, np.percentile(image, 5), np.float32)
    overall = float(np.median(image[away]))
    total = _block_sums(np.where(away, image - overall, 0), block)
    number = _block_sums(away.astype(np.float64), block)
    sigma = 1.5 * diameter / block
    total = ndimage.gaussian_filter(total, sigma, truncate=3)
    number = ndimage.gaussian_filter(number, sigma, truncate=3)
    coarse = total / (number + 1e-3 * block**2)
    y = np.clip((np.arange(image.shape[0]) + 0.5) / block - 0.5, 0, coarse.shape[0] - 1)
    x = np.clip((np.arange(image.shape[1]) + 0.5) / block - 0.5, 0, coarse.shape[1] - 1)
    return (overall + _bilinear(coarse, y, x)).astype(np.float32)


def _block_sums(image: NDArray, block: int) -> NDArray:
    rows = np.arange(0, image.shape[0], block)
    columns = np.arange(0, image.shape[1], block)
    return np.add.reduceat(np.add.reduceat(image, rows, axis=0), columns, axis=1)


def _bilinear(coarse: NDArray, y: NDArray, x: NDArray) -> NDArray:
    """Interpolate a coarse image on the grid y by x, one axis after the other."""
    y0 = np.minimum(y.astype(int), max(coarse.shape[0] - 2, 0))
    x0 = np.minimum(x.astype(int), max(coarse.shape[1] - 2, 0))
    y1, x1 = np.minimum(y0 + 1, coarse.shape[0] - 1), np.minimum(x0 + 1, coarse.shape[1] - 1)
    part_y, part_x = (y - y0)[:, None], (x - x0)[None, :]
    rows = coarse[y0] * (1 - part_y) + coarse[y1] * part_y
    return rows[:, x0] * (1 - part_x) + rows[:, x1] * part_x


def _object_table(labels: NDArray, above: NDArray, extents: RowExtents) -> pd.DataFrame:
    count = len(extents.top)
    inside = np.flatnonzero(labels.ravel())
    label_of_pixel = labels.ravel()[inside]
    y, x = np.divmod(inside, labels.shape[1])

    def total(weights: NDArray | None = None) -> NDArray:
        return np.bincount(label_of_pixel, weights, minlength=count + 1)[1:]

    area = total()
    some = np.maximum(area, 1)
    centre_y, centre_x = total(y) / some, total(x) / some
    integrated = total(above.ravel()[inside])
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    border = np.zeros(count + 1, bool)
    border[rim] = True
    density = local_density(centre_y[area > 0], centre_x[area > 0], labels.shape)
    density_of_all = np.full(count, np.nan)
    density_of_all[area > 0] = density
    return pd.DataFrame(
        {
            NUMBER: np.arange(1, count + 1),
            "area_px": area.astype(float),
            "centre_y_px": centre_y,
            "centre_x_px": centre_x,
            "touches_border": border[1:],
            "mean_intensity": integrated / some,
            "integrated_intensity": integrated,
            "local_density": density_of_all,
            "solidity": area / np.maximum(hull_areas(extents), 1),
        }
    )


def local_density(
    centre_y: NDArray[np.float64], centre_x: NDArray[np.float64], shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Objects per 10,000 px around each object, from the distance to its fifth neighbour.

    With five or fewer other objects in the field, their number over the field's area.
    """
    count = len(centre_y)
    if count <= DENSITY_NEIGHBOURS:
        return np.full(count, 1e4 * count / (shape[0] * shape[1]))
    points = np.stack([centre_y, centre_x], axis=1)
    distance, _ = KDTree(points).query(points, k=DENSITY_NEIGHBOURS + 1)
    return 1e4 * DENSITY_NEIGHBOURS / (np.pi * np.maximum(distance[:, -1], 1) ** 2)


def _cut_features(
    labels: NDArray, depth: NDArray, smooth: NDArray, blurred: NDArray, diameter: float
) -> dict[str, NDArray]:
    """Describe each object's best cut, by shape or by intensity, whichever has the lower saddle."""
    smallest = max(6.0, SMALLEST_PART * np.pi * diameter**2 / 4)
    shape = ndimage.gaussian_filter(depth, max(0.4, 0.04 * diameter))
    by_shape = best_cuts(labels, shape, smallest)
    by_intensity = best_cuts(labels, np.maximum(blurred, 1e-6), smallest)
    cut = _better_cut(labels, by_shape, by_intensity)
    parts = np.where(labels > 0, 2 * labels - 1 + cut.side, 0).astype(np.int32)
    seams = seam_features(parts, smooth, row_extents(parts))
    same = (seams[NUMBER] % 2 == 1) & (seams[NEIGHBOUR] == seams[NUMBER] + 1)
    seams = seams[same]
    index = (seams[NUMBER].to_numpy() - 1) // 2
    columns = {"cut_shape_saddle": by_shape.saddle, "cut_intensity_saddle": by_intensity.saddle}
    for name, (source, neutral) in _CUT_COLUMNS.items():
        columns[name] = np.full(len(cut.saddle), neutral)
        columns[name][index] = seams[source]
    return columns


def _better_cut(labels: NDArray, one: Cuts, other: Cuts) -> Cuts:
    first = one.saddle <= other.saddle
    choose = np.concatenate([[True], first])[labels]
    saddle = np.minimum(one.saddle, other.saddle)
    return Cuts(saddle, np.where(choose, one.side, other.side))


def seam_features(
    labels: NDArray[np.int32], smooth: NDArray[np.float32], extents: RowExtents
) -> pd.DataFrame:
    """Describe the seam of every touching pair, with `PAIR_COLUMNS`.

    Parameters
    ----------
    labels : (Y, X) int32
        Objects, or parts of objects.
    smooth : (Y, X) float32
        Lightly smoothed image above local background.
    extents : RowExtents
        Of ``labels``.

    Returns
    -------
    pandas.DataFrame
        ``seam_brightness``: median along the seam over the mean of both sides' medians.
        ``seam_similarity``: median of the dimmer side over that of the brighter one.
        ``seam_roundness``: minor over major axis of the union. ``seam_width``: length of the seam
        over the minor axis of the union. ``seam_solidity_gain``: solidity of the parts minus that
        of the union. Areas of the union and of the smaller side in px.
    """
    touching = contacts(labels, smooth)
    if len(touching.pairs) == 0:
        return _empty(PAIR_COLUMNS)
    one, other = touching.pairs.T
    first, second = (object_areas(labels).astype(float)[label - 1] for label in (one, other))
    sums = coordinate_sums(labels)
    major, minor = axis_lengths(sums[one - 1] + sums[other - 1])
    # Contacts count a slanted seam along both axes; pi / 4 is the mean over directions.
    length = np.pi / 4 * np.bincount(touching.pair_of_contact)
    return pd.DataFrame(
        {
            NUMBER: one,
            NEIGHBOUR: other,
            **_seam_brightness(touching, labels, smooth),
            "seam_roundness": minor / major,
            "seam_width": length / minor,
            "seam_solidity_gain": _solidity_gain(touching.pairs, first, second, extents),
            "seam_area_px": first + second,
            "seam_smaller_area_px": np.minimum(first, second),
        }
    )


def _seam_brightness(touching: Contacts, labels: NDArray, smooth: NDArray) -> dict[str, NDArray]:
    middle = np.maximum(percentile_per_label(labels, smooth, 50, labels.max()), 1e-6)
    sides = middle[touching.pairs - 1]
    along = median_per_group(touching.intensity, touching.pair_of_contact, len(touching.pairs))
    return {
        "seam_brightness": np.clip(along / sides.mean(axis=1), 0, 2),
        "seam_similarity": sides.min(axis=1) / sides.max(axis=1),
    }


def _solidity_gain(
    pairs: NDArray, first: NDArray, second: NDArray, extents: RowExtents
) -> NDArray[np.float64]:
    hull = np.maximum(hull_areas(extents), 1)
    union = first + second
    divided = (first**2 / hull[pairs[:, 0] - 1] + second**2 / hull[pairs[:, 1] - 1]) / union
    return divided - union / np.maximum(hull_areas(extents, pairs), 1)
