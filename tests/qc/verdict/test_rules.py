"""Margins and constants of calibration."""

import pytest
from qc_plates import SET, constants, readings_of, row_of, rows_of, wells_of

from levelfield.qc.verdict.rules import UNCALIBRATED, Margins, Rules
from levelfield.questions import MEASURES


def test_constants_go_by_measure_kind_of_object_and_segmenter():
    special = constants(0.0, 0.0, slope=2.0, floor=0.5)
    rules = Rules(
        calibrations={("bias", "nuclei", "network"): special},
        kinds={SET: ("nuclei", "network"), "Cells": ("cells", "network")},
    )
    assert rules.constants_of("bias", SET) is special
    assert rules.constants_of("bias", "Cells") == UNCALIBRATED["bias"]
    assert rules.constants_of("merges", SET) == UNCALIBRATED["merges"]
    wells = wells_of("A", bias=0.2) | wells_of("B", bias=0.6)
    read = {one.scope: one.value for one in readings_of(wells) if one.measure == "bias"}
    rows = rows_of(wells, rules)
    plain = next(
        one
        for one in readings_of(wells)
        if one.key[1:3] == ("bias", "difference") and one.adjustment == "raw"
    )
    assert row_of(rows, "bias", "difference").estimate.value == pytest.approx(2 * plain.value)
    without_floor = read["poscon"] - 0.5
    assert row_of(rows, "bias", "poscon").estimate.value == pytest.approx(2 * without_floor)


def test_uncalibrated_constants_are_there_for_every_measure_and_marked_so():
    assert set(UNCALIBRATED) == set(MEASURES)
    assert not any(one.calibrated for one in UNCALIBRATED.values())


def test_margins_are_fractions_or_px_of_class_and_difference():
    margins = Margins()
    assert margins.of("agreement", "negcon") == 0.9
    assert margins.of("missed", "poscon") == 0.05 == margins.of("invented", "difference")
    assert margins.of("bias", "negcon") == 1.0 and margins.of("bias", "difference") == 0.5
    assert margins.of("splits", "negcon") == 0.15 and margins.of("splits", "difference") == 0.1


@pytest.mark.parametrize(
    ("margin", "words"),
    [
        ({"split_merge": 10}, r"split_merge is 10: it has two values.*class: 15, difference: 10"),
        ({"threshold": {"class": 1.0}}, r"threshold.difference is missing"),
        ({"threshold": {"class": 1.0, "difference": 0.5, "x": 1}}, r"threshold.x is not known"),
        ({"agreement": {"class": 120, "difference": 10}}, r"agreement.class is 120; .* below 100"),
        ({"found": {"class": 95, "difference": 0}}, r"found.difference is 0; .* above 0"),
    ],
)
def test_impossible_margins_are_refused_with_what_to_write(margin, words):
    with pytest.raises(ValueError, match=words):
        Margins(margin)
