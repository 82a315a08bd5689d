"""Agreement: whether most objects are right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from levelfield.questions.question import Margin, Measure, Question, UnknownErrors, Words

if TYPE_CHECKING:
    import pandas as pd


def _terms(sums: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Right objects over predicted and missed ones."""
    searched = sums["n_second_opinion"].notna()
    return sums["right"] * searched, (sums["n_objects"] + sums["missed"]) * searched


def _reviewed(rows: pd.DataFrame) -> pd.Series:
    return (rows["answer"] == "correct") * 1.0


def _truth(images: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    found = images["n_prediction"].astype(float)
    return (images["agreement"] * found).fillna(0.0), found + images["n_missed"]


def _calibration(fields: pd.DataFrame) -> tuple[pd.Series, ...]:
    n, right = fields["n"].astype(float), fields["right"].fillna(0.0)
    return right, n + fields["missed"], fields["true_right"], n + fields["true_missed"]


QUESTION = Question(
    key="agreement",
    title="Agreement",
    text="Are most objects right?",
    reading="Share of objects that are neither split, merged, missed, invented nor badly outlined.",
    place=1,
    margin=Margin(
        of_class=90,
        of_difference=10,
        unit="%",
        is_share_of_right=True,
        of_what="Smallest share of objects that are right, in percent, and its largest difference "
        "in percentage points.",
    ),
    measures=(
        Measure(
            name="agreement",
            title="agreement",
            unit="%",
            scale=100.0,
            is_share_of_right=True,
            column="agreement",
            terms=_terms,
            unknown=UnknownErrors(0.20, 0.15, 0.05),
            of_class=Words("{n} of {set} are right", "{n} of {set} are right"),
            of_difference=Words("{n} more of {set} are right", "{n} fewer of {set} are right"),
            counts_missed=True,
            reviewed=_reviewed,
            truth=_truth,
            calibration=_calibration,
        ),
    ),
)
