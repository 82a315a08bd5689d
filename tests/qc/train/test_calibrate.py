"""Constants are recovered from simulated rows, and intervals hold what was left out."""

import numpy as np
import pandas as pd
import pytest

from levelfield.qc.statistics.errors import DOUBTS, Doubts
from levelfield.qc.statistics.estimates import PASS_LEVEL, Estimate
from levelfield.qc.train import calibrate as calibration
from levelfield.qc.train.calibrate import calibrate
from levelfield.qc.train.images import FOLDS
from levelfield.qc.train.phenotypes import FAMILY_OF, PHENOTYPES
from levelfield.questions import MEASURES

SLOPE, FLOOR = 1.2, 0.03
SIGMA, PER_CONTRAST = 0.012, 0.08
ALIKE = ("nothing", "segmentation", "density", "planted", "planted in both")


def simulated_rows(rng, per_group=8, measure="splits"):
    """Rows as `whole_rows` makes them: errors grow with contrast shift on phenotypes."""
    rows = []
    for group, fold in FOLDS.items():
        kinds = [(differing, "") for differing in ALIKE for _ in range(per_group)]
        kinds += [("phenotype", name) for name in PHENOTYPES]
        kinds += [("degraded", "blur 0.15")] * 4
        for differing, what in kinds:
            for scope in ("negcon", "poscon", "difference"):
                rows.append(one_row(rng, measure, scope, differing, what))
                rows[-1] |= {"group": group, "fold": fold, "kind": "classical"}
    return pd.DataFrame(rows)


def one_row(rng, measure, scope, differing, what):
    is_difference = scope == "difference"
    doubts = dict.fromkeys(DOUBTS, 0.0)
    if what and scope != "negcon":
        doubts["contrast"] = rng.uniform(0, 1)
        doubts["sharpness"] = rng.uniform(0, 1)
    truth = rng.normal(0, 0.15) if is_difference else abs(rng.normal(0, 0.15))
    if differing == "nothing" and is_difference:
        truth = rng.normal(0, 0.01)
    error = rng.normal() * np.hypot(SIGMA, PER_CONTRAST * doubts["contrast"])
    read = (truth + error) / SLOPE if is_difference else FLOOR + (truth + error) / SLOPE
    if MEASURES[measure].is_share_of_right and not is_difference:
        read, truth = 1 - read, 1 - truth
    head = {"measure": measure, "scope": scope, "differing": differing, "what": what, "noise": 0.0}
    return head | {"family": FAMILY_OF.get(what, ""), "read": read, "truth": truth} | doubts


@pytest.fixture(autouse=True)
def one_measure(monkeypatch):
    monkeypatch.setattr(calibration, "KINDS", ("classical",))
    monkeypatch.setattr(calibration, "CALIBRATED", ("splits",))


@pytest.fixture(scope="module")
def rows():
    return simulated_rows(np.random.default_rng(0))


@pytest.fixture(scope="module")
def constants(rows):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "KINDS", ("classical",))
        patch.setattr(calibration, "CALIBRATED", ("splits",))
        return calibrate(rows)["splits", "nuclei", "classical"]


def test_slopes_and_floor_are_recovered(constants):
    assert constants.calibrated and constants.floor == pytest.approx(FLOOR, abs=0.006)
    assert constants.slope == pytest.approx(SLOPE, abs=0.06)
    assert constants.degrees_of_freedom == len(FOLDS) - 1
    assert constants.between_wells == pytest.approx(0.01 / np.sqrt(2), rel=0.3)


def test_the_error_is_recovered_and_widened_rather_than_narrowed(constants):
    for model in (constants.error_class, constants.error_difference):
        assert SIGMA * 0.8 < model.constant < SIGMA * 2
        assert 0 <= model.of_value < 0.5


def test_what_errors_grow_with_is_learned_and_what_they_do_not_is_not(constants):
    of_doubts = constants.error_difference.of_doubts
    assert of_doubts["contrast"] == pytest.approx(PER_CONTRAST, rel=0.5)
    assert of_doubts.get("sharpness", 0.0) < 0.5 * PER_CONTRAST
    assert of_doubts.get("size", 0.0) == 0.0


def test_intervals_hold_the_truth_of_folds_and_families_that_were_left_out(rows):
    for left_out in ({"fold": 1}, {"family": "brightness"}):
        found = calibrate(rows, **left_out)["splits", "nuclei", "classical"]
        ((column, value),) = left_out.items()
        assert 0.87 <= covered(rows[rows[column] == value], found) <= 0.99


def covered(rows, constants):
    hits = []
    for row in rows.to_dict("records"):
        found = constants.correct(
            Estimate(row["read"], 0.0, float("inf"), 8),
            row["scope"],
            doubts=Doubts(**{name: row[name] for name in DOUBTS}),
        )
        low, high = found.interval(PASS_LEVEL)
        hits.append(low <= row["truth"] <= high)
    return np.mean(hits)


def test_what_is_left_out_changes_nothing(rows):
    wrong = rows.copy()
    wrong.loc[wrong["fold"] == 2, "read"] = 5.0
    wrong.loc[wrong["family"] == "focus", "read"] = -5.0
    one, other = (
        calibrate(each, fold=2, family="focus")["splits", "nuclei", "classical"]
        for each in (rows, wrong)
    )
    assert one == other


def test_a_share_of_right_objects_has_its_floor_where_nothing_is_wrong(monkeypatch):
    monkeypatch.setattr(calibration, "CALIBRATED", ("agreement",))
    rows = simulated_rows(np.random.default_rng(1), per_group=4, measure="agreement")
    found = calibrate(rows)["agreement", "nuclei", "classical"]
    assert found.of_right
    # Faultless labels read 1 - FLOOR, and mean 100 %.
    assert found.value(1 - FLOOR, "negcon") == pytest.approx(1, abs=0.01)
    assert found.value(1 - FLOOR - 0.2 / SLOPE, "negcon") == pytest.approx(0.8, abs=0.02)


def test_missed_objects_that_leave_no_candidate_are_added_to_a_class(monkeypatch):
    monkeypatch.setattr(calibration, "CALIBRATED", ("missed",))
    rows, unseen = simulated_rows(np.random.default_rng(1), per_group=4, measure="missed"), 0.04
    of_class = rows["scope"] != "difference"
    seen = rows["read"] - FLOOR - unseen / SLOPE
    rows["read"] = rows["read"].where(~of_class, seen)
    found = calibrate(rows)["missed", "nuclei", "classical"]
    assert found.slope == pytest.approx(SLOPE, abs=0.06)
    assert found.value(0.0, "negcon") == pytest.approx(unseen, abs=0.015)


def test_the_threshold_has_neither_slope_nor_floor(monkeypatch):
    monkeypatch.setattr(calibration, "CALIBRATED", ("bias",))
    rows = simulated_rows(np.random.default_rng(1), per_group=3, measure="bias")
    found = calibrate(rows)["bias", "nuclei", "classical"]
    assert (found.floor, found.slope) == (0.0, 1.0)
    assert found.error_class.constant >= 0.02
