"""Parameter advice: which parameter to change, from which value, by how much, and what it does."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from levelfield.questions import Aim
from levelfield.segmentation.method import Knob

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
    values, defaults : mapping of str to number or None
        Its numeric parameters as they are in force and as they are when left out, nested ones with
        dots ("threshold.correction"). None: not set.
    parent : str
        The object set that each object grows from, if any.
    knobs : tuple of Knob
        Parameters that can be turned; for each aim the first that is in force counts.
    made_elsewhere : bool
        Whether the program that decides on the objects is another one.
    """

    values: Mapping[str, Number] = field(default_factory=dict)
    defaults: Mapping[str, Number] = field(default_factory=dict)
    parent: str = ""
    knobs: tuple[Knob, ...] = ()
    made_elsewhere: bool = False


@dataclass(frozen=True)
class Change:
    """One parameter of an object set, moved up or down."""

    parameter: str
    raised: bool


def from_parent(method: Method, aim: Aim) -> bool:
    """Whether an error of this kind is made by the set that these objects grow from."""
    return bool(method.parent) and aim not in ("smaller", "larger")


def change_for(method: Method, aim: Aim) -> Change | None:
    """Return what should be changed; None where the method has no parameter for it."""
    knob = _knob(method, aim)
    if knob is None or from_parent(method, aim):
        return None
    return Change(knob.parameter, raised=knob.raised == aim)


def clash(method: Method, aim: Aim, other: Aim) -> bool:
    """Whether two aims ask for opposite changes, of objects or of one parameter."""
    if other == OPPOSITES[aim]:
        return True
    first, second = change_for(method, aim), change_for(method, other)
    if first is None or second is None:
        return False
    return first.parameter == second.parameter and first.raised != second.raised


def parameter_advice(method: Method, object_set: str, aim: Aim) -> str:
    """Say what to change: "raise outline of Nuclei from 0.4 (default) by 0.05: outlines ..."."""
    change = parameter_change(method, object_set, aim)
    if from_parent(method, aim):
        return (
            f"{change}: each of {object_set} grows from one of them, and no parameter of "
            f"{object_set} itself divides, adds or removes objects"
        )
    return f"{change}: {EFFECTS[aim]}"


def parameter_change(method: Method, object_set: str, aim: Aim) -> str:
    """Say what to change without its effect (`parameter_advice` has both)."""
    if from_parent(method, aim):
        return f"follow the advice on {method.parent}"
    knob = _knob(method, aim)
    if method.made_elsewhere:
        return f"{_IN_GENERAL[aim]} in the program that made the labels of {object_set}"
    if knob is None:
        return f"{_IN_GENERAL[aim]} for {object_set}"
    return _moved(knob, method, object_set, raised=knob.raised == aim)


def _knob(method: Method, aim: Aim) -> Knob | None:
    """Return the first parameter in force that serves an aim."""
    for knob in method.knobs:
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
