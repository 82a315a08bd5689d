"""The verdict in words: what was found, why it counts or not, what to turn and which way."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from levelfield.qc.statistics.estimates import Verdict
from levelfield.qc.wording.parameters import turn


@dataclass(frozen=True)
class Review:
    """What a review adds to one row of the verdict.

    Attributes
    ----------
    state : str
        unreviewed, partial or complete.
    n_reviewed, n_drawn, n_cannot_tell : int
        Objects with an answer, objects that were to be looked at, and objects that nobody could
        tell.
    decides : bool
        Whether the row's estimate is that of the review.
    withholds : bool
        Whether the evidence would pass, but its pass is not given.
    contradicts : bool
        Whether reviewers saw a threshold bias.
    value, ci_low, ci_high : float
        By the review, in percent or pp; for the threshold objects too large minus too small.
    evidence_value : float
        By the evidence, in the row's unit.
    needed : int or None
        Objects per class whose review should decide the row.
    missed : float
        Missed objects per 100 objects; NaN when no whole field was searched.
    n_missed_fields : int
        Fields that were searched.
    notes : str
        What of the review does not count, in sentences.
    """

    state: str = "unreviewed"
    n_reviewed: int = 0
    n_drawn: int = 0
    n_cannot_tell: int = 0
    decides: bool = False
    withholds: bool = False
    contradicts: bool = False
    value: float = float("nan")
    ci_low: float = float("nan")
    ci_high: float = float("nan")
    evidence_value: float = float("nan")
    needed: int | None = None
    missed: float = float("nan")
    n_missed_fields: int = 0
    notes: str = ""


@dataclass(frozen=True)
class Finding:
    """One row of the verdict, with what its advice needs.

    Attributes
    ----------
    question, object_set, scope, perturbation : str
        Of the row; scope is negcon, poscon or difference.
    method : str
        Segmentation method of the object set, as in the configuration.
    value, ci_low, ci_high, margin : float
        In ``unit``; the interval is the 90 % interval, NaN when unknown.
    unit : str
        "pp", "px" or "%".
    verdict : str
        pass, fail or undecided.
    missing : str
        Classes without wells, joined by "+"; empty when all are there.
    fewest_wells : int
        Wells of the class with fewest.
    calibrated : bool
        Whether the constants behind the interval were calibrated.
    wells_needed : int or None
        Wells per class that would let it pass; None when no number would.
    fail_beyond : float
        For uncalibrated evidence: the estimate beyond which it would be called a failure.
    fraction_low, fraction_high : float
        Shares of images whose threshold is too low or too high.
    forced : str
        Why the evidence cannot tell, whatever it says; empty when it can.
    outside_share : float
        Share of images outside of what the evidence was calibrated on, where that is too many;
        else 0.
    matched_value, matched_low, matched_high : float
        Density-matched difference and its 90 % interval; NaN when the classes do not overlap in
        density.
    positive_value, negative_value : float
        Of a difference, the values of its classes.
    review : Review
        What people said.
    """

    question: str
    object_set: str
    scope: str
    perturbation: str
    method: str
    value: float
    margin: float
    unit: str
    ci_low: float = float("nan")
    ci_high: float = float("nan")
    verdict: Verdict = "undecided"
    missing: str = ""
    fewest_wells: int = 0
    calibrated: bool = False
    wells_needed: int | None = None
    fail_beyond: float = float("nan")
    fraction_low: float = float("nan")
    fraction_high: float = float("nan")
    forced: str = ""
    outside_share: float = 0.0
    matched_value: float = float("nan")
    matched_low: float = float("nan")
    matched_high: float = float("nan")
    positive_value: float = float("nan")
    negative_value: float = float("nan")
    review: Review = field(default_factory=Review)


WORTH_TURNING = 0.3
WORTH_TELLING = 0.1
USUAL_REVIEW = 50
_CLASS_NAMES = {"poscon": "positive control", "negcon": "negative control"}


def advice(finding: Finding) -> str:
    """Write the advice of one row, in sentences that a biologist can act upon."""
    if finding.missing:
        return _missing(finding)
    if not np.isfinite(finding.value):
        return (
            f"Nothing could be measured for {finding.object_set} in these wells: no objects, or no "
            "edge with contrast. Look at the images and at the segmentation of these wells."
        )
    sentences = [_found(finding)]
    if finding.question == "agreement" and not finding.review.decides:
        sentences += [_AGREEMENT[finding.review.state], _enough(finding)]
        sentences += [_missed(finding), _review(finding)]
        return " ".join(sentence for sentence in sentences if sentence)
    sentences += [_standing(finding), _outside(finding)]
    if finding.question == "agreement":
        sentences.append(_missed(finding))
    if finding.scope == "difference" and not finding.review.decides:
        sentences.append(_density(finding))
    sentences.append(_review(finding))
    if finding.verdict != "pass" and finding.question != "agreement":
        sentences.append(_action(finding))
    return " ".join(sentence for sentence in sentences if sentence)


_AGREEMENT = {
    "unreviewed": "Undecided: whether objects are right takes a review of qc/review_list.csv, or "
    "reference labels, whose answer stands in qc/truth.csv.",
    "partial": "Undecided: the review is not finished.",
    "complete": "Undecided.",
}


def _enough(finding: Finding) -> str:
    """Say how many reviewed objects should decide the agreement."""
    if not finding.review.needed:
        return ""
    objects = "in each class" if finding.scope == "difference" else "of this class"
    return f"About {finding.review.needed} reviewed objects {objects} would decide it."


def _missed(finding: Finding) -> str:
    """Say how many objects have no label, which no review of labels can tell."""
    review = finding.review
    if not np.isfinite(review.missed) and review.n_missed_fields:
        return ""  # of a difference; the rows of both classes say it
    if not np.isfinite(review.missed):
        return "Missed objects are not counted."
    fields = "1 whole field" if review.n_missed_fields == 1 else f"{review.n_missed_fields} fields"
    return f"Beside every 100 objects {review.missed:.2g} were missed, as counted on {fields}."


def _review(finding: Finding) -> str:
    """Say what people saw and how far they are."""
    review = finding.review
    if review.state == "unreviewed":
        return review.notes
    sentences = [f"{review.n_reviewed} of {review.n_drawn} drawn objects are reviewed."]
    if review.state == "partial":
        sentences[0] += " Every stratum of both classes must be, before the review counts."
    if review.decides and np.isfinite(review.evidence_value):
        sentences.append(f"The evidence alone says {review.evidence_value:.2g} {finding.unit}.")
    if finding.question == "threshold" and np.isfinite(review.value):
        sentences.append(
            f"By the review, too large minus too small is {review.value:.2g} pp of objects (90 % "
            f"interval {review.ci_low:.2g} to {review.ci_high:.2g} pp)."
        )
    if review.n_cannot_tell > WORTH_TELLING * (review.n_reviewed + review.n_cannot_tell):
        sentences.append(
            f"Of another {review.n_cannot_tell} nobody could tell; the figures hold only if those "
            "are like the others."
        )
    return " ".join([*sentences, review.notes]).strip()


def _missing(finding: Finding) -> str:
    names = [_CLASS_NAMES[name] for name in finding.missing.split("+")]
    which = " and of the ".join(names)
    return (
        f"There are no wells of the {which} with {finding.object_set}, so this cannot be answered. "
        "Declare control wells in the layout (control_type negcon and poscon, the same "
        "control_group for both), or see excluded_sites.csv for why their images are not used."
    )


_WORDS = {
    ("threshold", "class"): (
        "the masks of {set} are {n} too large",
        "the masks of {set} are {n} too small",
    ),
    ("threshold", "difference"): (
        "the masks of {set} are {n} larger",
        "the masks of {set} are {n} smaller",
    ),
    ("split_merge", "class"): (
        "{set} are over-segmented by {n}",
        "{set} are under-segmented by {n}",
    ),
    ("split_merge", "difference"): (
        "the balance of {set} is {n} higher: more splits or fewer merges",
        "the balance of {set} is {n} lower: more merges or fewer splits",
    ),
    ("agreement", "class"): ("{n} of {set} look right", "{n} of {set} look right"),
    ("agreement", "difference"): ("{n} more of {set} look right", "{n} fewer of {set} look right"),
}


def _found(finding: Finding) -> str:
    """Say what was found, and in how many images for the threshold."""
    kind = "difference" if finding.scope == "difference" else "class"
    words = _WORDS[finding.question, kind][0 if finding.value > 0 else 1]
    size = abs(finding.value)
    number = f"{size:.2g} {finding.unit}" if size >= 0.01 else f"less than 0.01 {finding.unit}"
    what = words.format(set=finding.object_set, n=number)
    if np.isfinite(finding.ci_low):
        what += f" (90 % interval {finding.ci_low:.2g} to {finding.ci_high:.2g} {finding.unit})"
    if kind == "difference":
        where = f"In the positive control {finding.perturbation}, against its negative wells,"
        return f"{where} {what}.{_both(finding)}"
    where = f"In the {_CLASS_NAMES[finding.scope]} {finding.perturbation},"
    return f"{where} {what}.{_images(finding)}"


def _both(finding: Finding) -> str:
    """Give the values of both classes, where their sign says what is wrong."""
    values = finding.positive_value, finding.negative_value
    if finding.question != "split_merge" or not np.isfinite(values).all():
        return ""
    return f" It is {values[0]:+.2g} there and {values[1]:+.2g} in the negative wells."


def _images(finding: Finding) -> str:
    if finding.question != "threshold" or not np.isfinite(finding.fraction_low):
        return ""
    return (
        f" The threshold is too low (masks too large) in {_percent(finding.fraction_low)} of "
        f"images and too high in {_percent(finding.fraction_high)}."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _standing(finding: Finding) -> str:
    """Why the verdict is what it is, and how many wells would decide it."""
    margin = f"±{finding.margin:g} {finding.unit}"
    if finding.question == "agreement" and finding.scope != "difference":
        return _least(finding)
    if finding.verdict == "pass":
        return _passed(finding, margin)
    if finding.review.decides:
        return _reviewed(finding, margin)
    if finding.fewest_wells < 2:
        return (
            f"Undecided: a class has {finding.fewest_wells} well, and one well gives no interval; "
            "use at least 2 wells per class, better 4."
        )
    if finding.forced:
        return _forced(finding)
    if finding.review.withholds and finding.verdict == "undecided":
        return _withheld(finding, margin)
    if finding.verdict == "fail" and not finding.calibrated:
        return (
            f"Fail: even with a generous allowance for the error of uncalibrated evidence, it lies "
            f"beyond {margin}."
        )
    if finding.verdict == "fail":
        return (
            "Fail, unreviewed: the 95 % interval excludes zero and the 90 % interval leaves the "
            "margin."
        )
    if not finding.calibrated:
        return (
            f"Undecided: the evidence is uncalibrated, so it can never pass {margin}, and it fails "
            f"only beyond about {finding.fail_beyond:.2g} {finding.unit}; more wells do not decide "
            f"it, a calibration on annotated wells{_or_review(finding)} would."
        )
    if finding.wells_needed is None:
        if finding.scope == "difference" and not np.isfinite(finding.matched_value):
            text = (
                f"Undecided at {margin}: more wells decide it only where both classes have some at "
                "the same local density"
            )
            return f"{text}, or {_review_of(finding)}." if finding.review.needed else f"{text}."
        if finding.question == "threshold":
            return (
                f"Undecided at {margin}: no number of wells decides it, reference labels of some "
                "wells would, as people differ in where they draw an edge."
            )
        return f"Undecided at {margin}: no number of wells decides it, {_review_of(finding)} would."
    text = f"Undecided: about {finding.wells_needed} wells per class would decide it at {margin}"
    return f"{text}, or {_review_of(finding)}." if finding.review.needed else f"{text}."


def _forced(finding: Finding) -> str:
    """Say why the classes cannot be told apart from their segmentation."""
    if finding.question == "threshold":
        return (
            f"Undecided: {finding.forced} Where the camera's range ends, an edge has no true "
            "height, and the bias of the outlines cannot be read. Use a shorter exposure."
        )
    return (
        f"Undecided: {finding.forced} The evidence may confuse phenotype with segmentation error, "
        "typically by 2-6 points and more for strong texture. Review "
        f"{finding.review.needed or USUAL_REVIEW} objects per class."
    )


def _or_calibrate(finding: Finding) -> str:
    """Offer a review where it decides: it does not measure an edge in px."""
    if finding.question == "threshold":
        return ""
    return f" {_review_of(finding).capitalize()} would decide it."


def _outside(finding: Finding) -> str:
    if not finding.outside_share or not finding.calibrated or finding.review.decides:
        return ""
    return (
        f"{_percent(finding.outside_share)} of the images are outside of what the evidence was "
        "calibrated on (blurred, noisy, crowded or other objects), so its interval is wider."
    )


def _or_review(finding: Finding) -> str:
    """Offer a review where it decides: it does not measure an edge in px."""
    return "" if finding.question == "threshold" else f" or {_review_of(finding)}"


def _review_of(finding: Finding) -> str:
    return f"a review of about {finding.review.needed or USUAL_REVIEW} objects per class"


def _passed(finding: Finding, margin: str) -> str:
    if finding.review.decides:
        return f"Pass, reviewed: the interval lies inside {margin}."
    if finding.review.state == "complete":
        return f"Pass: the interval lies inside {margin}, and the review does not speak against it."
    return (
        f"Pass, unreviewed: the interval lies inside {margin}. Where a phenotype changes how "
        "objects look, the evidence may mistake it for errors of the segmentation, or miss them; "
        "review the objects of qc/review_list.csv to be sure."
    )


def _withheld(finding: Finding, margin: str) -> str:
    if finding.review.contradicts:
        return (
            "Undecided: the edges say pass, but reviewers found the outlines too large, or too "
            "small, too often for chance."
        )
    if finding.outside_share:
        return (
            f"Undecided: the interval lies inside {margin}, but on such images a pass is not given."
            f"{_or_calibrate(finding)}"
        )
    return (
        f"Undecided: the interval lies inside {margin}, but the evidence errs by more than so "
        f"small a margin can bear; {_review_of(finding)} would decide it."
    )


def _reviewed(finding: Finding, margin: str) -> str:
    if finding.verdict == "fail":
        return (
            "Fail, reviewed: the 95 % interval excludes zero and the 90 % interval leaves the "
            "margin."
        )
    text = f"Undecided at {margin}, by the review"
    needed = finding.review.needed
    if needed is None:
        return f"{text}."
    return f"{text}: {_review_of(finding)} in all would decide it (qc.review_per_class)."


def _least(finding: Finding) -> str:
    """Say how a share stands to the least that is asked for."""
    least = f"{finding.margin:g} {finding.unit}"
    if finding.verdict == "pass":
        return f"Pass, reviewed: the 90 % interval lies above {least}."
    if finding.verdict == "fail":
        return f"Fail, reviewed: the 95 % interval lies below {least}."
    return f"Undecided, by the review: the interval holds {least}; review more objects."


def _density(finding: Finding) -> str:
    if not np.isfinite(finding.matched_value):
        return (
            "These wells share no local density, so crowding may explain a difference as well as "
            "the segmentation does."
        )
    text = f"At equal local density the difference is {finding.matched_value:.2g} {finding.unit}"
    if not np.isfinite(finding.matched_low):
        return f"{text}."
    text += (
        f" (90 % interval {finding.matched_low:.2g} to {finding.matched_high:.2g} {finding.unit})"
    )
    if finding.verdict == "undecided" and _twin_leaves_margin(finding) and not finding.forced:
        return f"{text}, which leaves the margin: the verdict is the worse of the two."
    return f"{text}."


def _twin_leaves_margin(finding: Finding) -> bool:
    """Whether the density-matched interval leaves the margin, and the raw one does not."""
    raw = max(-finding.ci_low, finding.ci_high)
    return raw < finding.margin <= max(-finding.matched_low, finding.matched_high)


def _farther(finding: Finding) -> float:
    """Value of the class that is farther from zero."""
    if finding.scope != "difference":
        return finding.value
    values = [one for one in (finding.positive_value, finding.negative_value) if np.isfinite(one)]
    return max(values, key=abs, default=float("nan"))


def _action(finding: Finding) -> str:
    side = _farther(finding)
    if not np.isfinite(side) or side == 0:
        return ""
    if max(abs(side), abs(finding.value)) < WORTH_TURNING * finding.margin:
        return "Nothing is far enough off to turn a parameter."
    knob = turn(finding.method, finding.question, finding.object_set, side)
    if finding.scope == "difference":
        return (
            f"If the outlines confirm it, {knob}, for all wells, and judge on wells of both "
            "classes: the class that is farther off asks for it."
        )
    return f"If the outlines confirm it, {knob}."
