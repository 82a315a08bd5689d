"""Parameter advice: which parameter to change, from which value, by how much, and what it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Aim = Literal["smaller", "larger", "divide_less", "divide_more", "find_more", "find_fewer"]
Number = int | float | None

OPPOSITES: dict[Aim, Aim] = {
    "smaller": "larger",
    "divide_less": "divide_more",
    "find_more": "find_fewer",
}
OPPOSITES |= {opposite: aim for aim, opposite in OPPOSITES.items()}
EFFECTS: dict[Aim, str] = {
    "smaller": "outlines move inwards",
    "larger": "outlines move outwards",
    "divide_less": "fewer objects are split, and more stay merged",
    "divide_more": "fewer objects are merged, and more are split",
    "find_more": "dim and small objects are found as well",
    "find_fewer": "less of the background is taken for an object",
}
_IN_GENERAL: dict[Aim, str] = {
    "smaller": "make the foreground threshold stricter",
    "larger": "make the foreground threshold laxer",
    "divide_less": "make the method divide less",
    "divide_more": "make the method divide more",
    "find_more": "make the method accept dimmer and smaller objects",
    "find_fewer": "make the method stricter in what it accepts as an object",
}


@dataclass(frozen=True)
class Method:
    """How an object set is segmented, as far as advice needs it.

    Attributes
    ----------
    name : str
        Of the method, as in the configuration; empty where it is not known.
    values, defaults : mapping of str to number or None
        Its numeric parameters as they are in force and as they are when left out, nested ones with
        dots ("threshold.correction"). None: not set.
    parent : str
        The object set that each object grows from, if any.
    """

    name: str = ""
    values: Mapping[str, Number] = field(default_factory=dict)
    defaults: Mapping[str, Number] = field(default_factory=dict)
    parent: str = ""


@dataclass(frozen=True)
class Knob:
    """A parameter, and what happens when it is raised.

    Attributes
    ----------
    parameter : str
        With dots where it is nested.
    step : float
        A first change that can be seen.
    raised : str
        What raising it is good for; lowering it is good for the opposite.
    relative : bool
        Whether the step is a share of the value.
    signed : bool
        Whether the parameter may fall to zero and below.
    unset : str
        What it is held against where it has no value; without it, it is then passed over.
    """

    parameter: str
    step: float
    raised: Aim
    relative: bool = False
    signed: bool = False
    unset: str = ""


_MANUAL = "threshold.value", 0.1
_CORRECTION = "threshold.correction", 0.1
# A level that is given by hand comes before the factor of one that is measured.
_THRESHOLD = (Knob(*_MANUAL, "smaller", relative=True), Knob(*_CORRECTION, "smaller"))
_DETECTION = (Knob(*_MANUAL, "find_fewer", relative=True), Knob(*_CORRECTION, "find_fewer"))
_DECLUMPING = (Knob("declump.depth", 0.04, "divide_less"),)
_CELLPOSE = (
    Knob("cell_probability", 0.5, "smaller", signed=True),
    Knob("diameter", 0.15, "divide_less", relative=True, unset="the typical diameter in px"),
    Knob("flow_threshold", 0.2, "find_more"),
)
KNOBS: dict[str, tuple[Knob, ...]] = {
    "classical": (Knob("outline", 0.05, "smaller"), *_THRESHOLD, *_DECLUMPING, *_DETECTION),
    "propagation": (*_THRESHOLD, *_DETECTION),
    "watershed": (*_THRESHOLD, *_DETECTION),
    "expansion": (Knob("distance", 1, "larger"),),
    "network": (
        Knob("outline", 0.05, "smaller"),
        Knob("decoding.foreground", 0.1, "smaller"),
        Knob("decoding.depth", 0.1, "divide_less"),
        Knob("decoding.dividing", 0.1, "divide_more"),
        Knob("decoding.interior", 0.1, "divide_more"),
        Knob("decoding.core", 0.1, "divide_more"),
        Knob("decoding.overlap", 0.1, "divide_more"),
        Knob("decoding.minimum_foreground", 0.1, "find_fewer"),
    ),
    "cellpose": _CELLPOSE,
    "cellpose3": _CELLPOSE,
    "stardist": (
        Knob("overlap", 0.1, "divide_more", unset="the model's own"),
        Knob("probability", 0.1, "find_fewer", unset="the model's own"),
    ),
    "mask_rcnn": (
        Knob("mask_threshold", 0.05, "smaller"),
        Knob("minimum_kept", 0.1, "divide_less"),
        Knob("minimum_score", 0.1, "find_fewer"),
    ),
    "segment_anything": (
        Knob("minimum_kept", 0.1, "divide_less"),
        Knob("minimum_quality", 0.05, "find_fewer"),
    ),
    "instanseg": (
        Knob("mask_threshold", 0.05, "smaller"),
        Knob("peak_distance", 1, "divide_less"),
        Knob("seed_threshold", 0.1, "find_fewer"),
    ),
    "pixel_classifier": (
        Knob("probability", 0.05, "smaller"),
        *_DECLUMPING,
        Knob("probability", 0.1, "find_fewer"),
    ),
}
"""By method. For each aim the first that the method has in force counts."""
MADE_ELSEWHERE = ("labels", "edited")


@dataclass(frozen=True)
class Change:
    """One parameter of one object set, moved up or down."""

    object_set: str
    parameter: str
    raised: bool


def from_parent(method: Method, aim: Aim) -> bool:
    """Whether an error of this kind is made by the set that these objects grow from."""
    return bool(method.parent) and aim not in ("smaller", "larger")


def change_for(method: Method, object_set: str, aim: Aim) -> Change | None:
    """Return what should be changed; None where the method has no parameter for it."""
    knob = _knob(method, aim)
    if knob is None or from_parent(method, aim):
        return None
    return Change(object_set, knob.parameter, raised=knob.raised == aim)


def clash(method: Method, object_set: str, one: Aim, other: Aim) -> bool:
    """Whether two aims ask for opposite changes, of objects or of one parameter."""
    if other == OPPOSITES[one]:
        return True
    first, second = (change_for(method, object_set, aim) for aim in (one, other))
    if first is None or second is None:
        return False
    return first.parameter == second.parameter and first.raised != second.raised


def parameter_advice(method: Method, object_set: str, aim: Aim) -> str:
    """Say what to change: "raise outline of Nuclei from 0.4 (default) by 0.05: outlines ...".

    Parameters
    ----------
    method : Method
        How the object set is segmented.
    object_set : str
        Its name.
    aim : str
        What should happen to its objects.
    """
    change = parameter_change(method, object_set, aim)
    if from_parent(method, aim):
        return (
            f"{change}: each of {object_set} grows from one of them, and no parameter of "
            f"{object_set} itself divides, adds or removes objects"
        )
    return f"{change}: {EFFECTS[aim]}"


def parameter_change(method: Method, object_set: str, aim: Aim) -> str:
    """Say what to change without its effect; see `parameter_advice`."""
    if from_parent(method, aim):
        return f"follow the advice on {method.parent}"
    knob = _knob(method, aim)
    if method.name in MADE_ELSEWHERE:
        return f"{_IN_GENERAL[aim]} in the program that made the labels of {object_set}"
    if knob is None:
        return f"{_IN_GENERAL[aim]} for {object_set}"
    return _moved(knob, method, object_set, raised=knob.raised == aim)


def _knob(method: Method, aim: Aim) -> Knob | None:
    """Return the first parameter in force that serves an aim."""
    for knob in KNOBS.get(method.name, ()):
        known = knob.parameter in method.values
        in_force = known and (method.values[knob.parameter] is not None or knob.unset)
        if in_force and aim in (knob.raised, OPPOSITES[knob.raised]):
            return knob
    return None


def _moved(knob: Knob, method: Method, object_set: str, *, raised: bool) -> str:
    value, default = method.values[knob.parameter], method.defaults.get(knob.parameter)
    share = f"{100 * knob.step:g} %" if knob.relative else f"{knob.step:g}"
    if value is None:
        side = "above" if raised else "below"
        return (
            f"set {knob.parameter} of {object_set} (default: not set) {share} {side} {knob.unset}"
        )
    verb, step = ("raise" if raised else "lower"), knob.step * (value if knob.relative else 1)
    if not raised and not knob.signed:
        step = min(step, value / 2)  # such parameters have no meaning below zero
    known = "default" if value == default else f"default {_shown(default)}"
    return f"{verb} {knob.parameter} of {object_set} from {_shown(value)} ({known}) by {step:.3g}"


def _shown(value: Number) -> str:
    return "not set" if value is None else str(value)
