"""The verdict in words: what was found, why it counts or not, what to turn and which way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from levelfield.qc.balance import Verdict


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
    matched_value : float
        Density-matched difference; NaN when the classes do not overlap in density.
    side_value : float
        Value of the class that is farther from zero; the row's own value for one class.
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
    matched_value: float = float("nan")
    side_value: float = float("nan")


# What to turn when the value is above zero (masks too large, over-segmented) and when below.
_THRESHOLD_CORRECTION = ("raise threshold.correction", "lower threshold.correction")
_PARENT = (
    "divide the parent objects of {set} less, as each grows from one of them",
    "divide the parent objects of {set} more, as each grows from one of them",
)
_TURN = {
    ("classical", "threshold"): (
        "raise outline (threshold.correction if outline is null)",
        "lower outline (threshold.correction if outline is null)",
    ),
    ("classical", "split_merge"): (
        "raise declump.depth or declump.suppression_distance",
        "lower declump.depth or declump.suppression_distance",
    ),
    ("propagation", "threshold"): _THRESHOLD_CORRECTION,
    ("propagation", "split_merge"): _PARENT,
    ("watershed", "threshold"): _THRESHOLD_CORRECTION,
    ("watershed", "split_merge"): _PARENT,
    ("expansion", "threshold"): ("lower distance", "raise distance"),
    ("expansion", "split_merge"): _PARENT,
    ("network", "threshold"): ("raise decoding.foreground", "lower decoding.foreground"),
    ("network", "split_merge"): (
        "lower decoding.dividing (raise decoding.depth if the decoder is flow)",
        "raise decoding.dividing (lower decoding.depth if the decoder is flow)",
    ),
    ("labels", "threshold"): (
        "raise the threshold in the program that made these labels",
        "lower the threshold in the program that made these labels",
    ),
    ("labels", "split_merge"): (
        "make the program that made these labels divide less",
        "make the program that made these labels divide more",
    ),
}
_ANY_METHOD = {
    "threshold": ("make the foreground threshold stricter", "make the foreground threshold laxer"),
    "split_merge": ("make the method divide less", "make the method divide more"),
}
WORTH_TURNING = 0.3
_CLASS_NAMES = {"poscon": "positive control", "negcon": "negative control"}


def turn(method: str, question: str, object_set: str, value: float) -> str:
    """Say what to turn and which way: "raise threshold.correction of Nuclei".

    Parameters
    ----------
    method, question, object_set : str
        As in `Finding`.
    value : float
        Above zero for masks too large or over-segmentation, below for the opposite.
    """
    texts = _TURN.get((method, question), _ANY_METHOD[question])
    text = texts[0 if value > 0 else 1]
    return text.format(set=object_set) if "{set}" in text else f"{text} of {object_set}"


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
    if finding.question == "agreement":
        sentences.append(_AGREEMENT)
        return " ".join(sentences)
    sentences.append(_standing(finding))
    if finding.scope == "difference":
        sentences.append(_density(finding))
    if finding.verdict != "pass":
        sentences.append(_action(finding))
    return " ".join(sentence for sentence in sentences if sentence)


_AGREEMENT = (
    "Undecided: whether objects are right takes a reference or a review, and this plate has "
    "neither. Missed objects are not counted."
)


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
        "{set} are {n} more over-segmented",
        "{set} are {n} more under-segmented",
    ),
    ("agreement", "class"): ("{n} of {set} look right", "{n} of {set} look right"),
    ("agreement", "difference"): ("{n} more of {set} look right", "{n} fewer of {set} look right"),
}


def _found(finding: Finding) -> str:
    """Say what was found, and in how many images for the threshold."""
    kind = "difference" if finding.scope == "difference" else "class"
    words = _WORDS[finding.question, kind][0 if finding.value > 0 else 1]
    number = f"{abs(finding.value):.2g} {finding.unit}"
    what = words.format(set=finding.object_set, n=number)
    if np.isfinite(finding.ci_low):
        what += f" (90 % interval {finding.ci_low:.2g} to {finding.ci_high:.2g} {finding.unit})"
    if kind == "difference":
        where = f"In the positive control {finding.perturbation}, against its negative wells,"
        return f"{where} {what}."
    where = f"In the {_CLASS_NAMES[finding.scope]} {finding.perturbation},"
    return f"{where} {what}.{_images(finding)}"


def _images(finding: Finding) -> str:
    if finding.question != "threshold" or not np.isfinite(finding.fraction_low):
        return ""
    return (
        f" The threshold is too low in {_percent(finding.fraction_low)} of images and too high in "
        f"{_percent(finding.fraction_high)}."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _standing(finding: Finding) -> str:
    """Why the verdict is what it is, and how many wells would decide it."""
    margin = f"±{finding.margin:g} {finding.unit}"
    if finding.verdict == "pass":
        return f"Pass: the interval lies inside {margin}."
    if finding.fewest_wells < 2:
        return (
            f"Undecided: a class has {finding.fewest_wells} well, and one well gives no interval; "
            "use at least 2 wells per class, better 4."
        )
    if finding.verdict == "fail" and not finding.calibrated:
        return (
            f"Fail: even with a generous allowance for the error of uncalibrated evidence, it lies "
            f"beyond {margin}."
        )
    if finding.verdict == "fail":
        return "Fail: the 95 % interval excludes zero and the 90 % interval leaves the margin."
    if not finding.calibrated:
        return (
            f"Undecided: the evidence is uncalibrated, so it can never pass {margin}, and it fails "
            f"only beyond about {finding.fail_beyond:.2g} {finding.unit}; more wells do not decide "
            "it, a calibration on annotated wells or a review of 50 objects per class would."
        )
    if finding.wells_needed is None:
        return f"Undecided at {margin}: no number of wells decides it; review 50 objects per class."
    return f"Undecided: about {finding.wells_needed} wells per class would decide it at {margin}."


def _density(finding: Finding) -> str:
    if not np.isfinite(finding.matched_value):
        return (
            "These wells share no local density, so crowding may explain a difference as well as "
            "the segmentation does."
        )
    return f"At equal local density the difference is {finding.matched_value:.2g} {finding.unit}."


def _action(finding: Finding) -> str:
    side = finding.side_value if finding.scope == "difference" else finding.value
    if not np.isfinite(side) or side == 0:
        return ""
    if max(abs(side), abs(finding.value)) < WORTH_TURNING * finding.margin:
        return "Nothing needs turning on this evidence."
    knob = turn(finding.method, finding.question, finding.object_set, side)
    if finding.scope == "difference":
        return (
            f"If the outlines confirm it, {knob}, for all wells, and judge on wells of both "
            "classes: the class that is farther off asks for it."
        )
    return f"If the outlines confirm it, {knob}."
