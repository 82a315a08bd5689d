"""Found: whether every object has a label, and every label an object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from levelfield.questions.question import (
    Margin,
    Measure,
    Question,
    UnknownErrors,
    Words,
    per_label_with_truth,
    per_prediction,
)

if TYPE_CHECKING:
    import pandas as pd


def _missed_terms(sums: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Objects without a label, over true objects; nothing is known without a second opinion."""
    searched = sums["n_second_opinion"].notna()
    return sums["missed"] * searched, sums["n_true"] * searched


def _missed_truth(images: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    return images["n_missed"], images["n_reference"]


def _missed_calibration(fields: pd.DataFrame) -> tuple[pd.Series, ...]:
    splits, invented, lacking = (
        fields[name].fillna(0.0) for name in ("splits", "invented", "lacking")
    )
    there = fields["n"].astype(float) - splits - invented + lacking + fields["missed"]
    return fields["missed"], there.clip(lower=0), fields["true_missed"], fields["true_n"]


def _invented_terms(sums: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Labels without an object, over those of which it is known how likely they are."""
    return sums["invented"], sums["n_known"]


def _invented_reviewed(rows: pd.DataFrame) -> pd.Series:
    return (rows["answer"] == "not_an_object") * 1.0


QUESTION = Question(
    key="found",
    title="Found",
    text="Is every object found, and nothing invented?",
    reading="Missed: objects without an outline, per true object. Invented: outlines without an "
    "object, per outline. More objects in one class are no error; an object that only the "
    "segmentation or only the second opinion sees is.",
    place=2,
    margin=Margin(
        of_class=95,
        of_difference=5,
        unit="%",
        is_share_of_right=True,
        of_what="Smallest share of objects that are neither missed nor invented, in percent (95 "
        "allows 5 % missed and 5 % invented), and its largest difference in percentage points.",
    ),
    measures=(
        Measure(
            name="missed",
            title="missed objects",
            unit="pp",
            scale=100.0,
            column="missed_rate",
            terms=_missed_terms,
            unknown=UnknownErrors(0.12, 0.10, 0.04),
            of_class=Words("{n} of {set} are missed", "fewer {set} than none read as missed ({n})"),
            of_difference=Words("{n} more of {set} are missed", "{n} fewer of {set} are missed"),
            counts_missed=True,
            aims=("find_more", "find_more"),
            truth=_missed_truth,
            calibration=_missed_calibration,
        ),
        Measure(
            name="invented",
            title="invented objects",
            unit="pp",
            scale=100.0,
            column="invented_rate",
            terms=_invented_terms,
            unknown=UnknownErrors(0.10, 0.08, 0.03),
            of_class=Words(
                "{n} of {set} are invented", "fewer {set} than none read as invented ({n})"
            ),
            of_difference=Words(
                "{n} more of {set} are invented", "{n} fewer of {set} are invented"
            ),
            evidence="invented_evidence",
            aims=("find_fewer", "find_fewer"),
            reviewed=_invented_reviewed,
            truth=per_prediction("n_extra"),
            calibration=per_label_with_truth("invented", "true_invented"),
        ),
    ),
)
