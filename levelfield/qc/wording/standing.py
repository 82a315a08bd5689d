"""Why a row's verdict is what it is: harmless range, doubts, density and review, in words."""

import numpy as np

from levelfield.qc.statistics.estimates import FAIL_LEVEL
from levelfield.qc.verdict.rows import Row
from levelfield.qc.wording.found import interval_of, value_words
from levelfield.qc.wording.numbers import count
from levelfield.qc.wording.questions import answer_words
from levelfield.questions import MEASURES

WORTH_TELLING = 0.1
"""Share of the reviewed objects that nobody could tell, or of the variance that a doubt adds."""


def margin_words(row: Row) -> str:
    """Say the harmless range: "±0.5 px", "up to 15 pp", "at least 90 %"."""
    return margin_text(row.margin * row.measure.scale, row.unit, row.measure_name, row.scope)


def margin_text(margin: float, unit: str, measure: str, scope: str) -> str:
    """Say the harmless range of a margin that is in units; see `margin_words`."""
    before = {"signed": "±", "share": "at least ", "rate": "up to "}
    return f"{before[MEASURES[measure].kind(scope)]}{round(margin, 9):g} {unit}"


def standing_words(row: Row) -> str:
    """Say the verdict, and why it is what it is."""
    head = answer_words(row.verdict, row.unreviewed)
    head = f"{head}, reviewed" if row.verdict != "undecided" and row.basis == "review" else head
    head = f"{head[0].upper()}{head[1:]}"
    return f"{head}: {_because(row)}"


def _because(row: Row) -> str:
    margin = margin_words(row)
    judged = "the density-matched estimate" if row.by_matched else "the estimate"
    sure = interval_of(row, row.matched if row.by_matched else row.estimate, FAIL_LEVEL)
    uncalibrated = "" if row.calibrated or row.basis == "review" else " (uncalibrated evidence)"
    wide = f"the interval reaches both into and out of the harmless range ({margin})"
    return {
        "inside": f"the 90 % interval lies within the harmless range ({margin}).",
        "beyond": f"{judged} lies beyond the harmless range ({margin}){uncalibrated}, and chance "
        f"does not explain it (95 % interval {sure or '–'}).",
        "no_wells": "a class is missing.",
        "nothing_measured": "there is nothing to judge.",
        "one_well": "a class has one well. Its interval borrows the usual scatter between wells, "
        "so it may fail, but it cannot pass.",
        "sampling": f"{wide}, mostly for the scatter between wells.",
        "doubt": f"{wide}, mostly for the error of the evidence itself.",
        "multiplicity": f"{judged} lies beyond the harmless range ({margin}), but among so many "
        "rows of this question one does so by chance.",
        "uncalibrated": "nothing is known of the evidence's error for this kind of object and "
        "segmenter, so that it cannot pass, and fails only when the whole 95 % interval lies "
        f"beyond the harmless range ({margin}).",
        "reviewers_disagree": "the evidence passes, but the review speaks against it.",
    }[row.reason]


_DOUBT_WORDS = {
    "variants": "variants of the evidence disagree",
    "size": "objects differ in size between the classes",
    "sharpness": "edges differ in sharpness between the classes",
    "contrast": "contrast over noise differs between the classes",
    "grain": "fine texture differs between the classes",
    "saturation": "objects are saturated in one class",
    "outside": "images lie outside the calibration range",
}


def doubt_words(row: Row) -> str:
    """Name what widens the interval, where it matters; empty elsewhere."""
    if row.basis == "review" or row.reason in ("no_wells", "nothing_measured"):
        return ""
    shares = {name: row.doubt_shares.get(name, 0.0) for name in _DOUBT_WORDS}
    large = [name for name, share in shares.items() if share > WORTH_TELLING]
    large.sort(key=lambda name: shares[name], reverse=True)
    named = [_DOUBT_WORDS[name] for name in large]
    return f"The interval is wider because {'; '.join(named)}." if named else ""


def density_words(row: Row) -> str:
    """Give a difference at equal local density, or say that there is none; empty for a class."""
    if row.scope != "difference" or row.reason in ("no_wells", "nothing_measured"):
        return ""
    if row.matched is None or not np.isfinite(row.matched.value):
        return (
            "These wells share no local density, so crowding may explain a difference as well as "
            "the segmentation does."
        )
    value = value_words(row, row.matched, "90 % interval ")
    decides = ", which decides" if row.by_matched else ""
    return f"At equal local density the difference is {value}{decides}."


def review_words(row: Row) -> str:
    """Say how far people are, and what they and the evidence say beside each other."""
    review = row.review
    if review.state == "unreviewed":
        return ""
    sentences = [f"{count(review.n_reviewed, 'crop')} reviewed ({count(review.n_told, 'object')})."]
    if review.state == "partial":
        sentences = [
            f"The review is unfinished: {review.n_reviewed} of {review.n_drawn} crops have an "
            "answer, and these do not decide yet."
        ]
    beside = {"The review says": row.reviewed}
    if row.basis == "review":
        beside = {"The evidence alone says": row.evidence}
        beside["Of these wells alone it says"] = row.reviewed_these_wells
    for head, estimate in beside.items():
        if estimate is not None and np.isfinite(estimate.value):
            sentences.append(f"{head} {value_words(row, estimate)}.")
    if review.n_cannot_tell > WORTH_TELLING * (review.n_told + review.n_cannot_tell):
        sentences.append(
            f"Of another {review.n_cannot_tell} nobody could tell; the interval holds whatever "
            "they are."
        )
    return " ".join(sentences)
