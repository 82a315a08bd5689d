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

from levelfield.qc.evidence.bias import background_noise, threshold_bias
from levelfield.qc.evidence.cuts import Cuts, best_cuts
from levelfield.qc.evidence.geometry import (
    RowExtents,
    axis_lengths,
    checked_field,
    coordinate_sums,
    enlarged,
    hull_areas,
    inner_boundary,
    inner_distance,
    object_areas,
    percentile_per_label,
    row_extents,
    typical_diameter,
)
from levelfield.qc.evidence.seams import (
    NEIGHBOUR,
    NUMBER,
    SEAM_COLUMNS,
    ellipse_fit,
    no_seams,
    seam_features,
)
from levelfield.qc.evidence.second_opinion import (
    OPINIONS_ON_OBJECTS,
    OPINIONS_ON_SEAMS,
    SecondOpinion,
    opinions_on_objects,
    opinions_on_seams,
    without_opinion,
)

# A virtual cut is described as the seam that it would be.
_OF_CUT = {name: f"cut_{name}" for name in (*SEAM_COLUMNS[2:], *OPINIONS_ON_SEAMS)}
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
    "axis_ratio",
    "ellipse_fit",
    "roundness",
    "contrast_to_noise",
    "edge_sharpness",
    "texture",
    "grain",
    "saturated",
    "background_correlation",
    "background_fineness",
    "contact",
    "cut_shape_saddle",
    "cut_intensity_saddle",
    *_OF_CUT.values(),
    *OPINIONS_ON_OBJECTS,
)
PAIR_COLUMNS = (*SEAM_COLUMNS, *OPINIONS_ON_SEAMS)
SMALLEST_PART = 0.06
DENSITY_NEIGHBOURS = 5
_FEWEST_BACKGROUND = 50  # px
_NO_NOISE = 1e-12  # variance of what is clipped
# An intensity this close to the detector's maximum is clipped (correction moves it a little).
CLIPPED = 0.98


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
    opinion: SecondOpinion | None = None,
) -> FieldFeatures:
    """Measure all that the QC needs from the pixels of one field and one object set.

    Parameters
    ----------
    labels : (Y, X) int32
        Objects; 0 is background.
    image : (Y, X) float32
        The channel in which the objects were segmented, flat-field-corrected, 1 where the camera's
        range ends.
    inner : (Y, X) int32, optional
        Objects inside (the nuclei of cells), see `levelfield.qc.evidence.bias.threshold_bias`.
    level : float
        Edge level of the threshold bias.
    opinion : SecondOpinion, optional
        What the small network says of the field; its columns are NaN without it.

    Returns
    -------
    FieldFeatures
        ``objects`` with `OBJECT_COLUMNS`: areas in px, intensities above local background,
        ``local_density`` in objects per 10,000 px, ``threshold_bias_px``, shape (``axis_ratio``,
        ``ellipse_fit``, ``roundness``: the deepest pixel's depth over the radius), intensity
        (``contrast_to_noise``: median over the noise of the background; ``edge_sharpness``:
        gradient at the edge times diameter over median; ``texture``: standard deviation over mean;
        ``grain``: the part of it that is finer than 1 px; ``saturated``: share of clipped pixels;
        ``background_correlation`` and ``background_fineness``: the field's `background_grain`),
        ``contact`` (share of the outline that faces other objects), and the best virtual cut
        (``cut_*``; saddles are 1 and the seam's columns NaN without one).
        ``pairs`` with `PAIR_COLUMNS`: the seam between two touching objects.

    Raises
    ------
    ValueError
        When labels and image do not fit each other.

    Notes
    -----
    The features follow Levelfield's QC study; saddles are those of `levelfield.qc.evidence.cuts`.
    """
    labels, image, inner = checked_field(labels, image, inner)
    present = np.flatnonzero(object_areas(labels)) + 1
    if present.size == 0:
        return empty_features()
    diameter = typical_diameter(labels)
    background = local_background(labels, image, diameter)
    smooth = ndimage.gaussian_filter(image, max(0.6, 0.05 * diameter)) - background
    gradient = _gradient(image, diameter)
    extents = row_extents(labels)
    pairs = seam_features(labels, smooth, gradient, extents)
    pairs = pairs.assign(**_opinions_on_seams(labels, opinion, pairs))
    depth = inner_distance(labels)
    objects = _object_table(labels, image - background, extents)
    objects = objects.assign(**_looks(labels, image, background, depth, gradient, extents))
    bias = threshold_bias(labels, image, level, inner=inner, depth=depth)
    objects["threshold_bias_px"] = bias
    blurred = ndimage.gaussian_filter(image, max(0.7, 0.1 * diameter)) - background
    cuts = _cut_features(labels, depth, smooth, blurred, gradient, diameter, opinion)
    objects = objects.assign(**cuts)
    objects = objects.loc[present - 1, list(OBJECT_COLUMNS)].reset_index(drop=True)
    return FieldFeatures(objects, pairs)


