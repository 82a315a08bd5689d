"""The verdict's tables read back as records."""

import pandas as pd

from levelfield.qc.statistics.records import from_table
from levelfield.qc.verdict.tables import AnswerLine
from levelfield.report.shown import ShownAnswer, ShownRow


def read_rows(verdict: pd.DataFrame) -> list[ShownRow]:
    """Read ``qc/verdict.csv`` of one or several plates.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    return from_table(verdict, ShownRow, "qc/verdict.csv")


def read_answers(answers: pd.DataFrame, verdict: pd.DataFrame) -> list[ShownAnswer]:
    """Read ``qc/answers.csv`` with the rows of ``qc/verdict.csv`` that each answer rests on.

    Raises
    ------
    ValueError
        If a column is missing, or the row that decides an answer is not in the verdict.
    """
    lines = from_table(answers, AnswerLine, "qc/answers.csv")
    rows: dict[tuple[str, str, str], list[ShownRow]] = {}
    for row in read_rows(verdict):
        rows.setdefault((row.plate, row.object_set, row.question), []).append(row)
    return [
        _answer(line, rows.get((line.plate, line.object_set, line.question), [])) for line in lines
    ]


def class_margins(verdict: pd.DataFrame) -> dict[str, float]:
    """Return the margin of a class by measure, in its unit, from ``qc/verdict.csv``."""
    classes = verdict[verdict["scope"] != "difference"]
    margins = classes.groupby("measure", sort=True)["margin"].first()
    return {str(measure): float(margin) for measure, margin in margins.items()}


def _answer(line: AnswerLine, rows: list[ShownRow]) -> ShownAnswer:
    named = line.worst_measure, line.worst_scope, line.worst_perturbation
    worst = [row for row in rows if (row.measure_name, row.scope, row.perturbation) == named]
    if not worst:
        raise ValueError(
            f"The answer of {line.object_set} on {line.question} (plate {line.plate}) names the "
            f"row {', '.join(named)}, which qc/verdict.csv does not hold. Delete both tables and "
            "run the workflow again."
        )
    return ShownAnswer(**vars(line), worst=worst[0], rows=tuple(rows))
