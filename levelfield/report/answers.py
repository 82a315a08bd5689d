"""The answers in the order in which people ask: object set, question, measure, control."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from markupsafe import Markup

from levelfield.qc.statistics.comparison import Comparison
from levelfield.qc.wording.parameters import Method, clash, from_parent, parameter_change
from levelfield.qc.wording.questions import MEASURE_TITLES
from levelfield.qc.wording.standing import margin_text
from levelfield.questions import MEASURES, QUESTIONS, SCOPES, Question, Scope
from levelfield.report.intervals import interval_plot, interval_scale
from levelfield.report.records import ShownAnswer, ShownRow, count_words, grouped
from levelfield.report.svg import Scale

NO_METHODS: Mapping[str, Method] = MappingProxyType({})


@dataclass(frozen=True)
class Cell:
    """One row of the verdict, ready to be shown."""

    row: ShownRow
    name: str
    counts: str
    plot: Markup


@dataclass(frozen=True)
class Line:
    """One measure of a positive control, beside its negative control and their difference.

    Names are in words; the cells are negative, positive, difference, and None without wells.
    """

    measure: str
    name: str
    margins: str
    cells: tuple[tuple[str, Cell | None], ...]


@dataclass(frozen=True)
class AnswerView:
    """The answer to one question for one object set, as a page shows it at an anchor.

    Attributes
    ----------
    change : str
        Which parameter to change, in short; empty unless the answer is fail.
    lines : tuple of Line
        One per measure and positive control.
    """

    anchor: str
    answer: ShownAnswer
    question: Question
    change: str
    lines: tuple[Line, ...]


def answer_views(
    answers: Sequence[ShownAnswer],
    pairs: Sequence[Comparison],
    methods: Mapping[str, Method] = NO_METHODS,
) -> list[AnswerView]:
    """Put the answers of one plate in order, and draw their intervals.

    Parameters
    ----------
    answers : sequence of ShownAnswer
        From `levelfield.report.records.read_answers`.
    pairs : sequence of Comparison
        The plate's controls: which negative wells a positive control is held against.
    """
    negative_of = {pair.perturbation: pair.negative_name for pair in pairs}
    by_set = grouped(answers, lambda answer: answer.object_set)
    found = []
    for number, (object_set, every) in enumerate(by_set.items()):
        own = {answer.question: answer for answer in every}
        for key, question in QUESTIONS.items():
            if key in own:
                change = _change(own[key], every, methods.get(object_set, Method()))
                lines = tuple(_lines(own[key], negative_of))
                anchor = f"answer-{number}-{key}"
                found.append(AnswerView(anchor, own[key], question, change, lines))
    return found


def _change(answer: ShownAnswer, every: Sequence[ShownAnswer], method: Method) -> str:
    """Say in short which parameter a failed answer asks for."""
    wanted = answer.worst.aim
    if answer.verdict != "fail" or wanted is None:
        return ""
    failed = [row for own in every for row in own.rows if row.verdict == "fail"]
    asked = {row.aim for row in failed} - {None}
    if not from_parent(method, wanted) and any(clash(method, wanted, aim) for aim in asked if aim):
        return "no one parameter mends it, see below"
    return parameter_change(method, answer.object_set, wanted)


def _lines(answer: ShownAnswer, negative_of: Mapping[str, str]) -> list[Line]:
    lines = []
    by_measure = grouped(answer.rows, lambda row: row.measure_name)
    for measure in (name for name in MEASURES if name in by_measure):
        rows = by_measure[measure]
        by_scope = {scope: [row for row in rows if row.scope == scope] for scope in SCOPES}
        of_class = interval_scale(by_scope["negcon"] + by_scope["poscon"])
        scales = dict.fromkeys(SCOPES, of_class)
        scales["difference"] = interval_scale(by_scope["difference"])
        names = [row.perturbation for row in by_scope["poscon"] + by_scope["difference"]]
        for name in dict.fromkeys(names or [""]):
            chosen = {scope: _named(by_scope[scope], name) for scope in SCOPES}
            negative = _named(by_scope["negcon"], negative_of.get(name, ""))
            chosen["negcon"] = negative or next(iter(by_scope["negcon"]), None)
            cells = tuple((scope, _cell(row, scales[scope])) for scope, row in chosen.items())
            lines.append(Line(MEASURE_TITLES[measure], name, _margins(chosen), cells))
    return lines


def _named(rows: Sequence[ShownRow], name: str) -> ShownRow | None:
    return next((row for row in rows if row.perturbation == name), None)


def _margins(rows: Mapping[Scope, ShownRow | None]) -> str:
    """Say both harmless ranges: of a class, and of the difference."""
    said = []
    for label, row in (
        ("a class", rows["negcon"] or rows["poscon"]),
        ("the difference", rows["difference"]),
    ):
        if row:
            margin = margin_text(row.margin, row.unit, row.measure_name, row.scope)
            said.append(f"{label} {margin}")
    return f"harmless: {', '.join(said)}" if said else ""


def _cell(row: ShownRow | None, scale: Scale) -> Cell | None:
    if row is None:
        return None
    name = row.perturbation
    if row.scope == "difference":
        name = f"{name or 'positive'} − negative"
    counts = f"{count_words(row.n_wells, row.n_sites, row.n_objects)} · {row.review_words}"
    return Cell(row, name or "no wells", counts, interval_plot(row, scale))