def _gradient(image: NDArray[np.float32], diameter: float) -> NDArray[np.float32]:
    return ndimage.gaussian_gradient_magnitude(image, max(0.7, 0.05 * diameter))


def _opinions_on_seams(
    labels: NDArray, opinion: SecondOpinion | None, seams: pd.DataFrame
) -> dict[str, NDArray]:
    if opinion is None or seams.empty:
        return without_opinion(OPINIONS_ON_SEAMS, len(seams))
    return opinions_on_seams(labels, opinion, seams)


def _looks(
    labels: NDArray,
    image: NDArray,
    background: NDArray,
    depth: NDArray,
    gradient: NDArray,
    extents: RowExtents,
) -> dict[str, NDArray]:
    """Describe shape, contrast and texture of every object."""
    count = len(extents.top)
    sums = coordinate_sums(labels)
    major, minor = axis_lengths(sums)
    inside = np.flatnonzero(labels.ravel())
    owner = labels.ravel()[inside]

    def mean(values: NDArray, where: NDArray | slice = slice(None)) -> NDArray:
        total = np.bincount(owner[where], values[where], minlength=count + 1)[1:]
        number = np.bincount(owner[where], minlength=count + 1)[1:]
        return total / np.maximum(number, 1)

    above = (image - background).ravel()[inside].astype(float)
    fine = (image - ndimage.gaussian_filter(image, 1.0)).ravel()[inside].astype(float)
    average = np.maximum(mean(above), 1e-6)
    middle = np.maximum(percentile_per_label(labels, image - background, 50, count), 1e-6)
    radius = np.sqrt(np.maximum(sums[:, 0], 1) / np.pi)
    deepest = np.zeros(count + 1)
    np.maximum.at(deepest, owner, depth.ravel()[inside])
    edge = inner_boundary(labels, background_only=True).ravel()[inside]
    rim = inner_boundary(labels, background_only=False).ravel()[inside]
    correlation, fineness = background_grain(labels, image)
    noise = max(background_noise(labels, image), 1e-4)
    spread = np.sqrt(np.maximum(mean(above**2) - mean(above) ** 2, 0))
    return {
        "axis_ratio": major / np.maximum(minor, 1e-6),
        "ellipse_fit": ellipse_fit(labels, extents, sums),
        "roundness": deepest[1:] / radius,
        "contrast_to_noise": middle / noise,
        "edge_sharpness": mean(gradient.ravel()[inside].astype(float), edge) * 2 * radius / middle,
        "texture": spread / average,
        "grain": np.sqrt(mean(fine**2)) / average,
        "saturated": mean((image.ravel()[inside] >= CLIPPED).astype(float)),
        "background_correlation": np.full(count, correlation),
        "background_fineness": np.full(count, fineness),
        "contact": 1 - mean(edge.astype(float), rim),
    }


