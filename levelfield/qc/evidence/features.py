"""What the pixels say about every object and every touching pair of one field.

These are raw features, in units of the field (px, intensity, ratios); `evidence` turns them into
scores once all packs of a plate are together and the plate's reference object is known.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.spatial import KDTree

from levelfield.arrays import AnyArray, Floats, Image, Labels
from levelfield.execution.memory import give_back_memory
from levelfield.images.smoothing import gaussian, gradient_magnitude
from levelfield.labels.boundaries import inner_boundary, inner_distance
from levelfield.labels.contacts import Contacts, contacts
from levelfield.labels.convex_hull import hull_areas
from levelfield.labels.labelwise import (
    areas,
    axis_lengths,
    coordinate_sums,
    largest_per_label,
    median_diameter,
    percentiles_per_label,
    sums_per_label,
)
from levelfield.labels.objects import touches_border
from levelfield.labels.row_extents import RowExtents, row_extents
from levelfield.qc.evidence.background import background_grain, background_noise, local_background
from levelfield.qc.evidence.bias import threshold_bias
from levelfield.qc.evidence.checked_field import checked_field
from levelfield.qc.evidence.cuts import Cuts, best_cuts
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
    *(NUMBER, "area_px", "centre_y_px", "centre_x_px", "touches_border", "mean_intensity"),
    *("integrated_intensity", "local_density", "solidity", "threshold_bias_px", "axis_ratio"),
    *("ellipse_fit", "roundness", "contrast_to_noise", "edge_sharpness", "texture", "grain"),
    *("saturated", "background_correlation", "background_fineness", "contact"),
    *("cut_shape_saddle", "cut_intensity_saddle"),
    *_OF_CUT.values(),
    *OPINIONS_ON_OBJECTS,
)
PAIR_COLUMNS = (*SEAM_COLUMNS, *OPINIONS_ON_SEAMS)
SMALLEST_PART = 0.06
DENSITY_NEIGHBOURS = 5
# An intensity this close to the detector's maximum is clipped (correction moves it a little).
CLIPPED = 0.98


class FieldFeatures(NamedTuple):
    """Raw QC features of one field: a row per object and a row per touching pair."""

    objects: pd.DataFrame
    pairs: pd.DataFrame


def field_features(
    labels: Labels,
    image: Image,
    *,
    inner: Labels | None = None,
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
    present = np.flatnonzero(areas(labels)) + 1
    if present.size == 0:
        return empty_features()
    diameter = median_diameter(labels)
    planes = _planes(labels, image, diameter)
    give_back_memory()
    extents, touching = row_extents(labels), contacts(labels)
    pairs = seam_features(labels, planes.smooth, planes.gradient, extents, touching)
    pairs = pairs.assign(**_opinions_on_seams(touching, opinion))
    depth = inner_distance(labels)
    noise = background_noise(labels, image)
    columns = (
        _basic_columns(labels, planes.above, extents)
        | _appearance(labels, image, planes, depth, noise, extents)
        | {
            "threshold_bias_px": threshold_bias(
                labels, image, level, inner=inner, depth=depth, noise=noise
            )
        }
    )
    give_back_memory()
    columns |= _cut_features(labels, depth, planes, diameter, opinion)
    objects = pd.DataFrame({name: columns[name][present - 1] for name in OBJECT_COLUMNS})
    return FieldFeatures(objects, pairs)


class _Planes(NamedTuple):
    """What is made of a field's image: (Y, X) float32 each, brightness above the background."""

    above: Image
    smooth: Image
    blurred: Image
    gradient: Image


def _planes(labels: Labels, image: Image, diameter: float) -> _Planes:
    background = local_background(labels, image, diameter)
    return _Planes(
        above=image - background,
        smooth=gaussian(image, max(0.6, 0.05 * diameter)) - background,
        blurred=gaussian(image, max(0.7, 0.1 * diameter)) - background,
        gradient=gradient_magnitude(image, max(0.7, 0.05 * diameter)),
    )


def _opinions_on_seams(touching: Contacts, opinion: SecondOpinion | None) -> dict[str, Floats]:
    if opinion is None or len(touching.pairs) == 0:
        return without_opinion(OPINIONS_ON_SEAMS, len(touching.pairs))
    return opinions_on_seams(touching, opinion)


