"""Errors planted into a class's own labels, and what the evidence reads of them.

Where labels are altered by a known amount, what is read must change by it: ``qc/planted_read.csv``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from levelfield.qc.collage.reading import (
    class_reading,
    jackknife_error,
    left_out,
    ratio,
    true_terms,
)
from levelfield.qc.statistics.field_sums import measure_terms
from levelfield.qc.statistics.summary import ConstantsOf
from levelfield.questions import MEASURES, Scope

if TYPE_CHECKING:
    import pandas as pd


class Planted(NamedTuple):
    """An error as `levelfield.segmentation.planting.plant_error` names it, and what measures it."""

    error: str
    amount: float
    measure: str


PLANTED = (
    Planted("split_percent", 5, "splits"),
    Planted("split_percent", 10, "splits"),
    Planted("merge_percent", 5, "merges"),
    Planted("merge_percent", 10, "merges"),
    Planted("drop_percent", 10, "missed"),
    Planted("grow_px", 1, "bias"),
    Planted("grow_px", -1, "bias"),
)


@dataclass(frozen=True)
class ReadBackLine:
    """An error planted into the labels of a control class: a row of ``qc/planted_read.csv``.

    Attributes
    ----------
    plate, object_set, scope, perturbation : str
        Whose labels; scope is negcon or poscon.
    error, amount, measure : str, float, str
        What was planted, in percent or px as its name says, and the measure that it changes.
    unit : str
        Of the following: ``pp`` or ``px``.
    n_windows, n_objects : int
        Parts of fields, and objects by the segmenter in them.
    planted : float
        By how much the measure was changed. Where too few objects are near each other, fewer are
        merged than were asked for.
    read, read_se : float
        By how much the evidence reads more than without, and its standard error by the scatter
        between windows. NaN where the measure says nothing.
    """

    plate: str
    object_set: str
    scope: Scope
    perturbation: str
    error: str
    amount: float
    measure: str
    unit: str
    n_windows: int
    n_objects: int
    planted: float
    read: float
    read_se: float


@dataclass(frozen=True)
class ReadBack:
    """What was planted and what was read of it, in fractions of objects or px."""

    planted: float
    read: float
    read_se: float


def read_back(
    planted: Planted,
    plain: pd.DataFrame,
    altered: pd.DataFrame,
    images: pd.DataFrame,
    object_set: str,
    constants_of: ConstantsOf,
) -> ReadBack:
    """Say how much of a planted error is read.

    Parameters
    ----------
    planted : Planted
    plain, altered : DataFrame
        Sums of the evidence of the same windows, in the same order
        (`levelfield.qc.statistics.field_sums.field_sums`), without and with the error.
    images : DataFrame
        Scores of the altered labels against those without the error, a row per window.
    object_set, constants_of : str, callable
        By whose constants readings are corrected, as those of the plate are.
    """
    of_set = object_set, planted.measure, constants_of
    before, after = (measure_terms(sums, planted.measure) for sums in (plain, altered))
    changes = [
        class_reading(after.iloc[part], *of_set) - class_reading(before.iloc[part], *of_set)
        for part in left_out(len(before))
    ]
    return ReadBack(
        planted=ratio(true_terms(images, planted.measure)),
        read=class_reading(after, *of_set) - class_reading(before, *of_set),
        read_se=jackknife_error(np.array(changes)),
    )


def read_back_line(
    planted: Planted, found: ReadBack, head: tuple[str, str, Scope, str], counts: tuple[int, int]
) -> ReadBackLine:
    """Make a row, in units; `counts` are of windows and objects."""
    scale = MEASURES[planted.measure].scale
    return ReadBackLine(
        *head,
        *planted,
        MEASURES[planted.measure].unit,
        *counts,
        *(scale * value for value in (found.planted, found.read, found.read_se)),
    )
