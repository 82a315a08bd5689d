"""Places where an object may be missing: candidates, and what the pixels say of each.

A candidate is an object of the second opinion that no label covers, or a bright blob that neither a
label nor the second opinion holds. Whether it is an object that was missed is for the trained
evidence to say (`levelfield.qc.evidence.scores`); of objects that grow from others (cells), a
parent without a child is missed for certain.
"""

import numpy as np
import pandas as pd
from scipy import ndimage

from levelfield.arrays import AnyArray, Floats, Image, Integers, Labels, Mask
from levelfield.images.smoothing import gaussian
from levelfield.labels.boundaries import distance_to
from levelfield.labels.convex_hull import hull_areas
from levelfield.labels.labelwise import (
    areas,
    coordinate_sums,
    median_diameter,
    percentiles_per_label,
    sums_per_label,
)
from levelfield.labels.objects import touches_border
from levelfield.labels.row_extents import row_extents
from levelfield.qc.columns import empty_table
from levelfield.qc.evidence.background import background_noise, local_background
from levelfield.qc.evidence.jury import jury
from levelfield.qc.evidence.second_opinion import SecondOpinion

CANDIDATE = "candidate"
SECOND_OPINION, RESIDUAL, PARENT = "second opinion", "residual", "parent"
COVERED_BELOW = 0.3
"""Share of a candidate that labels may cover."""
CANDIDATE_COLUMNS = (
    *(CANDIDATE, "found_by", "centre_y_px", "centre_x_px", "area_px", "touches_border"),
    *("mean_intensity", "integrated_intensity", "contrast_to_noise", "contrast_to_rim"),
    *("solidity", "covered", "distance_to_label_px", "jury_agreement", "jury_finding"),
    *("network_foreground", "typical_diameter_px"),
)
_BLOB_NOISE = 4.0
"""Residual blobs rise above the background by this many standard deviations of its noise,"""
_BLOB_CONTRAST = 0.12
"""and by this share of the median contrast of the field's objects;"""
_BLOB_AREA = 0.15
"""they have at least this share of the area of a reference object."""
_RIM_PX = 3


def find_candidates(
    labels: Labels, image: Image, opinion: SecondOpinion
) -> tuple[Labels, pd.DataFrame]:
    """Find where objects may be missing, and describe each place.

    The places (Y, X) are numbered from 1; labels, in the channel of the image, may be empty. The
    table has `CANDIDATE_COLUMNS`, a row each: areas in px, intensities above the local background,
    ``contrast_to_noise`` (median over the noise of the background), ``contrast_to_rim`` (mean less
    that of the 3 px around it, over the same noise), ``covered`` (share under labels),
    ``distance_to_label_px`` (least; infinite without labels), ``jury_agreement`` and
    ``jury_finding`` (mean overlap with the jury's objects, share of its members that have one),
    ``network_foreground`` (mean probability).
    """
    seen = opinion.labels
    known = labels if labels.any() else seen
    diameter = median_diameter(known) if known.any() else 20.0
    either = np.maximum(labels, seen)
    above = image - local_background(either, image, diameter)
    noise = max(background_noise(either, image), 1e-4)
    sizes, covered = _covered(seen, labels)
    uncovered = _kept((sizes > 0) & (covered < COVERED_BELOW * sizes), seen)
    blobs = _residual_blobs(either > 0, above, diameter)
    n_seen = int(uncovered.max(initial=0))
    candidates = np.where(blobs > 0, blobs + n_seen, uncovered).astype(np.int32)
    if not candidates.any():
        return candidates, no_candidates()
    table = _describe(candidates, labels, above, noise, opinion)
    found_by = np.where(table[CANDIDATE] <= n_seen, SECOND_OPINION, RESIDUAL)
    table = table.assign(found_by=found_by, typical_diameter_px=diameter)
    return candidates, table[list(CANDIDATE_COLUMNS)]


def no_candidates() -> pd.DataFrame:
    """Return the table of a field without candidates: all columns, no rows."""
    types = {CANDIDATE: np.int64, "found_by": object, "touches_border": bool}
    return empty_table(CANDIDATE_COLUMNS, types)


