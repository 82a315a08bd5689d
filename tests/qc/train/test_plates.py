"""Plates whose truth is known: how classes are drawn, and what the product says of them."""

import itertools

import numpy as np
import pandas as pd
import pytest
from qc_plates import constants
from qc_simulated import control_class, fields_of_group, images, plate

from levelfield.qc.train.drawing import all_plates
from levelfield.qc.train.judge import judge_plates
from levelfield.qc.train.plates import (
    COLUMNS,
    DIFFERING,
    N_WELLS,
    WELL_IMAGES,
    ControlClass,
    appearance_shift,
    out_of_distribution,
    read_rows,
    with_measures,
)
from levelfield.questions import MEASURES

SETTINGS = {
    ("default", "none"): {},
    ("split", "none"): {"splits": 0.3},
    ("default", "drops 0.4"): {"missed": 0.4},
}
SEEDS = 8
WELL = {"splits": 0.01, "merges": 0.01, "missed": 0.01, "invented": 0.005}


CONSTANTS = {
    (1, ""): {
        (name, "nuclei", "classical"): constants(
            *((0.15, 0.1) if name == "bias" else (0.015, 0.015))
        )
        for name in MEASURES
    }
}


def judged(negative, positive):
    """Judge plates of the same rates, and different images."""
    seeds = range(SEEDS)
    return judge_plates([plate(negative, positive, seed=seed) for seed in seeds], CONSTANTS)


def said(found, question, column="verdict"):
    return found.answers.loc[found.answers["question"] == question, column].tolist()


@pytest.fixture(scope="module")
def fields():
    rng = np.random.default_rng(0)
    plain = fields_of_group(rng, "256x256_1", SETTINGS)
    beside = plain[plain["planted"] == "none"].assign(beside="dim")
    changed = fields_of_group(
        rng, "256x256_1", {("default", "none"): {}}, phenotype="dim", appearance=0.5
    )
    parts = [plain, beside, changed[changed["half"] == 1]]
    return with_measures(pd.concat(parts, ignore_index=True))


def test_all_kinds_of_plates_come_of_the_fields(fields):
    plates = all_plates(fields, draws=2)
    found = {one.differing for one in plates}
    assert found == set(DIFFERING) - {"degraded"}
    assert {one.family for one in plates if one.what == "dim"} == {"brightness"}
    assert all(one.fold == 1 for one in plates)


def test_the_classes_of_a_plate_have_no_image_in_common(fields):
    numbered = fields.assign(true_of_bias=fields["image"].str[1:].astype(float))
    for one in all_plates(numbered, draws=4):
        own, other = (set(each.column("true_of_bias")) for each in (one.negative, one.positive))
        if one.differing == "phenotype, same images":
            assert own == other
        else:
            assert not own & other


def test_the_true_difference_of_a_plate_is_that_of_its_classes(fields):
    for one in all_plates(fields, draws=1):
        rows = {(row.measure, row.scope): row for row in read_rows(one)}
        assert len(rows) == 3 * len(MEASURES)
        for name in MEASURES:
            parts = [rows[name, scope].truth for scope in ("poscon", "negcon", "difference")]
            assert parts[0] - parts[1] == pytest.approx(parts[2])
    drops = next(one for one in all_plates(fields, 1) if one.differing == "planted" and one.what)
    planted = [p for p in all_plates(fields, 1) if p.what == "drops 0.4"]
    assert drops.what == "drops 0.4" or planted
    assert planted[0].positive.truth("missed") == pytest.approx(0.28, abs=0.05)
    assert planted[0].negative.truth("missed") < 0.06
    both = next(one for one in planted if one.differing == "planted in both")
    assert min(both.negative.truth("missed"), both.positive.truth("missed")) > 0.2


def test_true_and_read_measures_are_those_of_the_counts():
    table = images(np.random.default_rng(0), 1, n=100).assign(
        splits=4.0, merges=3.0, lacking=4.0, balance=0.0, missed=11.0, invented=1.0, right=85.0
    )
    row = with_measures(table).iloc[0]
    assert row["read_missed"] / row["of_missed"] == pytest.approx(11 / (100 - 4 - 1 + 4 + 11))
    assert row["read_agreement"] / row["of_agreement"] == pytest.approx(85 / 111)
    assert row["true_bias"] == pytest.approx(table["true_outline_px"].iloc[0] + 0.2)
    empty = with_measures(images(np.random.default_rng(0), 1, n=0).assign(bias=np.nan)).iloc[0]
    assert empty["of_bias"] == empty["read_bias"] == empty["of_splits"] == 0


