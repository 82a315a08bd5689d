"""Answers, and the verdict's records on disk."""

import pandas as pd
from qc_plates import CALIBRATED, SET, readings_of, rows_of, wells_of

from levelfield.qc.statistics.readings import Reading
from levelfield.qc.statistics.records import from_table, to_table
from levelfield.qc.verdict.answer import answers_of, worst_of
from levelfield.qc.verdict.cases import plate_cases
from levelfield.qc.verdict.rule import judge
from levelfield.qc.verdict.tables import AnswerLine, VerdictLine, answer_lines, verdict_lines
from levelfield.questions import QUESTIONS


def test_the_worst_row_is_the_worst_verdict_then_the_furthest_beyond_its_margin():
    rows = rows_of(wells_of("A") | wells_of("B", merge=0.3, split=0.6))
    own = [row for row in rows if row.question == "split_merge"]
    assert worst_of(own).measure_name == "splits" and worst_of(own).scope == "difference"


def test_tables_hold_the_same_records_after_a_csv(tmp_path):
    readings = readings_of(wells_of("A") | wells_of("B", merge=0.3))
    rows = judge(plate_cases(readings, [], CALIBRATED), CALIBRATED)
    answers = answers_of(rows)
    for kind, records in (
        (Reading, readings),
        (VerdictLine, verdict_lines(rows, ["words, with a comma"] * len(rows))),
        (AnswerLine, answer_lines(answers, [""] * len(answers), {SET: (12, 3)})),
    ):
        path = tmp_path / f"{kind.__name__}.csv"
        to_table(records, kind).to_csv(path, index=False)
        again = from_table(pd.read_csv(path, float_precision="round_trip"), kind)
        assert [repr(one) for one in again] == [repr(one) for one in records]
    lines = verdict_lines(rows, [""] * len(rows))
    assert sum(one.is_worst for one in lines) == len(QUESTIONS)
