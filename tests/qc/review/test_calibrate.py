"""A lab's own calibration: what it learns, what it claims, and which plates it does not know."""

import numpy as np
import pandas as pd
import pytest
from qc_plates import readings_of, review_said, wells_of

from levelfield.qc.columns import FIELD, NUMBER
from levelfield.qc.review.calibrate import Pair, fit_constants, pairs_of, with_unlike
from levelfield.qc.review.lab import (
    UNLIKE,
    LabCalibration,
    appearance_of,
    load_calibrations,
    save_calibrations,
)
from levelfield.qc.statistics.decision import Bound, decide
from levelfield.qc.statistics.estimates import Estimate
from levelfield.qc.verdict.rules import UNCALIBRATED

OF_REVIEW = {"negcon": 0.012**2, "poscon": 0.012**2, "difference": 0.017**2}
OF_WELLS = 0.02**2 / 8


def plate_of(random, name, slope=0.8, floor=0.03):
    """Rows of one plate: what the evidence reads, and what people say; and the truth."""
    base = random.uniform(0.02, 0.12)
    true = {"negcon": base, "poscon": max(base + random.normal(0, 0.03), 0.0)}
    error = random.normal(0, 0.012)
    read = {
        key: (own + error + random.normal(0, 0.007)) / slope + floor for key, own in true.items()
    }
    for both in (true, read):
        both["difference"] = both["poscon"] - both["negcon"]
    pairs = [
        Pair(name, "merges", scope, "drug", read[scope], true[scope] + noise, variance, 0.0004)
        for scope, variance in OF_REVIEW.items()
        for noise in [random.normal(0, np.sqrt(variance))]
    ]
    return pairs, true


def test_six_reviewed_plates_calibrate_thirty_others():
    random = np.random.default_rng(3)
    covered, answered, slopes = [], [], []
    for _ in range(12):
        known = [pair for i in range(6) for pair in plate_of(random, f"P{i}")[0]]
        constants, checked = fit_constants(known)
        made = constants["merges"]
        slopes.append(made.slope)
        assert len(checked) == 18 and np.mean([line.covered for line in checked]) > 0.7
        for i in range(30):
            pairs, true = plate_of(random, f"Q{i}")
            for pair in pairs:
                wells = OF_WELLS * (2 if pair.scope == "difference" else 1)
                found = made.correct(Estimate(pair.read, wells, 14.0, 16), pair.scope)
                low, high = found.interval(0.9)
                covered.append(low <= true[pair.scope] <= high)
                bound = Bound(0.10) if pair.scope == "difference" else Bound(0.15, "rate")
                answered.append(decide(found, bound) != "undecided")
    assert np.mean(covered) >= 0.88
    assert np.mean(answered) >= 0.6
    assert np.mean(slopes) == pytest.approx(0.8, abs=0.1)


def test_fewer_than_six_plates_are_refused():
    random = np.random.default_rng(1)
    few = [pair for i in range(5) for pair in plate_of(random, f"P{i}")[0]]
    with pytest.raises(ValueError, match="5 plates have a review that is finished"):
        fit_constants(few)


def test_rows_whose_review_decides_are_learned_from_and_no_others():
    readings = readings_of(wells_of("A") | wells_of("B"))
    said = [review_said(one.key) for one in readings if one.adjustment == "raw"]
    pairs = pairs_of("P1", "Nuclei", readings, said)
    assert {pair.measure for pair in pairs} == {one.measure for one in readings} - {"bias"}
    assert {pair.scope for pair in pairs} == {"negcon", "poscon", "difference"}
    open_ = [review_said(one.key, state="partial") for one in readings if one.adjustment == "raw"]
    assert pairs_of("P1", "Nuclei", readings, open_) == []


def seen(random, plate, sharpness=4.0):
    """Scored objects of six images of a plate."""
    table = pd.DataFrame(
        {
            **dict(zip(FIELD, [plate, "A01", np.repeat(range(6), 20), "Nuclei"], strict=True)),
            NUMBER: np.tile(np.arange(20) + 1, 6),
            "area_px": random.normal(300, 20, 120),
            "edge_sharpness": sharpness * random.normal(1, 0.05, 120),
        }
    )
    rest = (
        *("local_density", "background_correlation", "background_fineness", "grain", "solidity"),
        *("contrast_to_noise", "texture", "ellipse_fit", "roundness", "contact"),
        *("jury_agreement", "jury_lowest"),
    )
    return table.assign(**{name: 0.5 + random.normal(0, 0.05, 120) for name in rest})


def test_a_plate_unlike_those_of_the_calibration_is_said_to_be_and_judged_by_a_larger_error():
    random = np.random.default_rng(2)
    appearance = appearance_of([seen(random, f"P{i}") for i in range(6)])
    own = LabCalibration("Nuclei", "threshold", "0" * 16, {}, appearance)
    assert (own.unlike(seen(random, "Q")) == "").all()
    blurred = own.unlike(seen(random, "Q", sharpness=1.0))
    assert blurred.str.startswith(f"{UNLIKE}: sharpness").all()
    known = [pair for i in range(6) for pair in plate_of(random, f"P{i}")[0]]
    wide = with_unlike(fit_constants(known)[0], UNCALIBRATED)["merges"].error_class
    assert wide.of_doubts["outside"] == UNCALIBRATED["merges"].error_class.constant


def test_the_file_is_plain_and_comes_back_as_it_was(tmp_path):
    random = np.random.default_rng(4)
    known = [pair for i in range(7) for pair in plate_of(random, f"P{i}")[0]]
    constants, checked = fit_constants(known)
    own = LabCalibration(
        "Nuclei",
        "threshold",
        "0" * 16,
        constants,
        {"grain": (0.1, 0.2)},
        {"plates": [{"plate": "P0"}]},
        tuple(checked),
    )
    path = tmp_path / "calibration.yaml"
    path.write_text(save_calibrations([own]))
    assert load_calibrations(path) == {"Nuclei": own}
    assert "checked_on_plates_left_out" in path.read_text()
    path.write_text("nothing: here")
    with pytest.raises(ValueError, match="is no calibration as levelfield calibrate writes it"):
        load_calibrations(path)
    with pytest.raises(ValueError, match="there is no file"):
        load_calibrations(tmp_path / "none.yaml")
