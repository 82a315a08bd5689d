"""Headlines: the answer to a question in one or two sentences, and that of the whole plate."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from levelfield.qc.verdict.rows import Answer
from levelfield.qc.verdict.tables import AnswerLine
from levelfield.qc.wording.advice import WITHHELD
from levelfield.qc.wording.numbers import measured, sentence
from levelfield.qc.wording.questions import answer_words, name_of_row
from levelfield.qc.wording.standing import margin_words
from levelfield.qc.wording.steps import next_words
from levelfield.questions import QUESTIONS, SPLIT_MERGE

SHARED, MERGED_ALIKE, SPLIT_ALIKE = (
    f"Both classes are {how} alike: counts are wrong, contrasts may still hold."
    for how in ("off", "merged", "split")
)
MOST_ROWS_NAMED = 2
"""In the headline of a plate; with more it names the answers alone."""
CANCELLING = "Splits and merges cancel in the balance, not in the objects."


def answer_headline(answer: Answer) -> str:
    """Say the answer to one question, the row that decides it, and what to do next.

    "Fail, unreviewed. Worst: merge rate in the positive control Drug A, 22.0 pp (harmless: up to
    15 pp). Both classes are merged alike: counts are wrong, contrasts may still hold."
    """
    worst = answer.worst
    if worst.reason == "excluded_sites":
        return WITHHELD
    sentences = [
        sentence(answer_words(answer.verdict, answer.unreviewed)),
        _worst(answer),
        _shared_words(answer),
        CANCELLING if answer.cancelling else "",
        next_words(answer) if answer.verdict == "undecided" else "",
    ]
    return " ".join(filter(None, sentences))


def _worst(answer: Answer) -> str:
    worst = answer.worst
    name = name_of_row(worst.measure_name, worst.scope, worst.perturbation)
    head = {"fail": "Worst", "pass": "Nearest to its margin", "undecided": "Most open"}
    value = measured(worst.estimate.value * worst.measure.scale, worst.unit, signed=worst.signed)
    if not np.isfinite(worst.estimate.value):
        value = "not measured"
    elif worst.at_floor:
        value = "at the floor"
    return f"{head[answer.verdict]}: {name}, {value} (harmless: {margin_words(worst)})."


def _shared_words(answer: Answer) -> str:
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


def plate_headline(answers: Sequence[AnswerLine], facts: Mapping[str, Any]) -> str:
    """Say in a sentence or two how a plate, or a screen, stands.

    ``within_limit`` of the facts (``plate.csv``) says whether few enough images were left out.
    """
    if not facts["within_limit"]:
        return WITHHELD
    if not answers:
        return "No verdict. No object set was judged."
    failed = [answer for answer in answers if answer.verdict == "fail"]
    if failed:
        return (
            f"No. {len(failed)} of {len(answers)} answers fail{'s' * (len(failed) == 1)}"
            f"{', unreviewed' * all(answer.unreviewed for answer in failed)}: {_names(failed)}."
        )
    n_open = sum(answer.verdict == "undecided" for answer in answers)
    if n_open:
        how_many = f"{n_open} of {len(answers)} answers {'is' if n_open == 1 else 'are'}"
        return f"Not decided yet. Nothing fails, and {how_many} undecided."
    if any(answer.unreviewed for answer in answers):
        return (
            "Yes by the evidence alone: every question passes for both control classes, "
            "unreviewed. Nobody has looked at objects yet."
        )
    return "Yes. Every question passes for both control classes, reviewed."


def _names(failed: Sequence[AnswerLine]) -> str:
    """Name every failed answer, and if there are few the row that decides it."""
    names = []
    for answer in failed:
        row = name_of_row(answer.worst_measure, answer.worst_scope, answer.worst_perturbation)
        is_named = len(failed) <= MOST_ROWS_NAMED
        names.append(name_of_answer(answer) + f" ({row})" * is_named)
    return "; ".join(names)


def name_of_answer(answer: AnswerLine) -> str:
    """Name an answer by its object set and question: "Nuclei, threshold"."""
    return f"{answer.object_set}, {QUESTIONS[answer.question].title.lower()}"


def screen_headline(answers: Sequence[AnswerLine], n_plates: int) -> str:
    """Say how a screen stands, by the answers to all plates together."""
    plates = f"{n_plates} plate{'s' * (n_plates != 1)} together"
    return f"{plates}. {plate_headline(answers, {'within_limit': True})}"
