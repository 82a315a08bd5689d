"""The verdict as plain text, for a terminal: the words and numbers of the page."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from levelfield.config.planted import note_of_verdict
from levelfield.qc.wording.headlines import name_of_answer, plate_headline
from levelfield.qc.wording.numbers import NOTHING
from levelfield.qc.wording.questions import MEASURE_TITLES, answer_words
from levelfield.questions import QUESTIONS, SCOPES
from levelfield.report.records import ShownAnswer, ShownRow, grouped, read_answers

WIDTH = 92
_ROW_WIDTHS = (32, 12, 20, 10)
_ANSWER_WIDTHS = (24, 17, 17, 17)
_SCOPES = {"negcon": "negative", "poscon": "positive", "difference": "difference"}


def verdict_text(answers: pd.DataFrame, verdict: pd.DataFrame, facts: pd.DataFrame) -> str:
    """Write the verdict of one or more plates: headline, answers, their rows, and the advice.

    Tables are those of the plates, stacked: ``qc/answers.csv``, ``qc/verdict.csv`` and, as `facts`,
    ``plate.csv``. Lines are at most `WIDTH` characters.
    """
    found = read_answers(answers, verdict)
    by_plate = {str(row["Metadata_Plate"]): row for row in facts.to_dict("records")}
    lines: list[str] = []
    for plate in dict.fromkeys(verdict["plate"].astype(str)):
        own = [answer for answer in found if answer.plate == plate]
        planted = note_of_verdict(verdict[verdict["plate"].astype(str) == plate])
        lines += _plate(plate, own, by_plate[plate], planted)
    return "\n".join(lines) + "\n"


def _plate(
    plate: str, answers: Sequence[ShownAnswer], facts: Mapping[Any, Any], planted: str
) -> list[str]:
    lines = [f"Plate {plate}: is the segmentation good enough, in both control classes?", ""]
    if planted:
        lines += [*_wrapped(planted), ""]
    lines += [*_wrapped(plate_headline(answers, facts)), ""]
    lines += [_columns(_ANSWER_WIDTHS, "", "answer", "negative", "positive", "both"), "-" * WIDTH]
    for object_set, own in grouped(answers, lambda answer: answer.object_set).items():
        lines += [object_set, *map(_answer_line, own)]
    for answer in answers:
        lines += ["", *_details(answer)]
    return [*lines, ""]


def _answer_line(answer: ShownAnswer) -> str:
    """Write one answer, and that of each class: none without saying that nobody looked."""
    said = [answer_words(answer.verdict, answer.unreviewed)]
    for scope in SCOPES:
        said.append(answer_words(answer.verdict_of(scope), answer.unreviewed_in(scope)))
    return _columns(_ANSWER_WIDTHS, f"  {QUESTIONS[answer.question].title.lower()}", *said)


def _details(answer: ShownAnswer) -> list[str]:
    """Write an answer's headline, its rows, and for what does not pass the advice."""
    lines = _wrapped(f"{name_of_answer(answer)}: {answer.headline}")
    head = ("estimate", "90 % interval", "harmless", "verdict")
    lines.append(_row_columns("", *head))
    by_measure = grouped(answer.rows, lambda row: row.measure_name)
    for measure, rows in by_measure.items():
        lines += [f"  {MEASURE_TITLES[measure]}"] if len(by_measure) > 1 else []
        lines += map(_row, rows)
    if answer.verdict != "pass":
        lines += _wrapped(answer.worst.advice)
    return lines


def _row(row: ShownRow) -> str:
    before = {"share": "≥ ", "signed": "±", "rate": "≤ "}[row.measure.kind(row.scope)]
    return _row_columns(
        f"    {_SCOPES[row.scope]:<11}{row.perturbation}",
        row.value_words,
        row.interval_words or NOTHING,
        f"{before}{row.margin:g} {row.unit}",
        answer_words(row.verdict, row.unreviewed),
    )


def _columns(widths: Sequence[int], *cells: str) -> str:
    parts = [
        f"{_cut(cell, width - 1):<{width}}" for cell, width in zip(cells, widths, strict=False)
    ]
    return "".join([*parts, cells[-1]]).rstrip()


def _row_columns(*cells: str) -> str:
    """Write a row with its numbers to the right, as people compare them."""
    name, *numbers, verdict = cells
    parts = [f"{_cut(name, _ROW_WIDTHS[0]):<{_ROW_WIDTHS[0]}}"]
    parts += [f"{cell:>{width}}" for cell, width in zip(numbers, _ROW_WIDTHS[1:], strict=True)]
    return f"{''.join(parts)}  {verdict}".rstrip()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH)
