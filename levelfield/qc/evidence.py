"""Split and merge evidence per object, from raw features and the plate's typical object.

HEURISTIC, UNCALIBRATED. Two logistic formulas without training on the user's images, monotone in
every term: they rank objects and follow planted errors, but their absolute level is not to be
trusted, and `levelfield.qc.verdict` treats them so. The floor is high: reference outlines of nuclei
read about 3.5 % merges and 4 % splits (benchmarks/results/qc_heuristic.csv). `score_objects` is the
one place that turns features into evidence; whatever replaces the two formulas leaves everything
else as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import minimum_spanning_tree

from levelfield.qc.features import NEIGHBOUR, NUMBER

EVIDENCE = "heuristic, uncalibrated"
OBJECT_SET = "object_set"
FIELD = ["Metadata_Plate", "Metadata_Well", "Metadata_Site", OBJECT_SET]
LACKING_PER_MERGE = 1.25

# Constants of the two formulas: benchmarks/qc_heuristic.py chose and judged them on BBBC038 by
# groups, with all signs constrained so that the evidence is monotone.
MERGE_CONSTANT = -4.3
MERGE_WEIGHTS = {
    "shape_valley": 2.0,
    "intensity_valley": 1.9,
    "dark_seam": 2.5,
    "narrow_seam": 2.7,
    "concavity": 1.9,
    "relative_area": 1.6,
    "relative_part": 1.5,
}
SEAM_CONSTANT = -9.7
SEAM_WEIGHTS = {"brightness": 4.5, "similarity": 5.5, "roundness": 1.9, "width": 1.9}


@dataclass(frozen=True)
class TypicalObject:
    """The object that is most common on a plate, whatever its class.

    Attributes
    ----------
    area_px : float
        Mode of the areas; NaN without objects.
    integrated_intensity : float
        Mode of the intensities above background, summed over each object; NaN without objects.
    """

    area_px: float
    integrated_intensity: float


def typical_object(objects: pd.DataFrame) -> TypicalObject:
    """Find the typical object of one object set from all fields of a plate together.

    Objects at the border of a field are cut and do not count, unless there are no others. The
    table's order and its division into packs do not matter, nor do the control classes.

    Parameters
    ----------
    objects : pandas.DataFrame
        Rows of `levelfield.qc.features.field_features`, one object set, all fields.
    """
    whole = objects[~objects["touches_border"].astype(bool)]
    chosen = whole if len(whole) else objects
    return TypicalObject(
        _mode(chosen["area_px"].to_numpy(float)),
        _mode(chosen["integrated_intensity"].to_numpy(float)),
    )


def _mode(values: NDArray[np.float64]) -> float:
    """Mode of positive values on a logarithmic scale, by a smoothed histogram."""
    values = values[np.isfinite(values) & (values > 0)]
    if values.size == 0:
        return float("nan")
    logs = np.sort(np.log(values))
    low, high = np.percentile(logs, [25, 75])
    # Silverman's rule with the robust spread: debris and clumps must not widen the kernel.
    spread = max((high - low) / 1.34, 0.05)
    width = max(0.9 * spread * logs.size**-0.2, 0.02)
    grid = np.arange(low - 2 * spread, high + 2 * spread + 0.01, 0.01)
    counts = np.histogram(logs, np.append(grid - 0.005, grid[-1] + 0.005))[0]
    kernel = np.exp(-0.5 * (np.arange(-4 * width, 4 * width + 0.005, 0.01) / width) ** 2)
    density = np.convolve(counts, kernel, mode="same")
    if density.size > grid.size:
        return float(np.exp(np.median(logs)))
    return float(np.exp(grid[int(np.argmax(density))]))


def score_objects(objects: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Add the evidence to the objects of a plate.

    Parameters
    ----------
    objects, pairs : pandas.DataFrame
        `levelfield.qc.features.field_features` of all fields and object sets of one plate, each
        with the columns `FIELD` in front.

    Returns
    -------
    pandas.DataFrame
        The objects, sorted by field and number, with

        ``merge_evidence``
            0 to 1: is this object two or more?
        ``split_evidence``
            Expected excess fragments that fall to this object: half of the evidence of each seam
            of the maximum spanning forest of touching pairs. Summed over objects, it is the number
            of excess fragments.
        ``fragment_evidence``
            0 to 1: is this object a piece of one?
        ``relative_area``
            Area over the typical object's.
        ``evidence``
            The kind of evidence, "heuristic, uncalibrated".

    Raises
    ------
    ValueError
        When columns are missing, or a pair names an object that is not there.
    """
    _require(objects, [*FIELD, NUMBER], "objects")
    _require(pairs, [*FIELD, NUMBER, NEIGHBOUR], "pairs")
    objects = objects.sort_values([*FIELD, NUMBER], kind="stable", ignore_index=True)
    pairs = pairs.sort_values([*FIELD, NUMBER, NEIGHBOUR], kind="stable", ignore_index=True)
    typical = _typical_areas(objects)
    relative_area = objects["area_px"] / objects[OBJECT_SET].map(typical)
    seams = seam_evidence(pairs)
    split, fragment = _attribute_seams(objects, pairs, seams)
    return objects.assign(
        merge_evidence=merge_evidence(objects, objects[OBJECT_SET].map(typical)),
        split_evidence=split,
        fragment_evidence=fragment,
        relative_area=relative_area,
        evidence=EVIDENCE,
    )


