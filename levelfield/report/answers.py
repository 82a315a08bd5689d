"""The answers in the order in which people ask: object set, question, measure, control."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from markupsafe import Markup

from levelfield.qc.measures import MEASURES, SCOPES, THRESHOLD, Scope
from levelfield.qc.statistics.comparison import Comparison
from levelfield.qc.wording.numbers import count
from levelfield.qc.wording.parameters import Method, clash, from_parent, parameter_change
from levelfield.qc.wording.questions import MEASURE_TITLES, QUESTIONS, Question, name_of_row
from levelfield.qc.wording.standing import margin_text
from levelfield.report.intervals import interval_plot, interval_scale
from levelfield.report.shown import ShownAnswer, ShownRow
from levelfield.report.svg import Scale

NO_METHODS: Mapping[str, Method] = MappingProxyType({})


@dataclass(frozen=True)
class Cell:
    """One row of the verdict, ready to be shown."""

    row: ShownRow
    name: str
    counts: str
    notes: tuple[str, ...]
    plot: Markup


@dataclass(frozen=True)
class Line:
    """One measure of a positive control, beside its negative control and their difference.

    Attributes
    ----------
    measure, name : str
        In words.
    margins : str
        Harmless ranges of a class and of the difference.
    cells : tuple of (str, Cell or None)
        Negative, positive, difference; a control without wells has a cell that says so.
    """

    measure: str
    name: str
    margins: str
    cells: tuple[tuple[str, Cell | None], ...]


@dataclass(frozen=True)
class Overview:
    """One class of an answer in the table of the first screen.

    Attributes
    ----------
    scope, verdict : str
        Which class (or the difference), and its verdict over all measures and controls.
    unreviewed : bool
        Whether that rests on the evidence alone.
    value, says : str
        The estimate that is worst, and what it is of; empty where nothing was judged.
    """

    scope: str
    verdict: str
    unreviewed: bool
    value: str = ""
    says: str = ""


@dataclass(frozen=True)
class AnswerView:
    """The answer to one question for one object set, as a page shows it.

    Attributes
    ----------
    anchor : str
        Name of its place on the page.
    answer : ShownAnswer
        From the tables.
    question : Question
        In words.
    worst : str
        Name of the row that decides.
    change : str
        Which parameter to change, in short; empty unless the answer is fail.
    overview : tuple of Overview
        Negative, positive, both together.
    lines : tuple of Line
        One per measure and positive control.
    """

    anchor: str
    answer: ShownAnswer
    question: Question
    worst: str
    change: str
    overview: tuple[Overview, ...]
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
    methods : mapping of str to Method
        How each object set is segmented.
    """
    negative_of = {pair.perturbation: pair.negative_name for pair in pairs}
    sets = dict.fromkeys(answer.object_set for answer in answers)
    found = []
    for number, object_set in enumerate(sets):
        own = {answer.question: answer for answer in answers if answer.object_set == object_set}
        for key in QUESTIONS:
            if key in own:
                change = _change(own[key], list(own.values()), methods.get(object_set, Method()))
                found.append(_view(f"answer-{number}-{key}", own[key], change, negative_of))
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


def _view(
    anchor: str, answer: ShownAnswer, change: str, negative_of: Mapping[str, str]
) -> AnswerView:
    worst = answer.worst
    return AnswerView(
        anchor=anchor,
        answer=answer,
        question=QUESTIONS[answer.question],
        worst=name_of_row(worst.measure_name, worst.scope, worst.perturbation),
        change=change,
        overview=tuple(_overview(answer, scope) for scope in SCOPES),
        lines=tuple(_lines(answer, negative_of)),
    )


def _overview(answer: ShownAnswer, scope: Scope) -> Overview:
    rows, worst = answer.of_scope(scope), answer.worst_of(scope)
    verdict, unreviewed = answer.verdict_of(scope), answer.unreviewed_in(scope)
    if worst is None:
        return Overview(scope, verdict, unreviewed)
    says = worst.measure_name if len({row.measure_name for row in rows}) > 1 else ""
    return Overview(scope, verdict, unreviewed, worst.value_words, says)


def _lines(answer: ShownAnswer, negative_of: Mapping[str, str]) -> list[Line]:
    lines = []
    for measure in MEASURES:
        rows = [row for row in answer.rows if row.measure_name == measure]
        by_scope = {scope: [row for row in rows if row.scope == scope] for scope in SCOPES}
        of_class = interval_scale(by_scope["negcon"] + by_scope["poscon"])
        scales = dict.fromkeys(SCOPES, of_class)
        scales["difference"] = interval_scale(by_scope["difference"])
        names = [row.perturbation for row in by_scope["poscon"] + by_scope["difference"]]
        for name in dict.fromkeys(names) or ([""] if rows else []):
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
    counts = [
        count(row.n_wells, "well"),
        count(row.n_sites, "image"),
        count(row.n_objects, "object"),
        row.review_words,
    ]
    name = row.perturbation
    if row.scope == "difference":
        name = f"{name or 'positive'} − negative"
    return Cell(row, name or "no wells", " · ".join(counts), _notes(row), interval_plot(row, scale))


def _notes(row: ShownRow) -> tuple[str, ...]:
    """Say beside an estimate what else is known: shares of images, other readings of the same."""
    notes = []
    if row.question == THRESHOLD and math.isfinite(row.fraction_low + row.fraction_high):
        low, high = (f"{100 * share:.0f} %" for share in (row.fraction_low, row.fraction_high))
        notes.append(f"too low in {low}, too high in {high} of images")
    readings = [("at equal local density", row.matched)]
    if row.basis == "review":
        readings.append(("by the evidence alone", row.evidence))
        readings.append(("these wells alone", row.these_wells))
    for label, reading in readings:
        if words := row.reading_words(reading):
            notes.append(f"{label} {words}")
    return tuple(notes)
