"""Headlines: the answer to a question in one or two sentences, and that of the whole plate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from levelfield.qc.measures import SPLIT_MERGE
from levelfield.qc.verdict.rows import Answer, Row
from levelfield.qc.wording.advice import WITHHELD
from levelfield.qc.wording.numbers import measured, sentence
from levelfield.qc.wording.questions import QUESTIONS, answer_words, name_of_row
from levelfield.qc.wording.standing import margin_words
from levelfield.qc.wording.steps import next_step_words

SHARED = "Both classes are off alike: counts are wrong, contrasts may still hold."
MERGED_ALIKE = "Both classes are merged alike: counts are wrong, contrasts may still hold."
SPLIT_ALIKE = "Both classes are split alike: counts are wrong, contrasts may still hold."
MOST_ROWS_NAMED = 2
"""In the headline of a plate; with more it names the answers alone."""
CANCELLING = "Splits and merges cancel in the balance, not in the objects."


class NamedRow(Protocol):
    """What a headline needs of the row that decides."""

    measure_name: str
    scope: str
    perturbation: str


class Judged(Protocol):
    """What the headline of a plate needs of an answer, be it made or read from a table."""

    object_set: str
    question: str
    verdict: str
    unreviewed: bool
    worst: NamedRow


def answer_headline(answer: Answer) -> str:
    """Say the answer to one question, the row that decides it, and what to do next.

    "Fail, unreviewed. Worst: merge rate in the positive control Drug A, 22.0 pp (harmless: up to
    15 pp). Both classes are merged alike: counts are wrong, contrasts may still hold."
    """
    worst = answer.worst
    if worst.reason == "excluded_sites":
        return WITHHELD
    sentences = [sentence(answer_words(answer.verdict, answer.unreviewed)), _worst(answer)]
    sentences.append(shared_words(answer))
    if answer.cancelling:
        sentences.append(CANCELLING)
    if answer.verdict == "undecided":
        step = next_step_words(worst.next_step, worst.measure_name)
        sentences.append(f"Next: {step}." if step else "")
    return " ".join(one for one in sentences if one)


def _worst(answer: Answer) -> str:
    worst = answer.worst
    name = name_of_row(worst.measure_name, worst.scope, worst.perturbation)
    head = {"fail": "Worst", "pass": "Nearest to its margin", "undecided": "Most open"}
    return f"{head[answer.verdict]}: {name}, {_value(worst)} (harmless: {margin_words(worst)})."


def _value(row: Row) -> str:
    if not np.isfinite(row.estimate.value):
        return "not measured"
    if row.at_floor:
        return "at the floor"
    signed = row.measure.signed or row.scope == "difference"
    return measured(row.estimate.value * row.measure.scale, row.unit, signed=signed)


def shared_words(answer: Answer) -> str:
    """Say that both classes fail alike and in what; nothing where they do not."""
    if not answer.shared:
        return ""
    worst = answer.worst
    if answer.question != SPLIT_MERGE:
        return SHARED
    merged = worst.measure_name == "merges" or (
        worst.measure_name == "balance" and worst.estimate.value < 0
    )
    return MERGED_ALIKE if merged else SPLIT_ALIKE


def plate_headline(answers: Sequence[Judged], facts: Mapping) -> str:
    """Say in a sentence or two how a plate, or a screen, stands.

    Parameters
    ----------
    answers : sequence of Judged
        All answers of the plate.
    facts : mapping
        ``within_limit``: whether few enough images were left out (``plate.csv``).
    """
    if not facts["within_limit"]:
        return WITHHELD
    if not answers:
        return "No verdict. No object set was judged."
    failed = [one for one in answers if one.verdict == "fail"]
    open_ = [one for one in answers if one.verdict == "undecided"]
    unreviewed = any(one.unreviewed for one in answers)
    if failed:
        return (
            f"No. {_of(failed, answers)} fail{'s' * (len(failed) == 1)}"
            f"{', unreviewed' * all(one.unreviewed for one in failed)}: {_names(failed)}."
        )
    if open_:
        return f"Not decided yet. Nothing fails, and {_of(open_, answers)} {_are(open_)} undecided."
    if unreviewed:
        return (
            "Yes by the evidence alone: every question passes for both control classes, "
            "unreviewed. Nobody has looked at objects yet."
        )
    return "Yes. Every question passes for both control classes, reviewed."


def _of(some: Sequence[Judged], every: Sequence[Judged]) -> str:
    return f"{len(some)} of {len(every)} answers"


def _are(some: Sequence[Judged]) -> str:
    return "is" if len(some) == 1 else "are"


def _names(failed: Sequence[Judged]) -> str:
    """Name every failed answer, and if there are few the row that decides it."""
    if len(failed) > MOST_ROWS_NAMED:
        return "; ".join(
            f"{one.object_set}, {QUESTIONS[one.question].title.lower()}" for one in failed
        )
    return "; ".join(
        f"{one.object_set}, {QUESTIONS[one.question].title.lower()} ("
        f"{name_of_row(one.worst.measure_name, one.worst.scope, one.worst.perturbation)})"
        for one in failed
    )


def screen_headline(answers: Sequence[Judged], n_plates: int) -> str:
    """Say how a screen stands, by the answers to all plates together."""
    plates = f"{n_plates} plate{'s' * (n_plates != 1)} together"
    return f"{plates}. {plate_headline(answers, {'within_limit': True})}"
