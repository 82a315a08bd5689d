"""The reviewed rows on disk, beside what the evidence says: ``qc/reviewed.csv``."""

from collections.abc import Mapping, Sequence

import pandas as pd

from levelfield.qc.statistics.estimates import NOTHING, Estimate
from levelfield.qc.statistics.records import columns_of, from_table, to_table
from levelfield.qc.verdict.rows import Key, ReviewedRow
from levelfield.qc.verdict.steps import classes_shown, review_step
from levelfield.questions import MEASURES

_OF_ESTIMATES = [
    f"{name}_{part}"
    for name in ("reviewed", "these_wells", "matched", "evidence")
    for part in ("estimate", "ci_low", "ci_high")
]
SHOWN_COLUMNS = (
    "question",
    *(name for name in _OF_ESTIMATES if name != "these_wells_estimate"),
    "minutes_needed",
)


def reviewed_table(
    rows: Sequence[ReviewedRow], evidence: Mapping[Key, Estimate] | None = None
) -> pd.DataFrame:
    """Return a table with one row per reviewed row of a plate: ``qc/reviewed.csv``.

    Parameters
    ----------
    rows : sequence of ReviewedRow
        Rows of one plate.
    evidence : mapping of (str, str, str, str) to Estimate, optional
        What the evidence says of each row, corrected, in fractions of objects. Of the bias nothing
        is shown: the evidence is in px, the review in shares of objects.

    Returns
    -------
    DataFrame
        The fields of `ReviewedRow` in fractions of objects, from which `reviewed_rows` reads the
        same rows again, and `SHOWN_COLUMNS`, in the row's unit with 90 % intervals: ``reviewed_*``
        about this control, ``these_wells_*`` about the wells that were imaged, ``matched_*`` at
        equal local density, ``evidence_*`` without any review. ``minutes_needed`` is a person's
        time for ``reviews_needed`` crops of every class, as the page shows them in turn; NaN where
        that is empty.
    """
    classes = classes_shown(rows)
    shown = pd.DataFrame(
        [
            _shown(row, (evidence or {}).get(row.key), classes.get(row.object_set, 1))
            for row in rows
        ],
        columns=list(SHOWN_COLUMNS),
    )
    return pd.concat([to_table(rows, ReviewedRow), shown], axis=1)[_order()]


def reviewed_rows(table: pd.DataFrame) -> list[ReviewedRow]:
    """Return the rows of ``qc/reviewed.csv``; ``ValueError`` when a column is missing."""
    return from_table(table, ReviewedRow)


def _order() -> list[str]:
    """Whose and of what first, then what people read, then what is read back."""
    records = columns_of(ReviewedRow)
    head = ["plate", "object_set", "measure", "scope", "perturbation", "state", "unit"]
    return [*head, *SHOWN_COLUMNS, *(name for name in records if name not in head)]


def _shown(row: ReviewedRow, evidence: Estimate | None, n_classes: int) -> dict[str, object]:
    measure, is_bias = MEASURES[row.measure], row.measure == "bias"
    scale = 1.0 if is_bias else measure.scale
    estimates = (row.estimate, row.these_wells, row.matched, None if is_bias else evidence)
    numbers = [number for own in estimates for number in (own or NOTHING).in_units(scale)]
    shown = dict(zip(_OF_ESTIMATES, numbers, strict=True))
    minutes: float = float("nan")
    if row.reviews_needed is not None:
        minutes = review_step([row.reviews_needed], n_classes).minutes
    return {"question": measure.question, "minutes_needed": minutes} | shown