def background_grain(labels: NDArray[np.int32], image: NDArray[np.float32]) -> tuple[float, float]:
    """Say how fine the noise of the background is: what blurs an image smooths its noise too.

    Returns
    -------
    correlation : float
        Of neighbouring pixels along x, slow changes removed; about 0 for a camera's noise.
    fineness : float
        Logarithm of how much stronger the noise is below 1 px than from 1 to 2 px.
        Where the background is clipped, or there is none, both are those of white noise.

    Notes
    -----
    Away from objects, since halos are no noise. Whether a camera's own noise is white was not
    assumed: the limits are learned (`levelfield.qc.evidence.calibration`).
    """
    reach = 2 * int(typical_diameter(labels) / 4) + 3
    away = ndimage.maximum_filter((labels > 0).view(np.uint8), reach) == 0
    fine, coarse = (_smooth_within(image, away, sigma) for sigma in (1.0, 2.0))
    rest = (image - coarse).astype(float)
    pairs = away[:, 1:] & away[:, :-1]
    own, next_one = rest[:, :-1][pairs], rest[:, 1:][pairs]
    if own.size < _FEWEST_BACKGROUND or own.var() < _NO_NOISE:
        return 0.0, 1.0
    below, above = (image - fine)[away].astype(float), (fine - coarse)[away].astype(float)
    ratio = (below.var() + _NO_NOISE) / (above.var() + _NO_NOISE)
    return float((own * next_one).mean() / (own**2).mean()), float(0.5 * np.log(ratio))


def _smooth_within(
    image: NDArray[np.float32], mask: NDArray[np.bool_], sigma: float
) -> NDArray[np.float32]:
    """Smooth with what is inside the mask only: bright objects beside it must not leak in."""
    weight = ndimage.gaussian_filter(mask.astype(np.float32), sigma)
    return ndimage.gaussian_filter(np.where(mask, image, 0), sigma) / np.maximum(weight, 1e-3)


def empty_features() -> FieldFeatures:
    """Return the features of a field without objects: all columns, no rows."""
    pairs = no_seams().assign(**without_opinion(OPINIONS_ON_SEAMS, 0))
    return FieldFeatures(_no_objects(), pairs)


def _no_objects() -> pd.DataFrame:
    types = dict.fromkeys(OBJECT_COLUMNS, np.float64)
    types |= {NUMBER: np.int64, "touches_border": bool}
    return pd.DataFrame({name: np.empty(0, types[name]) for name in OBJECT_COLUMNS})


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
    return (overall + enlarged(coarse, image.shape, (1 / block, 1 / block))).astype(np.float32)


def _block_sums(image: NDArray, block: int) -> NDArray:
    rows = np.arange(0, image.shape[0], block)
    columns = np.arange(0, image.shape[1], block)
    return np.add.reduceat(np.add.reduceat(image, rows, axis=0), columns, axis=1)


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
    labels: NDArray,
    depth: NDArray,
    smooth: NDArray,
    blurred: NDArray,
    gradient: NDArray,
    diameter: float,
    opinion: SecondOpinion | None,
) -> dict[str, NDArray]:
    """Describe each object's best cut, by shape or by intensity, whichever has the lower saddle."""
    smallest = max(6.0, SMALLEST_PART * np.pi * diameter**2 / 4)
    shape = ndimage.gaussian_filter(depth, max(0.4, 0.04 * diameter))
    by_shape = best_cuts(labels, shape, smallest)
    by_intensity = best_cuts(labels, np.maximum(blurred, 1e-6), smallest)
    cut = _better_cut(labels, by_shape, by_intensity)
    parts = np.where(labels > 0, 2 * labels - 1 + cut.side, 0).astype(np.int32)
    seams = seam_features(parts, smooth, gradient, row_extents(parts))
    seams = seams.assign(**_opinions_on_seams(parts, opinion, seams))
    seams = seams[(seams[NUMBER] % 2 == 1) & (seams[NEIGHBOUR] == seams[NUMBER] + 1)]
    index = (seams[NUMBER].to_numpy() - 1) // 2
    count = len(cut.saddle)
    columns = {"cut_shape_saddle": by_shape.saddle, "cut_intensity_saddle": by_intensity.saddle}
    for source, name in _OF_CUT.items():
        columns[name] = np.full(count, np.nan)
        columns[name][index] = seams[source]
    if opinion is None:
        return columns | without_opinion(OPINIONS_ON_OBJECTS, count)
    return columns | opinions_on_objects(labels, opinion, smallest)


def _better_cut(labels: NDArray, one: Cuts, other: Cuts) -> Cuts:
    first = one.saddle <= other.saddle
    choose = np.concatenate([[True], first])[labels]
    saddle = np.minimum(one.saddle, other.saddle)
    return Cuts(saddle, np.where(choose, one.side, other.side))