def test_every_image_of_a_class_is_a_well_unless_wells_are_drawn():
    one = plate({}, {})._replace(positive=control_class(np.random.default_rng(0), number=3))
    wells = {(row.measure, row.scope): row.estimate.n_wells for row in read_rows(one)}
    assert wells["splits", "negcon"] == 16 and wells["splits", "poscon"] == 3
    for row in read_rows(one):
        if row.scope == "poscon":
            top, bottom = (one.positive.column(f"{part}_{row.measure}") for part in ("read", "of"))
            assert row.estimate.value == pytest.approx(top.sum() / bottom.sum())
    drawn = one.positive.wells(np.random.default_rng(1))
    assert drawn.shape == (N_WELLS, len(COLUMNS))
    assert (drawn[:, COLUMNS["of_splits"]] == WELL_IMAGES * 60).all()
    rows = list(read_rows(one, np.random.default_rng(1)))
    assert {row.estimate.n_wells for row in rows} == {N_WELLS, 2 * N_WELLS}


def test_what_few_images_leave_open_can_be_added_to_the_variance():
    one = plate({}, {})._replace(positive=misread_class())
    assert one.positive.noise("splits") > 0
    plain = {(row.measure, row.scope): row for row in read_rows(one)}
    for row in read_rows(one, few_images=True):
        before = plain[row.measure, row.scope]
        assert row.estimate.value == before.estimate.value
        assert row.estimate.variance == pytest.approx(before.estimate.variance + before.noise)


def misread_class():
    """Four images whose splits are read too high or too low by a tenth of the objects."""
    one = control_class(np.random.default_rng(0), number=4)
    one.images[:, COLUMNS["read_splits"]] += [6, -6, 6, -6]
    return one


def test_the_noise_of_a_row_is_the_scatter_of_truth_minus_reading():
    one = control_class(np.random.default_rng(0), number=4)
    assert one.noise("splits") == pytest.approx(0, abs=1e-12)  # the reading is the truth
    noisy = misread_class()
    assert noisy.noise("splits") == pytest.approx(0.1**2 / 3)
    more = ControlClass(np.tile(noisy.images, (4, 1)))
    assert more.noise("splits") == pytest.approx(0.1**2 / 15)
    mixed = plate({}, {})._replace(positive=noisy)
    rows = {(row.measure, row.scope): row for row in read_rows(mixed)}
    assert rows["splits", "difference"].noise == pytest.approx(0.1**2 / 3)


def test_doubts_are_what_differs_between_the_classes():
    same, other = plate({}, {}), plate({}, {"appearance": 0.3})
    assert max(appearance_shift(same).values()) < 0.1
    shift = appearance_shift(other)
    assert shift["sharpness"] == pytest.approx(0.3, abs=0.05)
    assert shift["size"] == pytest.approx(0.6, abs=0.1)  # of areas, that is twice of diameters
    images_outside = other.positive.images.copy()
    images_outside[:4, COLUMNS["outside"]] = 1
    half = other._replace(positive=other.positive._replace(images=images_outside))
    assert [out_of_distribution(half, scope) for scope in ("negcon", "poscon", "difference")] == [
        0,
        0.25,
        0.25,
    ]
    doubts = {(row.measure, row.scope): row.doubts for row in read_rows(half)}
    assert doubts["splits", "negcon"].sharpness == 0 < doubts["splits", "poscon"].sharpness


def test_where_nothing_is_wrong_nearly_all_passes():
    found = judged(WELL, WELL)
    assert np.mean(found.answers["verdict"] == "pass") > 0.8
    assert not (found.answers["verdict"] == "fail").any()
    assert found.rows["covered"].mean() > 0.85
    assert len(found.rows) == SEEDS * 21 and len(found.answers) == SEEDS * 4


def test_objects_lost_in_both_classes_alike_fail_by_name():
    lost = WELL | {"missed": 0.18}
    found = judged(lost, lost)
    assert set(said(found, "found")) == {"fail"} and all(said(found, "found", "shared"))
    assert set(said(found, "found", "worst")) == {"missed"}
    assert "fail" not in said(found, "found", "both")


def test_splits_and_merges_that_cancel_in_the_balance_fail():
    wrong = WELL | {"splits": 0.25, "merges": 0.25}
    found = judged(WELL, wrong)
    assert set(said(found, "split_merge")) == {"fail"}
    assert all(said(found, "split_merge", "cancelling"))
    balance = found.rows[(found.rows["measure"] == "balance")]
    assert not (balance["verdict"] == "fail").any()


def test_a_higher_dose_of_errors_never_fails_less():
    doses = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)
    failed = {
        (name, dose): np.mean(
            [
                verdict == "fail"
                for verdict in said(
                    judged(WELL, WELL | {name: dose}),
                    "found" if name == "missed" else "split_merge",
                )
            ]
        )
        for name, dose in itertools.product(("merges", "missed"), doses)
    }
    for name in ("merges", "missed"):
        shares = [failed[name, dose] for dose in doses]
        assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
