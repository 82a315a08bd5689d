"""What every field adds to the measures: sums of evidence over its objects and candidates.

Sites, wells and classes are all made from these sums, so that the numbers of a page agree.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from levelfield.qc.columns import FIELD, NUMBER, OBJECT_SET, SITE
from levelfield.questions import MEASURES

OF_OBJECTS = {name: measure.evidence for name, measure in MEASURES.items() if measure.evidence}
"""Measures that are means over objects, and the evidence per object that they are of."""
_SUMS = OF_OBJECTS | {"lacking": "lacking_evidence", "right": "right_evidence"}
_OF_FIELD = {
    "n_objects": (NUMBER, "size"),
    "n_known": ("invented_evidence", "count"),
    "bias_px": ("threshold_bias_px", "median"),
    "local_density": ("local_density", "median"),
    "mean_intensity": ("mean_intensity", "median"),
    **{name: (column, "sum") for name, column in _SUMS.items()},
}
"""What is made of the objects of a field, from which column and how."""


def field_sums(
    objects: pd.DataFrame,
    candidates: pd.DataFrame,
    opinions: pd.DataFrame,
    fields: pd.DataFrame,
    object_sets: Sequence[str],
    out_of_distribution: pd.Series,
) -> pd.DataFrame:
    """Sum the evidence of every field.

    Parameters
    ----------
    objects, candidates : DataFrame
        From `levelfield.qc.evidence.scores.score_plate`.
    opinions : DataFrame
        `FIELD`, ``n_second_opinion``: objects by the second opinion; NaN, or no row, where nobody
        was asked, and nothing is known of missed objects.
    fields : DataFrame
        `SITE` of every field that is not excluded: one without objects gets a row too.
    object_sets, out_of_distribution : sequence of str, Series
        To be assessed; and by field, how it is unlike those of the calibration, empty where it is
        not.

    Returns
    -------
    DataFrame
        A row per field: `FIELD`, ``n_objects, n_second_opinion``, sums of evidence, ``missed``,
        ``n_known`` (objects of which it is known how likely they are invented), ``n_true`` (true
        objects), the medians ``bias_px, local_density, mean_intensity``, and
        ``outside_calibration``.
    """
    sets = pd.DataFrame({OBJECT_SET: list(object_sets)})
    table = fields[SITE].drop_duplicates().merge(sets, how="cross")
    sums = objects.groupby(FIELD, sort=True).agg(**_OF_FIELD)
    missed = candidates.groupby(FIELD, sort=True)["missed_evidence"].sum().rename("missed")
    counted = opinions[[*FIELD, "n_second_opinion"]].drop_duplicates(FIELD)
    reasons = out_of_distribution.rename("outside_calibration").rename_axis(FIELD)
    for known in (sums.reset_index(), missed.reset_index(), counted, reasons.reset_index()):
        table = table.merge(known, on=FIELD, how="left")
    # A field without objects says nothing, so it does not speak against the plate.
    table = table.fillna({"outside_calibration": ""})
    counts = ["n_objects", "n_known", *_SUMS, "missed"]
    table[counts] = table[counts].astype(float).fillna(0.0)
    table["n_second_opinion"] = table["n_second_opinion"].astype(float)
    true = table["n_objects"] - table["splits"] - table["invented"] + table["lacking"]
    table["n_true"] = np.maximum(true, 0.0) + table["missed"]
    return table.sort_values(FIELD, kind="stable", ignore_index=True)


def measure_terms(sums: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return numerator and denominator of a measure for every field: ``top, bottom``.

    Both are 0 where a field says nothing: of missed objects and agreement where no second opinion
    was asked, of bias where no edge could be measured.
    """
    top, bottom = MEASURES[measure].terms(sums)
    return pd.DataFrame({"top": top, "bottom": bottom}).astype(float)
