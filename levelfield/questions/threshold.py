"""Threshold: whether as many images are a bit too low as a bit too high."""

from __future__ import annotations

from typing import TYPE_CHECKING

from levelfield.questions.question import Margin, Measure, Question, UnknownErrors, Words

if TYPE_CHECKING:
    import pandas as pd


def _terms(sums: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Median distance from the visible edge to the outlines; above 0 they are too large."""
    return sums["bias_px"].fillna(0.0), sums["bias_px"].notna() * 1.0


def _reviewed(rows: pd.DataFrame) -> pd.Series:
    return (rows["answer"] == "too_large") * 1.0 - (rows["answer"] == "too_small")


def _truth(images: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    return images["boundary_bias_px"], images["boundary_bias_px"].notna() * 1.0


def _calibration(fields: pd.DataFrame) -> tuple[pd.Series, ...]:
    """Set the bias beside the true one: outline to what annotators drew, plus that to the edge."""
    edge = fields["true_outline_px"] + fields["reference_bias_px"]
    known = fields["bias"].notna() & edge.notna()
    bias, edge = (values.where(known, 0.0) for values in (fields["bias"], edge))
    return bias, known.astype(float), edge, known.astype(float)


QUESTION = Question(
    key="threshold",
    title="Threshold",
    text="Are about as many images a bit too low as a bit too high?",
    reading="Distance from the visible edge to the outline: above zero the outlines are too large "
    "(threshold too low), below zero too small (too high).",
    place=3,
    margin=Margin(
        of_class=1.0,
        of_difference=0.5,
        unit="px",
        maximum=None,
        below=50.0,
        of_what="Largest distance between outlines and visible edges, in px.",
    ),
    measures=(
        Measure(
            name="bias",
            title="threshold bias",
            unit="px",
            scale=1.0,
            signed=True,
            column="threshold_bias_px",
            terms=_terms,
            unknown=UnknownErrors(0.60, 0.30, 0.15),
            of_class=Words(
                "the outlines of {set} are {n} too large", "the outlines of {set} are {n} too small"
            ),
            of_difference=Words(
                "the outlines of {set} are {n} larger", "the outlines of {set} are {n} smaller"
            ),
            aims=("smaller", "larger"),
            reviewed=_reviewed,
            truth=_truth,
            calibration=_calibration,
        ),
    ),
)
