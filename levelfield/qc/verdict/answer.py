"""The answers of a plate or screen: the worst row of every question."""

from collections.abc import Iterable, Sequence

import numpy as np

from levelfield.qc.statistics.decision import bound_of
from levelfield.qc.statistics.estimates import SEVERITY, worst_verdict
from levelfield.qc.verdict.rows import Answer, Judged, NextStep, Row
from levelfield.qc.verdict.steps import classes_shown, review_step
from levelfield.questions import QUESTIONS, SCOPES


def answers_of(rows: Sequence[Row]) -> list[Answer]:
    """Answer every question for every object set of a plate, in the order of `QUESTIONS`."""
    groups = rows_by_question(rows)
    sets, order = list(dict.fromkeys(name for name, _ in groups)), list(QUESTIONS)
    ordered = sorted(groups, key=lambda key: (sets.index(key[0]), order.index(key[1])))
    return [_answer(groups[key]) for key in ordered]


def rows_by_question(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    """Return the rows of every object set and question."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.object_set, row.question), []).append(row)
    return groups


def worst_of(rows: Iterable[Row]) -> Row:
    """Return the row that answers: the worst verdict, then the furthest beyond its margin.

    An undecided row whose estimate is missing leaves more open than any that is there.
    """
    return max(rows, key=lambda row: (SEVERITY.index(row.verdict), _size_of(row)))


def _size_of(row: Row) -> float:
    estimate = row.matched if row.by_matched and row.matched is not None else row.estimate
    return margins_off(row, estimate.value, row.margin)


def margins_off(row: Judged, value: float, margin: float) -> float:
    """Return the size of a row's error in margins; infinite where nothing was measured.

    Value and margin are in fractions of objects, or px.
    """
    if not np.isfinite(value):
        return float("inf")
    bound = bound_of(row.measure, row.scope, margin)
    return bound.error_of(value) / bound.limit


def _answer(rows: Sequence[Row]) -> Answer:
    worst = worst_of(rows)
    negative, positive, both = (
        worst_verdict(row.verdict for row in rows if row.scope == scope) for scope in SCOPES
    )
    return Answer(
        plate=worst.plate,
        object_set=worst.object_set,
        question=worst.question,
        verdict=worst.verdict,
        worst=worst,
        rows=tuple(rows),
        negative=negative,
        positive=positive,
        both=both,
        shared=_is_shared(rows),
        cancelling=_is_cancelling(rows),
        next_step=_next_step(worst, rows),
    )


def _next_step(worst: Row, rows: Sequence[Row]) -> NextStep:
    """Return the next step of the row that answers; a review is one of all rows of the question."""
    if worst.next_step.kind != "review":
        return worst.next_step
    steps = [row.next_step.amount for row in rows if row.next_step.kind == "review"]
    return review_step(steps, classes_shown(rows)[worst.object_set])


def _is_shared(rows: Sequence[Row]) -> bool:
    """Whether both classes fail in the same direction and no difference does."""
    failed = [row for row in rows if row.verdict == "fail"]
    if any(row.scope == "difference" for row in failed):
        return False
    directions: dict[str, set[tuple[str, bool]]] = {"negcon": set(), "poscon": set()}
    for row in failed:
        directions[row.scope].add((row.measure_name, bool(row.estimate.value > 0)))
    return bool(directions["negcon"] & directions["poscon"])


def _is_cancelling(rows: Sequence[Row]) -> bool:
    """Whether splits and merges of a class or difference fail, and their balance is harmless."""
    failed = {row.key for row in rows if row.verdict == "fail"}
    return any(
        {(row.object_set, name, row.scope, row.perturbation) for name in ("splits", "merges")}
        <= failed
        and abs(row.estimate.value) <= row.margin
        for row in rows
        if row.measure_name == "balance" and row.key not in failed
    )
