"""The reviewed rows on disk, beside what the evidence says: ``qc/reviewed.csv``."""

from collections.abc import Mapping, Sequence

import pandas as pd

from levelfield.qc.measures import MEASURES
from levelfield.qc.review.sampling import review_minutes
from levelfield.qc.statistics.estimates import NOTHING, PASS_LEVEL, Estimate
from levelfield.qc.statistics.records import columns_of, from_table, to_table
from levelfield.qc.verdict.rows import Key, ReviewedRow
from levelfield.qc.verdict.steps import FIELDS_TO_SEARCH

SHOWN_COLUMNS = (
    "question",
    "reviewed_estimate",
    "reviewed_ci_low",
    "reviewed_ci_high",
    "these_wells_ci_low",
    "these_wells_ci_high",
    "matched_estimate",
    "matched_ci_low",
    "matched_ci_high",
    "evidence_estimate",
    "evidence_ci_low",
    "evidence_ci_high",
    "minutes_needed",
)


def reviewed_table(
    rows: Sequence[ReviewedRow], evidence: Mapping[Key, Estimate] | None = None
) -> pd.DataFrame:
    """Return a table with one row per reviewed row: ``qc/reviewed.csv``.

    Parameters
    ----------
    rows : sequence of ReviewedRow
        Of one plate.
    evidence : mapping of (str, str, str, str) to Estimate, optional
        By object set, measure, scope and perturbation: what the evidence says, corrected, in
        fractions of objects. Of the bias nothing is shown: the evidence is in px, the review in
        shares of objects.

    Returns
    -------
    pandas.DataFrame
        The fields of `ReviewedRow` in fractions of objects (``estimate_*``, ``these_wells_*`` and
        ``matched_*`` are the parts of its estimates), from which `reviewed_rows` reads the same
        rows again, and `SHOWN_COLUMNS`, in the row's unit with 90 % intervals: ``reviewed_*`` about
        this control, ``these_wells_*`` about the wells that were imaged, ``matched_*`` at equal
        local density, ``evidence_*`` without any review. ``minutes_needed`` is a person's time for
        ``reviews_needed`` in every class of the row; NaN where that is empty.
    """
    shown = pd.DataFrame(
        [_shown(row, (evidence or {}).get(row.key)) for row in rows], columns=list(SHOWN_COLUMNS)
    )
    return pd.concat([to_table(rows, ReviewedRow), shown], axis=1)[_order()]


def reviewed_rows(table: pd.DataFrame) -> list[ReviewedRow]:
    """Return the rows that a table holds.

    Parameters
    ----------
    table : pandas.DataFrame
        From `reviewed_table`, or read from ``qc/reviewed.csv``.

    Raises
    ------
    ValueError
        When a column is missing.
    """
    return from_table(table, ReviewedRow)


def _order() -> list[str]:
    """Whose and of what first, then what people read, then what is read back."""
    records = columns_of(ReviewedRow)
    head = ["plate", "object_set", "measure", "scope", "perturbation", "state", "unit"]
    return [*head, *SHOWN_COLUMNS, *(name for name in records if name not in head)]


def _shown(row: ReviewedRow, evidence: Estimate | None) -> dict[str, object]:
    measure = MEASURES[row.measure]
    is_bias = row.measure == "bias"
    scale = 1.0 if is_bias else measure.scale
    found: dict[str, object] = {"question": measure.question}
    for name, estimate in (
        ("reviewed", row.estimate),
        ("these_wells", row.these_wells),
        ("matched", row.matched or NOTHING),
        ("evidence", NOTHING if is_bias or evidence is None else evidence),
    ):
        low, high = estimate.interval(PASS_LEVEL)
        found |= {
            f"{name}_estimate": estimate.value * scale,
            f"{name}_ci_low": low * scale,
            f"{name}_ci_high": high * scale,
        }
    found.pop("these_wells_estimate")
    return found | {"minutes_needed": _minutes(row)}


def _minutes(row: ReviewedRow) -> float:
    """Return a person's time for the reviews that a row needs, in all of its classes."""
    if row.reviews_needed is None:
        return float("nan")
    n_classes = 2 if row.scope == "difference" else 1
    many = row.reviews_needed * n_classes
    if row.reviews_of == "fields":
        return review_minutes(0, many)
    # Right objects are a share of the missed ones, too, which are counted on whole fields.
    return review_minutes(many, FIELDS_TO_SEARCH * n_classes if row.measure == "agreement" else 0)
