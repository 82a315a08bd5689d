"""What of a plate is worth a map: readouts, counts, threshold bias, balance, thresholds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from levelfield.questions import MEASURES
from levelfield.report.records import grouped

READOUT, COUNT, THRESHOLD = "Readout_", "Count_", "Threshold_FinalThreshold_"
_MEASURES = (
    ("agreement", "agreement", "%"),
    ("missed", "missed objects", "%"),
    ("invented", "invented objects", "%"),
    ("bias", "threshold bias", "px"),
    ("balance", "balance of splits and merges", "pp"),
    ("splits", "split rate", "%"),
    ("merges", "merge rate", "%"),
)
"""Measures, what they are called beside an object set, and their unit. The values are the
corrected ones that the verdict rests on."""


@dataclass(frozen=True)
class Quantity:
    """A value per well or per image.

    Attributes
    ----------
    table : pandas.DataFrame
        ``Metadata_Well, value`` and, for images, ``Metadata_Site``.
    margin : float
        Half width of the harmless range, for quantities whose ideal is zero; else 0.
    measure, object_set : str
        The measure of the verdict that it is, and of which objects; empty for others.
    """

    name: str
    unit: str
    table: pd.DataFrame
    margin: float = 0.0
    measure: str = ""
    object_set: str = ""

    @property
    def per_well(self) -> pd.Series:
        """Mean of each well's values, by well name."""
        return self.table.groupby("Metadata_Well", sort=False)["value"].mean()


def quantities(
    wells: pd.DataFrame,
    sites: pd.DataFrame,
    qc_wells: pd.DataFrame,
    object_sets: Sequence[str],
    margins: Mapping[str, float],
) -> list[Quantity]:
    """Choose the quantities of a plate from its tables, those that there are.

    Parameters
    ----------
    qc_wells : pandas.DataFrame
        ``qc/wells.csv``; may be empty.
    object_sets : sequence of str
        Object sets that the verdict judges, in order.
    margins : mapping of str to float
        Margin of a class by measure, in its unit.
    """
    chosen = [
        Quantity(f"{_words(name, READOUT)}, median of objects", "", _values(wells, name))
        for name in _columns(wells, READOUT)
    ]
    chosen += [*_counts(wells), *_answers(qc_wells, object_sets, margins)]
    chosen += [
        Quantity(f"{_words(name, THRESHOLD)}: threshold of images", "% of full scale", values)
        for name in _columns(sites, THRESHOLD)
        for values in [_values(sites, name, 100)]
    ]
    return chosen


def _counts(wells: pd.DataFrame) -> list[Quantity]:
    """List the counts; sets that count the same in every well (cells and nuclei) come once."""
    alike = grouped(
        _columns(wells, COUNT), lambda column: tuple(wells[column].fillna(-1).astype(float))
    )
    chosen = []
    for same in alike.values():
        sets = " and ".join(_words(column, COUNT) for column in same)
        chosen.append(Quantity(f"{sets} per well", "", _values(wells, same[0])))
    return chosen


def _answers(
    qc_wells: pd.DataFrame, object_sets: Sequence[str], margins: Mapping[str, float]
) -> list[Quantity]:
    known = {measure for measure, _, _ in _MEASURES}
    further = [
        (own.name, own.title, own.unit) for own in MEASURES.values() if own.name not in known
    ]
    return [
        Quantity(
            f"{object_set}: {name}",
            unit,
            _values(
                qc_wells[qc_wells["object_set"] == object_set],
                MEASURES[measure].column,
                MEASURES[measure].scale,
            ),
            margins.get(measure, 0.0) if MEASURES[measure].signed else 0.0,
            measure,
            object_set,
        )
        for measure, name, unit in (*_MEASURES, *further)
        if MEASURES[measure].column in qc_wells
        for object_set in object_sets
    ]


def _columns(table: pd.DataFrame, prefix: str) -> list[str]:
    return [name for name in table if str(name).startswith(prefix)]


def _words(column: str, prefix: str) -> str:
    return column.removeprefix(prefix).replace("_", " ")


def _values(table: pd.DataFrame, column: str, factor: float = 1) -> pd.DataFrame:
    keys = [name for name in ("Metadata_Well", "Metadata_Site") if name in table]
    values = table[column].to_numpy(dtype=float, na_value=np.nan) * factor
    return table[keys].assign(value=values)