def _require(table: pd.DataFrame, columns: list[str], what: str) -> None:
    missing = [column for column in columns if column not in table]
    if missing:
        raise ValueError(
            f"The table of {what} lacks {', '.join(missing)}; without them its rows cannot be "
            f"placed on the plate. It has: {', '.join(map(str, table.columns))}."
        )


def _typical_areas(objects: pd.DataFrame) -> dict[str, float]:
    return {
        name: typical_object(rows).area_px for name, rows in objects.groupby(OBJECT_SET, sort=True)
    }


def merge_terms(objects: pd.DataFrame, typical_area: pd.Series) -> pd.DataFrame:
    """Return the terms of the merge formula, each larger for an object more like two."""
    relative = np.log(objects["area_px"] / typical_area)
    part = objects["cut_smaller_area_px"] / typical_area
    return pd.DataFrame(
        {
            "shape_valley": (1 - objects["cut_shape_saddle"]).clip(0, 0.8),
            "intensity_valley": (1 - objects["cut_intensity_saddle"]).clip(0, 0.8),
            "dark_seam": (1 - objects["cut_seam_brightness"]).clip(0, 0.6),
            "narrow_seam": (1 - objects["cut_seam_width"]).clip(0, 1),
            "concavity": (1 - objects["solidity"]).clip(0, 0.5),
            "relative_area": relative.clip(-1, 1.5),
            "relative_part": part.clip(0, 1),
        }
    )


def seam_terms(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the terms of the seam formula, each larger for a seam more likely to be false."""
    return pd.DataFrame(
        {
            "brightness": pairs["seam_brightness"].clip(0, 1.3),
            "similarity": pairs["seam_similarity"].clip(0, 1),
            "roundness": np.log(pairs["seam_roundness"]).clip(-1, 0),
            "width": pairs["seam_width"].clip(0, 1),
        }
    )


def merge_evidence(objects: pd.DataFrame, typical_area: pd.Series) -> NDArray[np.float64]:
    """Evidence of each object that it is two or more, 0 to 1 (uncalibrated)."""
    return _logistic(merge_terms(objects, typical_area), MERGE_CONSTANT, MERGE_WEIGHTS)


def seam_evidence(pairs: pd.DataFrame) -> NDArray[np.float64]:
    """Evidence of each touching pair that the seam between them is false, 0 to 1 (uncalibrated)."""
    return _logistic(seam_terms(pairs), SEAM_CONSTANT, SEAM_WEIGHTS)


def _logistic(
    terms: pd.DataFrame, constant: float, weights: Mapping[str, float]
) -> NDArray[np.float64]:
    total = np.full(len(terms), constant)
    for name, weight in weights.items():
        total += weight * terms[name].to_numpy(float)
    return 1 / (1 + np.exp(-total))


def _attribute_seams(
    objects: pd.DataFrame, pairs: pd.DataFrame, seams: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Excess fragments and fragment evidence per object, over the maximum spanning forest."""
    split, fragment = np.zeros(len(objects)), np.zeros(len(objects))
    if len(pairs) == 0:
        return split, fragment
    one, other = _row_of_object(objects, pairs, NUMBER), _row_of_object(objects, pairs, NEIGHBOUR)
    # Minimum of 2 - evidence is maximum of evidence; an edge of weight 0 would not count as one.
    graph = sparse.coo_array((2 - seams, (one, other)), shape=(len(objects),) * 2)
    forest = minimum_spanning_tree(graph.tocsr()).tocoo()
    evidence = 2 - forest.data
    for end in (forest.row, forest.col):
        np.add.at(split, end, evidence / 2)
        np.add.at(fragment, end, np.log1p(-np.minimum(evidence, 1 - 1e-9)))
    return split, 1 - np.exp(fragment)


def _row_of_object(objects: pd.DataFrame, pairs: pd.DataFrame, column: str) -> NDArray[np.int64]:
    key = [*FIELD, NUMBER]
    places = objects[key].assign(row=np.arange(len(objects)))
    wanted = pairs[[*FIELD, column]].rename(columns={column: NUMBER})
    rows = wanted.merge(places, on=key, how="left", sort=False, validate="many_to_one")["row"]
    if rows.isna().any():
        lost = wanted[rows.isna().to_numpy()].iloc[0].to_dict()
        raise ValueError(
            f"A touching pair names an object that the table of objects lacks: {lost}. The two "
            "tables come from different runs or one is incomplete; make both again."
        )
    return rows.to_numpy(np.int64)
