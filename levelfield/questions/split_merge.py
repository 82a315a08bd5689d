"""Splits and merges: whether there are about as many of both, and few."""

from __future__ import annotations

from typing import TYPE_CHECKING

from levelfield.questions.question import (
    Margin,
    Measure,
    Question,
    UnknownErrors,
    Words,
    per_label,
    per_label_with_truth,
    per_prediction,
)

if TYPE_CHECKING:
    import pandas as pd


def _pieces(rows: pd.DataFrame) -> pd.Series:
    """Count a piece of f as (f − 1)/f, so that all pieces of an object count f − 1."""
    return ((rows["f"] - 1) / rows["f"]).where(rows["answer"] == "split", 0.0)


def _balance_reviewed(rows: pd.DataFrame) -> pd.Series:
    return _pieces(rows) - (rows["m"] - 1).where(rows["answer"] == "merged", 0.0)


def _merge_reviewed(rows: pd.DataFrame) -> pd.Series:
    return (rows["answer"] == "merged") * 1.0


def _balance_truth(images: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    excess, lacking = images["n_excess_fragments"], images["n_lacking_objects"]
    return excess - lacking, images["n_prediction"].astype(float)


def _balance_calibration(fields: pd.DataFrame) -> tuple[pd.Series, ...]:
    n, true = fields["n"].astype(float), fields["true_excess"] - fields["true_lacking"]
    return fields["balance"].fillna(0.0), n, true, n


QUESTION = Question(
    key="split_merge",
    title="Splits and merges",
    text="Are there about as many splits as merges – and few of both?",
    reading="Splits: superfluous pieces per outline. Merges: outlines around several objects. "
    "Balance: superfluous minus lacking objects; above zero more is split, below zero more "
    "is merged.",
    place=4,
    margin=Margin(
        of_class=15,
        of_difference=10,
        unit="pp",
        of_what="Largest balance of splits and merges, rate of splits and rate of merges, in "
        "percentage points.",
    ),
    measures=(
        Measure(
            name="balance",
            title="balance",
            unit="pp",
            scale=100.0,
            signed=True,
            column="balance",
            # Excess fragments minus lacking objects, over predicted objects.
            terms=per_label("balance"),
            unknown=UnknownErrors(0.15, 0.14, 0.04),
            of_class=Words("{set} are over-segmented by {n}", "{set} are under-segmented by {n}"),
            of_difference=Words(
                "the balance of {set} is {n} higher: more splits or fewer merges",
                "the balance of {set} is {n} lower: more merges or fewer splits",
            ),
            evidence="balance_contribution",
            aims=("divide_less", "divide_more"),
            reviewed=_balance_reviewed,
            truth=_balance_truth,
            calibration=_balance_calibration,
        ),
        Measure(
            name="splits",
            title="split rate",
            unit="pp",
            scale=100.0,
            column="split_rate",
            # Excess fragments over predicted objects.
            terms=per_label("splits"),
            unknown=UnknownErrors(0.12, 0.10, 0.03),
            of_class=Words(
                "{set} have {n} superfluous pieces", "{set} read {n} fewer pieces than none"
            ),
            of_difference=Words("{n} more of {set} are split", "{n} fewer of {set} are split"),
            evidence="split_evidence",
            aims=("divide_less", "divide_less"),
            reviewed=_pieces,
            truth=per_prediction("n_excess_fragments"),
            calibration=per_label_with_truth("splits", "true_excess"),
        ),
        Measure(
            name="merges",
            title="merge rate",
            unit="pp",
            scale=100.0,
            column="merge_rate",
            # Objects that hold two or more, over predicted objects.
            terms=per_label("merges"),
            unknown=UnknownErrors(0.12, 0.10, 0.03),
            of_class=Words("{n} of {set} are merged", "fewer {set} than none read as merged ({n})"),
            of_difference=Words("{n} more of {set} are merged", "{n} fewer of {set} are merged"),
            evidence="merge_evidence",
            aims=("divide_more", "divide_more"),
            reviewed=_merge_reviewed,
            truth=per_prediction("n_merges"),
            calibration=per_label_with_truth("merges", "true_merges"),
        ),
    ),
)
