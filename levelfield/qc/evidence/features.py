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
from levelfield.labels.contacts import contacts
from levelfield.labels.convex_hull import hull_areas
from levelfield.labels.labelwise import (
    axis_lengths,
    coordinate_sums,
    largest_per_label,
    median_diameter,
    percentiles_per_label,
    sums_per_label,
)
from levelfield.labels.objects import object_numbers, touches_border
from levelfield.labels.row_extents import RowExtents, row_extents
from levelfield.qc.columns import NEIGHBOUR, NUMBER, empty_table
from levelfield.qc.evidence.background import background_grain, background_noise, local_background
from levelfield.qc.evidence.bias import threshold_bias
from levelfield.qc.evidence.checked_field import checked_field
from levelfield.qc.evidence.cuts import Cuts, best_cuts
from levelfield.qc.evidence.seams import PAIR, SEAM_COLUMNS, ellipse_fit, seam_features
from levelfield.qc.evidence.second_opinion import (
    OPINIONS_ON_OBJECTS,
    OPINIONS_ON_SEAMS,
    SecondOpinion,
    opinions_on_objects,
    opinions_on_seams,
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
    """Raw QC features of one field: `OBJECT_COLUMNS` of objects, `PAIR_COLUMNS` of touching pairs.

    Areas in px, intensities above local background, ``local_density`` in objects per 10,000 px,
    ``threshold_bias_px``, shape (``axis_ratio``, ``ellipse_fit``, ``roundness``: the deepest
    pixel's depth over the radius), intensity (``contrast_to_noise``: median over the noise of the
    background; ``edge_sharpness``: gradient at the edge times diameter over median; ``texture``:
    standard deviation over mean; ``grain``: the part of it that is finer than 1 px; ``saturated``:
    share of clipped pixels; ``background_correlation`` and ``background_fineness``: the field's
    `background_grain`), ``contact`` (share of the outline that faces other objects), and the best
    virtual cut (``cut_*``; saddles are 1 and the seam's columns NaN without one).
    """

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
    labels, inner : (Y, X) int32
        Objects, and optionally those inside of them (the nuclei of cells), see
        `levelfield.qc.evidence.bias.threshold_bias`.
    image, level : (Y, X) float32 and float
        The channel in which the objects were segmented, flat-field-corrected, 1 where the camera's
        range ends; edge level of the threshold bias.
    opinion : SecondOpinion, optional
        What the small network says of the field; its columns are NaN without it.

    Raises
    ------
    ValueError
        When labels and image do not fit each other.
    """
    labels, image, inner = checked_field(labels, image, inner)
    present = object_numbers(labels)
    if present.size == 0:
        return empty_features()
    field = _field(labels, image)
    give_back_memory()
    extents, touching = row_extents(labels), contacts(labels)
    pairs = seam_features(labels, field.smooth, field.gradient, extents, touching)
    pairs = pairs.assign(**opinions_on_seams(touching, opinion))
    columns = _basic_columns(field, extents) | _appearance(field, extents)
    columns["threshold_bias_px"] = threshold_bias(
        labels, image, level, inner=inner, depth=field.depth, noise=field.noise
    )
    give_back_memory()
    columns |= _cut_features(field, opinion)
    objects = pd.DataFrame({name: columns[name][present - 1] for name in OBJECT_COLUMNS})
    return FieldFeatures(objects, pairs)


def empty_features() -> FieldFeatures:
    """Return the features of a field without objects: all columns, no rows."""
    types = {NUMBER: np.int64, "touches_border": bool}
    return FieldFeatures(empty_table(OBJECT_COLUMNS, types), empty_table(PAIR_COLUMNS, PAIR))


class _Field(NamedTuple):
    """A field and what is made of it: (Y, X) each, above the background, and sums over objects."""

    labels: Labels
    image: Image
    above: Image
    smooth: Image
    blurred: Image
    gradient: Image
    depth: Image
    sums: Floats
    noise: float
    diameter: float


def _field(labels: Labels, image: Image) -> _Field:
    diameter = median_diameter(labels)
    background = local_background(labels, image, diameter)
    return _Field(
        labels,
        image,
        above=image - background,
        smooth=gaussian(image, max(0.6, 0.05 * diameter)) - background,
        blurred=gaussian(image, max(0.7, 0.1 * diameter)) - background,
        gradient=gradient_magnitude(image, max(0.7, 0.05 * diameter)),
        depth=inner_distance(labels),
        sums=coordinate_sums(labels),
        noise=background_noise(labels, image),
        diameter=diameter,
    )


def _basic_columns(field: _Field, extents: RowExtents) -> dict[str, AnyArray]:
    """Describe where every object is, how large and how bright."""
    count = len(field.sums)
    area, y, x = field.sums[:, :3].T
    some = np.maximum(area, 1)
    centre_y, centre_x = y / some, x / some
    integrated = sums_per_label(field.labels, field.above, count)
    density = np.full(count, np.nan)
    there = area > 0
    density[there] = _local_density(centre_y[there], centre_x[there], field.labels.shape)
    return {
        NUMBER: np.arange(1, count + 1),
        "area_px": area,
        "centre_y_px": centre_y,
        "centre_x_px": centre_x,
        "touches_border": touches_border(field.labels),
        "mean_intensity": integrated / some,
        "integrated_intensity": integrated,
        "local_density": density,
        "solidity": area / np.maximum(hull_areas(extents), 1),
    }


def _local_density(centre_y: Floats, centre_x: Floats, shape: tuple[int, ...]) -> Floats:
    """Objects per 10,000 px around each object, from the distance to its fifth neighbour."""
    count = len(centre_y)
    if count <= DENSITY_NEIGHBOURS:
        return np.full(count, 1e4 * count / (shape[0] * shape[1]))
    points = np.stack([centre_y, centre_x], axis=1)
    distance, _ = KDTree(points).query(points, k=DENSITY_NEIGHBOURS + 1)
    return 1e4 * DENSITY_NEIGHBOURS / (np.pi * np.maximum(distance[:, -1], 1) ** 2)


def _appearance(field: _Field, extents: RowExtents) -> dict[str, AnyArray]:
    """Describe shape, contrast and texture of every object."""
    labels, above, count = field.labels, field.above, len(field.sums)
    major, minor = axis_lengths(field.sums)
    area = np.maximum(field.sums[:, 0], 1)
    edge, rim = (
        np.where(inner_boundary(labels, background_only=only), labels, 0) for only in (True, False)
    )
    on_edge, on_rim = (
        np.bincount(part.ravel(), minlength=count + 1)[1:].astype(float) for part in (edge, rim)
    )
    fine = field.image - gaussian(field.image, 1.0)
    mean = sums_per_label(labels, above, count) / area
    square = sums_per_label(labels, above, count, power=2) / area
    average = np.maximum(mean, 1e-6)
    middle = np.maximum(percentiles_per_label(labels, above, (50,), count)[0], 1e-6)
    radius = np.sqrt(area / np.pi)
    steep = sums_per_label(edge, field.gradient, count) / np.maximum(on_edge, 1)
    correlation, fineness = background_grain(labels, field.image)
    return {
        "axis_ratio": major / np.maximum(minor, 1e-6),
        "ellipse_fit": ellipse_fit(labels, extents, field.sums),
        "roundness": largest_per_label(labels, field.depth, count) / radius,
        "contrast_to_noise": middle / max(field.noise, 1e-4),
        "edge_sharpness": steep * 2 * radius / middle,
        "texture": np.sqrt(np.maximum(square - mean**2, 0)) / average,
        "grain": np.sqrt(sums_per_label(labels, fine, count, power=2) / area) / average,
        "saturated": sums_per_label(labels, field.image >= CLIPPED, count) / area,
        "background_correlation": np.full(count, correlation),
        "background_fineness": np.full(count, fineness),
        "contact": 1 - on_edge / np.maximum(on_rim, 1),
    }


def _cut_features(field: _Field, opinion: SecondOpinion | None) -> dict[str, AnyArray]:
    """Describe each object's best cut, by shape or by intensity, whichever has the lower saddle."""
    labels, diameter = field.labels, field.diameter
    smallest = max(6.0, SMALLEST_PART * np.pi * diameter**2 / 4)
    by_shape = best_cuts(labels, gaussian(field.depth, max(0.4, 0.04 * diameter)), smallest)
    by_intensity = best_cuts(labels, np.maximum(field.blurred, 1e-6), smallest)
    cut = _better_cut(labels, by_shape, by_intensity)
    parts = np.where(labels > 0, 2 * labels - 1 + cut.side, 0).astype(np.int32)
    touching = contacts(parts)
    seams = seam_features(parts, field.smooth, field.gradient, row_extents(parts), touching)
    seams = seams.assign(**opinions_on_seams(touching, opinion))
    seams = seams[(seams[NUMBER] % 2 == 1) & (seams[NEIGHBOUR] == seams[NUMBER] + 1)]
    index = (seams[NUMBER].to_numpy() - 1) // 2
    columns = {"cut_shape_saddle": by_shape.saddle, "cut_intensity_saddle": by_intensity.saddle}
    for source, name in _OF_CUT.items():
        columns[name] = np.full(len(cut.saddle), np.nan)
        columns[name][index] = seams[source]
    return columns | opinions_on_objects(labels, opinion, smallest)


def _better_cut(labels: Labels, cut: Cuts, other: Cuts) -> Cuts:
    choose = np.concatenate([[True], cut.saddle <= other.saddle])[labels]
    return Cuts(np.minimum(cut.saddle, other.saddle), np.where(choose, cut.side, other.side))
