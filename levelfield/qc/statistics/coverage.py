"""Treated wells whose objects look like neither control class: ``qc/not_covered.csv``.

The verdict is about the controls. It says something of a treated well only if its objects look like
those of a control, or lie between two controls, as those of a lower dose do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from levelfield.arrays import Floats
from levelfield.qc.columns import OBJECT_SET
from levelfield.qc.statistics.appearance import appearance_of, log_median
from levelfield.qc.statistics.comparison import Comparison, text_of

FEWEST_OBJECTS = 5
"""With fewer objects nobody can say what they look like."""
SMALLEST_SCATTER = 0.05
"""Scatter of the logarithm between like wells that is always allowed for: 5 %."""
SMALLEST_LIMIT = 4.0
"""Scatters; control wells that lie further from their own class raise the limit."""


@dataclass(frozen=True)
class NotCovered:
    """A treated well that the controls say nothing of.

    Attributes
    ----------
    plate, object_set, well, perturbation : str
        Which.
    distance : float
        Largest deviation of a property from the nearest point of a control class, or of the line
        between two, in scatters between like wells; NaN with too few objects.
    reason : str
        The property and its ratio to that point, such as "size 0.62"; "too few objects".
    """

    plate: str
    object_set: str
    well: str
    perturbation: str
    distance: float
    reason: str


def not_covered(
    plate: str,
    objects: pd.DataFrame,
    sums: pd.DataFrame,
    layout: pd.DataFrame,
    pairs: Sequence[Comparison],
) -> list[NotCovered]:
    """List the treated wells of a plate (scored objects and sums) that look like no control."""
    treated = layout[layout["Metadata_ControlType"] == "trt"]
    names = text_of(treated, "Metadata_Perturbation")
    perturbations = dict(zip(treated["Metadata_Well"], names, strict=True))
    found = []
    for object_set in dict.fromkeys(sums[OBJECT_SET]):
        own = sums[sums[OBJECT_SET] == object_set]
        appearance = _well_appearance(objects[objects[OBJECT_SET] == object_set])
        controls = _Controls.of(appearance, pairs)
        for well in sorted(set(own["Metadata_Well"]) & set(perturbations)):
            if controls and (answer := _judge_well(appearance, well, controls)):
                found.append(NotCovered(plate, str(object_set), well, perturbations[well], *answer))
    return found


def _well_appearance(objects: pd.DataFrame) -> pd.DataFrame:
    """Return the logarithm of every property by well, of wells with enough objects."""
    rows = {
        str(well): appearance_of(own) | {"density": log_median(own, "local_density")}
        for well, own in objects.groupby("Metadata_Well", sort=True)
        if len(own) >= FEWEST_OBJECTS
    }
    return pd.DataFrame.from_dict(rows, orient="index", dtype=float)


@dataclass(frozen=True)
class _Controls:
    """Where the control classes lie, and how far like wells lie apart."""

    lines: list[tuple[Floats, Floats]]
    scatter: Floats
    limit: float

    @classmethod
    def of(cls, appearance: pd.DataFrame, pairs: Sequence[Comparison]) -> _Controls | None:
        sides = [
            [
                appearance.loc[[well for well in wells if well in appearance.index]]
                for wells in (pair.negative_wells, pair.positive_wells)
            ]
            for pair in pairs
        ]
        classes = [[own for own in side if len(own)] for side in sides]
        there = [own for side in classes for own in side]
        if not there:
            return None
        deviations = pd.concat(
            [own - own.median() for own in there if len(own) > 1] or [there[0] * 0]
        )
        scatter = np.fmax(1.4826 * deviations.abs().median(), SMALLEST_SCATTER).to_numpy(float)
        reached = [np.nanmax(np.abs(_deviations(own)) / scatter, initial=0.0) for own in there]
        middles = [[own.median().to_numpy(float) for own in side] for side in classes if side]
        lines = [(ends[0], ends[-1]) for ends in middles]
        return cls(lines, scatter, max(SMALLEST_LIMIT, *reached))


def _deviations(wells: pd.DataFrame) -> Floats:
    """Deviation of every well from the median of the others of its class."""
    if len(wells) < 2:
        return np.zeros((0, wells.shape[1]))
    rows = [wells.iloc[k] - wells.drop(index=wells.index[k]).median() for k in range(len(wells))]
    return np.array(rows, float)


def _judge_well(
    appearance: pd.DataFrame, well: str, controls: _Controls
) -> tuple[float, str] | None:
    """Return distance and reason of a well that is not covered; None where it is."""
    if well not in appearance.index:
        return float("nan"), "too few objects"
    place = appearance.loc[well].to_numpy(float)
    gaps = [place - _nearest(place, line, controls.scatter) for line in controls.lines]
    sizes = [np.nan_to_num(np.abs(gap) / controls.scatter) for gap in gaps]
    best = int(np.argmin([size.max() for size in sizes]))
    distance = float(sizes[best].max())
    if distance <= controls.limit:
        return None
    worst = int(np.argmax(sizes[best]))
    return distance, f"{appearance.columns[worst]} {np.exp(gaps[best][worst]):.2f}"


def _nearest(place: Floats, line: tuple[Floats, Floats], scatter: Floats) -> Floats:
    """Return the point between two classes that is nearest to a well."""
    start, end = line
    along, there = np.nan_to_num((end - start) / scatter), np.nan_to_num((place - start) / scatter)
    length = float(along @ along)
    share = 0.0 if length == 0 else float(np.clip(along @ there / length, 0, 1))
    return start + share * (end - start)