def _appearance(
    labels: Labels, image: Image, planes: _Planes, depth: Image, noise: float, extents: RowExtents
) -> dict[str, AnyArray]:
    """Describe shape, contrast and texture of every object."""
    count = len(extents.top)
    sums = coordinate_sums(labels)
    major, minor = axis_lengths(sums)
    area = np.maximum(sums[:, 0], 1)
    edge = np.where(inner_boundary(labels, background_only=True), labels, 0)
    rim = np.where(inner_boundary(labels, background_only=False), labels, 0)
    on_edge, on_rim = (
        np.bincount(part.ravel(), minlength=count + 1)[1:].astype(float) for part in (edge, rim)
    )
    fine = image - gaussian(image, 1.0)
    mean = sums_per_label(labels, planes.above, count) / area
    square = sums_per_label(labels, planes.above, count, power=2) / area
    average = np.maximum(mean, 1e-6)
    middle = np.maximum(percentiles_per_label(labels, planes.above, (50,), count)[0], 1e-6)
    radius = np.sqrt(area / np.pi)
    steep = sums_per_label(edge, planes.gradient, count) / np.maximum(on_edge, 1)
    correlation, fineness = background_grain(labels, image)
    return {
        "axis_ratio": major / np.maximum(minor, 1e-6),
        "ellipse_fit": ellipse_fit(labels, extents, sums),
        "roundness": largest_per_label(labels, depth, count) / radius,
        "contrast_to_noise": middle / max(noise, 1e-4),
        "edge_sharpness": steep * 2 * radius / middle,
        "texture": np.sqrt(np.maximum(square - mean**2, 0)) / average,
        "grain": np.sqrt(sums_per_label(labels, fine, count, power=2) / area) / average,
        "saturated": sums_per_label(labels, image >= CLIPPED, count) / area,
        "background_correlation": np.full(count, correlation),
        "background_fineness": np.full(count, fineness),
        "contact": 1 - on_edge / np.maximum(on_rim, 1),
    }


def empty_features() -> FieldFeatures:
    """Return the features of a field without objects: all columns, no rows."""
    pairs = no_seams().assign(**without_opinion(OPINIONS_ON_SEAMS, 0))
    return FieldFeatures(_no_objects(), pairs)


def _no_objects() -> pd.DataFrame:
    types: dict[str, type] = dict.fromkeys(OBJECT_COLUMNS, np.float64)
    types |= {NUMBER: np.int64, "touches_border": bool}
    return pd.DataFrame({name: np.empty(0, types[name]) for name in OBJECT_COLUMNS})


def _basic_columns(labels: Labels, above: Image, extents: RowExtents) -> dict[str, AnyArray]:
    """Describe where every object is, how large and how bright."""
    count = len(extents.top)
    area, y, x = coordinate_sums(labels)[:, :3].T
    some = np.maximum(area, 1)
    centre_y, centre_x = y / some, x / some
    integrated = sums_per_label(labels, above, count)
    density = np.full(count, np.nan)
    density[area > 0] = local_density(centre_y[area > 0], centre_x[area > 0], labels.shape)
    return {
        NUMBER: np.arange(1, count + 1),
        "area_px": area,
        "centre_y_px": centre_y,
        "centre_x_px": centre_x,
        "touches_border": touches_border(labels),
        "mean_intensity": integrated / some,
        "integrated_intensity": integrated,
        "local_density": density,
        "solidity": area / np.maximum(hull_areas(extents), 1),
    }


def local_density(centre_y: Floats, centre_x: Floats, shape: tuple[int, int]) -> Floats:
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
    labels: Labels, depth: Image, planes: _Planes, diameter: float, opinion: SecondOpinion | None
) -> dict[str, AnyArray]:
    """Describe each object's best cut, by shape or by intensity, whichever has the lower saddle."""
    smallest = max(6.0, SMALLEST_PART * np.pi * diameter**2 / 4)
    shape = gaussian(depth, max(0.4, 0.04 * diameter))
    by_shape = best_cuts(labels, shape, smallest)
    by_intensity = best_cuts(labels, np.maximum(planes.blurred, 1e-6), smallest)
    cut = _better_cut(labels, by_shape, by_intensity)
    parts = np.where(labels > 0, 2 * labels - 1 + cut.side, 0).astype(np.int32)
    touching = contacts(parts)
    seams = seam_features(parts, planes.smooth, planes.gradient, row_extents(parts), touching)
    seams = seams.assign(**_opinions_on_seams(touching, opinion))
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


def _better_cut(labels: Labels, cut: Cuts, other: Cuts) -> Cuts:
    choose = np.concatenate([[True], cut.saddle <= other.saddle])[labels]
    return Cuts(np.minimum(cut.saddle, other.saddle), np.where(choose, cut.side, other.side))
