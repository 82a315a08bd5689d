"""A row of the verdict in words: what was found, why it counts or not, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from levelfield.qc.measures import MEASURES, SPLIT_MERGE, THRESHOLD
from levelfield.qc.statistics.estimates import FAIL_LEVEL, PASS_LEVEL, Estimate
from levelfield.qc.verdict.rows import NextStep, Row
from levelfield.qc.wording.numbers import count, interval, measured
from levelfield.qc.wording.parameters import (
    Aim,
    Method,
    change_for,
    clash,
    from_parent,
    parameter_advice,
)
from levelfield.qc.wording.questions import CLASS_TITLES, answer_words, name_of_row

WITHHELD = "No verdict. Too many images had to be left out."
"""Said alike by terminal, page and tables."""
WORTH_CHANGING = 0.5
"""Of the margin: an undecided row that is nearer to zero names no parameter."""
WORTH_TELLING = 0.1
"""Share of the reviewed objects that nobody could tell, or of the variance that a doubt adds."""
_NO_METHOD = Method()


def row_advice(row: Row, method: Method = _NO_METHOD, others: Sequence[Row] = ()) -> str:
    """Write the advice of one row, in sentences that a biologist can act upon.

    Parameters
    ----------
    row : Row
        What was found and judged.
    method : Method
        How its object set is segmented.
    others : sequence of Row
        The other rows of the object set. Where one of them asks for the opposite change of the same
        parameter, the advice says that no value of it suits both, in place of naming a direction.
    """
    if row.reason == "excluded_sites":
        return " ".join([WITHHELD, _found(row), _next(row)]).rstrip()
    sentences = [_found(row), _standing(row), _doubts(row), _density(row), _review(row)]
    sentences += [_parameter(row, method, others), _next(row)]
    return " ".join(sentence for sentence in sentences if sentence)


def next_step_words(step: NextStep, measure: str = "") -> str:
    """Say what to do next, with its cost: "review 50 objects per class of ... (about 9 minutes)".

    Parameters
    ----------
    step : NextStep
        What to do.
    measure : str
        Of the row that asks for it: what is missed is looked for in whole fields.

    Returns
    -------
    str
        Without a full stop; empty where there is nothing to do.
    """
    words = {
        "none": "",
        "review": _review_words(step, measure, " of qc/review_list.csv"),
        "wells": f"use {_amount(step, 'well')} per class",
        "layout": "declare the control wells in the layout (control_type negcon and poscon, the "
        "same control_group for both)",
        "annotate": f"annotate {_amount(step, 'field')} of this assay, to calibrate on them",
        "expose": "expose shorter, so that objects are not saturated",
        "look": "look at these wells and their outlines",
        "images": "see excluded_sites.csv for why their images are left out",
    }[step.kind]
    return f"{words} (about {count(step.minutes, 'minute')})" if step.minutes and words else words


def next_step_in_short(step: NextStep, measure: str = "") -> str:
    """Say the same for a table cell: "review 50 objects per class (9 min)"."""
    words = {
        "none": "",
        "review": _review_words(step, measure),
        "wells": f"use {_amount(step, 'well')} per class",
        "layout": "declare control wells in the layout",
        "annotate": f"annotate {_amount(step, 'field')}",
        "expose": "expose shorter",
        "look": "look at the outlines",
        "images": "see excluded_sites.csv",
    }[step.kind]
    return f"{words} ({step.minutes} min)" if step.minutes and words else words


def _review_words(step: NextStep, measure: str, source: str = "") -> str:
    if measure == "missed":
        return f"search {_amount(step, 'field')} per class{source} for missed objects"
    return f"review {_amount(step, 'object')} per class{source}"


def _amount(step: NextStep, noun: str) -> str:
    return count(step.amount, noun) if step.amount else f"more {noun}s"


def sentence(text: str) -> str:
    """Return a text with a capital and a full stop; nothing of nothing."""
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _next(row: Row) -> str:
    words = next_step_words(row.next_step, row.measure_name)
    if not words:
        return ""
    return f"{next_head(row.verdict)}: {words}."


def next_head(verdict: str) -> str:
    """Say what a next step is for: what is undecided needs it, what is decided is confirmed."""
    return "Next" if verdict == "undecided" else "To be sure"


# --- what was found ---------------------------------------------------------------------------

_CLASS_WORDS = {
    "agreement": ("{n} of {set} are right", "{n} of {set} are right"),
    "missed": ("{n} of {set} are missed", "fewer {set} than none read as missed ({n})"),
    "invented": ("{n} of {set} are invented", "fewer {set} than none read as invented ({n})"),
    "bias": ("the outlines of {set} are {n} too large", "the outlines of {set} are {n} too small"),
    "balance": ("{set} are over-segmented by {n}", "{set} are under-segmented by {n}"),
    "splits": ("{set} have {n} superfluous pieces", "{set} read {n} fewer pieces than none"),
    "merges": ("{n} of {set} are merged", "fewer {set} than none read as merged ({n})"),
}
_DIFFERENCE_WORDS = {
    "agreement": ("{n} more of {set} are right", "{n} fewer of {set} are right"),
    "missed": ("{n} more of {set} are missed", "{n} fewer of {set} are missed"),
    "invented": ("{n} more of {set} are invented", "{n} fewer of {set} are invented"),
    "bias": ("the outlines of {set} are {n} larger", "the outlines of {set} are {n} smaller"),
    "balance": (
        "the balance of {set} is {n} higher: more splits or fewer merges",
        "the balance of {set} is {n} lower: more merges or fewer splits",
    ),
    "splits": ("{n} more of {set} are split", "{n} fewer of {set} are split"),
    "merges": ("{n} more of {set} are merged", "{n} fewer of {set} are merged"),
}
_NO_WELLS = {
    "negcon": "the negative control",
    "poscon": "the positive control",
}


def _found(row: Row) -> str:
    """Say what was measured, and in how many images for the threshold."""
    if row.reason == "no_wells":
        missing = [_NO_WELLS[name] for name in row.missing] or ["this control"]
        return (
            f"There are no usable wells of {' and '.join(missing)} with {row.object_set}, so this "
            "cannot be answered."
        )
    if row.reason == "nothing_measured" or not np.isfinite(row.estimate.value):
        if row.measure_name == "invented" and row.n_objects:
            return (
                f"Whether labels of {row.object_set} are invented was not measured: the second "
                "opinion knows nuclei alone."
            )
        return (
            f"Nothing could be measured for {row.object_set} in these wells: no objects, or no "
            "edge with contrast."
        )
    words = _DIFFERENCE_WORDS if row.scope == "difference" else _CLASS_WORDS
    value = row.estimate.value * row.measure.scale
    said = words[row.measure_name][0 if value >= 0 else 1]
    what = said.format(set=row.object_set, n=_size(abs(value), row))
    if row.at_floor:
        name = name_of_row(row.measure_name, row.scope, row.perturbation)
        what = f"the {name} is at the floor: no more than faultless labels read"
    between = interval_of(row, row.estimate)
    what += f" (90 % interval {between})" if between else ""
    if row.at_floor:
        return sentence(what)
    if row.scope == "difference":
        where = f"In the positive control {row.perturbation}, against its negative wells,"
        return f"{where} {what}.{_both(row)}"
    where = f"In the {CLASS_TITLES[row.scope]} {row.perturbation}".rstrip()
    return f"{where}, {what}.{_images(row)}"


def _size(value: float, row: Row) -> str:
    """Write a size; a share of objects is one in percent, its difference one in points."""
    is_rate = row.scope != "difference" and not row.measure.signed
    if is_rate and not row.measure.is_share_of_right:
        return f"{value:.1f} %"
    return measured(value, row.unit, signed=False)


def interval_of(row: Row, estimate: Estimate | None, level: float = PASS_LEVEL) -> str:
    """Write the interval of an estimate in the unit of a row; empty where it is not known."""
    if estimate is None:
        return ""
    scale = row.measure.scale
    low, high = (scale * end for end in estimate.interval(level))
    return interval(low, high, row.unit)


def _both(row: Row) -> str:
    """Give the values of both classes, which say what is wrong where."""
    values = row.positive_value, row.negative_value
    if not np.isfinite(values).all():
        return ""
    unit, signed = row.measure.unit, row.measure.signed
    there, here = (measured(row.measure.scale * one, unit, signed=signed) for one in values)
    return f" It is {there} there and {here} in the negative wells."


def _images(row: Row) -> str:
    if row.question != THRESHOLD or not np.isfinite([row.fraction_low, row.fraction_high]).all():
        return ""
    low, high = (f"{100 * share:.0f} %" for share in (row.fraction_low, row.fraction_high))
    return f" The threshold is too low in {low} of the images and too high in {high}."


# --- why it counts or not ---------------------------------------------------------------------


def margin_words(row: Row) -> str:
    """Say the harmless range: "±0.5 px", "up to 15 pp", "at least 90 %"."""
    return margin_text(row.margin * row.measure.scale, row.unit, row.measure_name, row.scope)


def margin_text(margin: float, unit: str, measure: str, scope: str) -> str:
    """Say the harmless range of a margin that is in units; see `margin_words`."""
    number = f"{round(margin, 9):g} {unit}"
    if scope == "difference" or measure in ("bias", "balance"):
        return f"±{number}"
    return f"at least {number}" if measure == "agreement" else f"up to {number}"


def _standing(row: Row) -> str:
    """Say why the verdict is what it is."""
    head = answer_words(row.verdict, row.unreviewed)
    head = f"{head}, reviewed" if row.verdict != "undecided" and row.basis == "review" else head
    head = f"{head[0].upper()}{head[1:]}"
    return f"{head}: {_because(row)}"


def _because(row: Row) -> str:
    margin = margin_words(row)
    judged = "the density-matched estimate" if row.by_matched else "the estimate"
    uncalibrated = "" if row.calibrated or row.basis == "review" else " (uncalibrated evidence)"
    wide = f"the interval reaches both into and out of the harmless range ({margin})"
    return {
        "inside": f"the 90 % interval lies within the harmless range ({margin}).",
        "beyond": f"{judged} lies beyond the harmless range ({margin}){uncalibrated}, and chance "
        f"does not explain it (95 % interval {interval_of(row, _judged(row), FAIL_LEVEL) or '–'}).",
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


def _judged(row: Row) -> Estimate | None:
    return row.matched if row.by_matched else row.estimate


_DOUBT_WORDS = {
    "variants": "variants of the evidence disagree",
    "size": "objects differ in size between the classes",
    "sharpness": "edges differ in sharpness between the classes",
    "contrast": "contrast over noise differs between the classes",
    "grain": "fine texture differs between the classes",
    "saturation": "objects are saturated in one class",
    "outside": "images lie outside the calibration range",
}


def _doubts(row: Row) -> str:
    """Name what widens the interval, where it matters."""
    if row.basis == "review" or row.reason in ("no_wells", "nothing_measured"):
        return ""
    shares = {name: row.doubt_shares.get(name, 0.0) for name in _DOUBT_WORDS}
    large = [name for name, share in shares.items() if share > WORTH_TELLING]
    named = [_DOUBT_WORDS[name] for name in sorted(large, key=shares.get, reverse=True)]
    return f"The interval is wider because {'; '.join(named)}." if named else ""


def _density(row: Row) -> str:
    if row.scope != "difference" or row.reason in ("no_wells", "nothing_measured"):
        return ""
    if row.matched is None or not np.isfinite(row.matched.value):
        return (
            "These wells share no local density, so crowding may explain a difference as well as "
            "the segmentation does."
        )
    value = measured(row.matched.value * row.measure.scale, row.unit)
    between = interval_of(row, row.matched)
    text = f"At equal local density the difference is {value}"
    text += f" (90 % interval {between})" if between else ""
    return f"{text}, which decides." if row.by_matched else f"{text}."


def _review(row: Row) -> str:
    """Say how far people are, and what they and the evidence say beside each other."""
    review = row.review
    if review.state == "unreviewed":
        return ""
    if review.state == "partial":
        return (
            f"The review is unfinished: {review.n_reviewed} of {review.n_drawn} objects have an "
            "answer, and it does not count before all have."
        )
    sentences = [f"{count(review.n_reviewed, 'object')} reviewed."]
    if row.basis == "review":
        sentences += [_beside("The evidence alone says", row, row.evidence)]
        sentences += [_beside("Of these wells alone it says", row, row.reviewed_these_wells)]
    else:
        sentences += [_beside("The review says", row, row.reviewed)]
    asked = review.n_reviewed + review.n_cannot_tell
    if review.n_cannot_tell > WORTH_TELLING * asked:
        sentences.append(
            f"Of another {review.n_cannot_tell} nobody could tell; the figures hold only if those "
            "are like the others."
        )
    return " ".join(one for one in sentences if one)


def _beside(head: str, row: Row, estimate: Estimate | None) -> str:
    if estimate is None or not np.isfinite(estimate.value):
        return ""
    between = interval_of(row, estimate)
    value = measured(estimate.value * row.measure.scale, row.unit)
    return f"{head} {value}{f' ({between})' if between else ''}."


# --- which parameter --------------------------------------------------------------------------

_AIMS: dict[str, tuple[Aim, Aim]] = {
    "bias": ("smaller", "larger"),
    "balance": ("divide_less", "divide_more"),
    "splits": ("divide_less", "divide_less"),
    "merges": ("divide_more", "divide_more"),
    "missed": ("find_more", "find_more"),
    "invented": ("find_fewer", "find_fewer"),
}
"""By measure: what a value above zero and one below it asks for. Agreement asks for nothing."""


def aim_of(row: Row) -> Aim | None:
    """Return what should happen to the objects of a row; None: nothing."""
    if row.at_floor:
        return None
    classes = row.positive_value, row.negative_value
    return aim(row.measure_name, row.scope, row.verdict, row.estimate.value, row.margin, classes)


def aim(
    measure: str,
    scope: str,
    verdict: str,
    value: float,
    margin: float,
    classes: tuple[float, float],
) -> Aim | None:
    """Return what should happen to objects, by the class that is farther off; None: nothing.

    Parameters
    ----------
    measure, scope, verdict : str
        Of a row.
    value, margin : float
        Of a row, both in one unit.
    classes : (float, float)
        Of a difference, the values of its classes.
    """
    if measure not in _AIMS or verdict == "pass" or not np.isfinite(value):
        return None
    if verdict != "fail" and abs(value) <= WORTH_CHANGING * margin:
        return None
    sides = [one for one in classes if np.isfinite(one)] if scope == "difference" else [value]
    side = max(sides, key=abs, default=0.0)
    if side == 0 or (side < 0 and not MEASURES[measure].signed):
        return None
    return _AIMS[measure][0 if side > 0 else 1]


def _parameter(row: Row, method: Method, others: Sequence[Row]) -> str:
    wanted = aim_of(row)
    if wanted is None:
        return ""
    advice = parameter_advice(method, row.object_set, wanted)
    if from_parent(method, wanted):
        return f"If the outlines confirm it, {advice}."
    if opposed := _opposed(row, wanted, method, others):
        return opposed
    both = ", for all wells, and judge on wells of both classes" * (row.scope == "difference")
    return f"If the outlines confirm it, {advice}{both}."


def _opposed(row: Row, wanted: Aim, method: Method, others: Sequence[Row]) -> str:
    """Say which failing row of the same object set asks for the opposite; nothing if none does."""
    for other in others:
        asked = aim_of(other)
        if asked is None or other.verdict != "fail":
            continue
        if not clash(method, row.object_set, wanted, asked):
            continue
        name = name_of_row(other.measure_name, other.scope, other.perturbation)
        change = change_for(method, row.object_set, wanted)
        what = f" of {change.parameter} of {row.object_set}" if change else ""
        text = f"Another row that fails ({name}) asks for the opposite change{what}: "
        if row.question == other.question == SPLIT_MERGE:
            return text + "dividing more or less cannot mend both, another method may."
        return text + "no one value suits both, so settle that row first, or try another method."
    return ""