def childless_parents(labels: Labels, parents: Labels) -> pd.DataFrame:
    """List the parents in which no object lies: `CANDIDATE_COLUMNS`, pixel features unknown."""
    sizes, covered = _covered(parents, labels)
    without = np.flatnonzero((sizes > 0) & (covered == 0)) + 1
    if without.size == 0:
        return no_candidates()
    centres = np.array(ndimage.center_of_mass(parents > 0, parents, without))
    rows = no_candidates().reindex(range(len(without)))
    known = {CANDIDATE: np.arange(1, len(without) + 1), "found_by": PARENT, "touches_border": False}
    places = {"centre_y_px": centres[:, 0], "centre_x_px": centres[:, 1]}
    return rows.assign(**known, **places, area_px=sizes[without - 1].astype(float))


def _covered(objects: Labels, labels: Labels) -> tuple[Integers, Integers]:
    """Return the area of every object (n,), and how much of it labels cover, in px."""
    sizes = areas(objects)
    return sizes, np.bincount(objects[labels > 0], minlength=len(sizes) + 1)[1:]


def _kept(chosen: Mask, objects: Labels) -> Labels:
    """Return the objects that are chosen, numbered from 1 in their order."""
    numbers = np.where(chosen, np.cumsum(chosen), 0)
    return np.concatenate([[0], numbers])[objects].astype(np.int32)


def _residual_blobs(taken: Mask, above: Image, diameter: float) -> Labels:
    """Return bright blobs (Y, X) away from all known objects, from 1."""
    smooth = gaussian(above, max(1.0, 0.08 * diameter))
    near = ndimage.maximum_filter(taken.view(np.uint8), 2 * round(max(2.0, 0.2 * diameter)) + 1)
    free = near == 0
    if free.sum() < 50:
        return np.zeros(taken.shape, np.int32)
    rest = smooth[free]
    middle = np.median(rest)
    spread = 1.4826 * float(np.median(np.abs(rest - middle)))
    level = float(middle) + _BLOB_NOISE * max(spread, 1e-4)
    if taken.any():
        level = max(level, _BLOB_CONTRAST * float(np.median(above[taken])))
    blobs, _ = ndimage.label(free & (smooth > level))
    return _kept(areas(blobs) >= _BLOB_AREA * np.pi * diameter**2 / 4, blobs)


def _describe(
    candidates: Labels, labels: Labels, above: Image, noise: float, opinion: SecondOpinion
) -> pd.DataFrame:
    count = int(candidates.max())
    area, y, x = coordinate_sums(candidates)[:, :3].T

    def mean(values: AnyArray) -> Floats:
        return sums_per_label(candidates, values, count) / np.maximum(area, 1)

    rim = ndimage.maximum_filter(candidates, 2 * _RIM_PX + 1)
    rim = np.where((candidates == 0) & (labels == 0), rim, 0)
    n_around = np.maximum(np.bincount(rim.ravel(), minlength=count + 1)[1:], 1)
    outside = sums_per_label(rim, above, count) / n_around
    brightness = mean(above)
    agreement, finding = _jury_on(candidates, opinion)
    hulls = np.maximum(hull_areas(row_extents(candidates)), 1)
    return pd.DataFrame(
        {
            CANDIDATE: np.arange(1, count + 1),
            "centre_y_px": y / np.maximum(area, 1),
            "centre_x_px": x / np.maximum(area, 1),
            "area_px": area,
            "touches_border": touches_border(candidates),
            "mean_intensity": brightness,
            "integrated_intensity": brightness * area,
            "contrast_to_noise": percentiles_per_label(candidates, above, (50,), count)[0] / noise,
            "contrast_to_rim": (brightness - outside) / noise,
            "solidity": area / hulls,
            "covered": mean(labels > 0),
            "distance_to_label_px": _distances(candidates, labels, count),
            "jury_agreement": agreement,
            "jury_finding": finding,
            "network_foreground": mean(opinion.foreground),
        }
    )


def _distances(candidates: Labels, labels: Labels, count: int) -> Floats:
    """Distance in px from each candidate to the nearest label; infinite without labels."""
    if not labels.any():
        return np.full(count, np.inf)
    away = distance_to(labels > 0, candidates > 0)
    return percentiles_per_label(candidates, away, (0,), count)[0]


def _jury_on(candidates: Labels, opinion: SecondOpinion) -> tuple[Floats, Floats]:
    """Mean of the best overlaps with the jury's objects, and the share of members with one."""
    table = jury(candidates, opinion.given)
    finding = table["n_finding"] / table["n_members"]
    return table["agreement"].to_numpy(), finding.to_numpy()
