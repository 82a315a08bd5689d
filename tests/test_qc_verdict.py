"""From scored objects to the verdict: classes, margins, honesty and words."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from qc_plates import PLATE, SET, all_within, invented_objects, layout

from levelfield.qc.statistics.comparison import (
    comparisons,
    density_matched_weights,
    plate_estimates,
)
from levelfield.qc.statistics.estimates import Estimate
from levelfield.qc.statistics.summary import flag_objects, site_table
from levelfield.qc.verdict.rules import UNCALIBRATED, Constants, Margins, Rules
from levelfield.qc.verdict.tables import VERDICT_COLUMNS, plate_verdict, screen_verdict

DESIGN_COLUMNS = [
    *("plate", "question", "object_set", "scope", "perturbation", "estimate", "unit"),
    *("ci_low", "ci_high", "margin", "n_wells", "n_sites", "n_objects", "n_reviewed"),
    *("verdict", "advice"),
]
CALIBRATED = {
    "split_merge": Constants(1.0, 0.02, 0.02, calibrated=True),
    "threshold": Constants(1.0, 0.1, 0.1, calibrated=True),
}


def wells_of(row, number=8, **planted):
    return {f"{row}{column:02d}": planted for column in range(1, number + 1)}


def estimates_of(wells, sheet=None, plate=PLATE, seed=0, object_sets=(SET,), within=True):
    sheet = layout() if sheet is None else sheet
    objects = flag_objects(invented_objects(wells, seed=seed))
    fields = objects[["Metadata_Plate", "Metadata_Well", "Metadata_Site"]].drop_duplicates()
    sites = site_table(objects, fields, sheet, object_sets, all_within(objects, within))
    return plate_estimates(plate, objects, sites, sheet, object_sets)


def verdict_of(wells, sheet=None, rules=None, **options):
    return plate_verdict(estimates_of(wells, sheet, **options), rules)


def row(table, question, scope, perturbation=None):
    found = table[(table["question"] == question) & (table["scope"] == scope)]
    if perturbation is not None:
        found = found[found["perturbation"] == perturbation]
    return found.iloc[0]


def test_columns_are_exactly_those_of_the_design():
    table = verdict_of(wells_of("A") | wells_of("B"))
    assert list(table.columns) == list(VERDICT_COLUMNS) == DESIGN_COLUMNS
    assert set(table["question"]) == {"agreement", "threshold", "split_merge"}
    assert (table["plate"] == PLATE).all() and (table["n_reviewed"] == 0).all()
    assert set(table["unit"]) == {"%", "pp", "px"}


def test_without_calibration_nothing_passes_however_equal_the_classes():
    table = verdict_of(wells_of("A", 12) | wells_of("B", 12))
    assert (table["verdict"] == "undecided").all()
    words = row(table, "split_merge", "difference", "drug")["advice"]
    assert "uncalibrated" in words and "more wells do not decide it" in words


def test_a_gross_threshold_difference_fails_even_uncalibrated_and_a_small_one_does_not():
    small = verdict_of(wells_of("A", bias=0.0) | wells_of("B", bias=0.6))
    gross = verdict_of(wells_of("A", bias=0.0) | wells_of("B", bias=1.5))
    assert row(small, "threshold", "difference", "drug")["verdict"] == "undecided"
    found = row(gross, "threshold", "difference", "drug")
    assert found["verdict"] == "fail"
    assert found["estimate"] == pytest.approx(1.5, abs=0.2)
    assert row(gross, "threshold", "difference", "worst")["verdict"] == "fail"
    assert row(gross, "split_merge", "difference", "worst")["verdict"] == "undecided"


def test_calibrated_constants_make_room_for_pass_and_fail():
    rules = Rules(constants=CALIBRATED)
    same = verdict_of(wells_of("A") | wells_of("B"), rules=rules)
    other = verdict_of(wells_of("A") | wells_of("B", merge=0.4), rules=rules)
    assert row(same, "split_merge", "difference", "worst")["verdict"] == "pass"
    found = row(other, "split_merge", "difference", "worst")
    assert found["verdict"] == "fail"
    assert found["estimate"] == pytest.approx(-1.25 * 35, abs=8)
    assert found["ci_high"] < 0


def test_agreement_is_undecided_and_says_that_missed_objects_are_not_counted():
    table = verdict_of(wells_of("A", merge=0) | wells_of("B", merge=0.5))
    rows = table[table["question"] == "agreement"]
    assert (rows["verdict"] == "undecided").all()
    assert rows["ci_low"].isna().all()
    assert rows["advice"].str.contains("Missed objects are not counted").all()
    assert row(table, "agreement", "poscon")["estimate"] < 60
    assert row(table, "agreement", "poscon")["margin"] == 90


@pytest.mark.parametrize(("there", "gone"), [("A", "poscon"), ("B", "negcon")])
def test_a_missing_class_leaves_it_and_the_difference_undecided_with_no_wells(there, gone):
    table = verdict_of(wells_of(there))
    for scope in (gone, "difference"):
        for _, found in table[table["scope"] == scope].iterrows():
            assert found["verdict"] == "undecided"
            assert "no wells" in found["advice"]
            assert np.isnan(found["estimate"])
    other = {"poscon": "negcon", "negcon": "poscon"}[gone]
    assert np.isfinite(row(table, "threshold", other)["estimate"])


def test_a_layout_without_positive_controls_still_judges_the_negative_ones():
    sheet = layout()
    sheet = sheet[sheet["Metadata_ControlType"] != "poscon"]
    table = verdict_of(wells_of("A"), sheet)
    assert np.isfinite(row(table, "threshold", "negcon")["estimate"])
    assert "no wells" in row(table, "threshold", "difference", "worst")["advice"]


def test_each_positive_control_is_held_against_the_negatives_of_its_group():
    one = layout(group="kinase")
    other = layout(positive="E", negative="D", group="toxin").assign(
        Metadata_Perturbation=lambda t: t["Metadata_Perturbation"].replace("drug", "poison")
    )
    sheet = pd.concat([one, other[other["Metadata_ControlType"] != "trt"]], ignore_index=True)
    wells = wells_of("A", bias=0) | wells_of("B", bias=0.5)
    wells |= wells_of("D", bias=2) | wells_of("E", bias=2)
    table = verdict_of(wells, sheet)
    assert row(table, "threshold", "difference", "drug")["estimate"] == pytest.approx(0.5, abs=0.2)
    assert row(table, "threshold", "difference", "poison")["estimate"] == pytest.approx(0, abs=0.2)
    threshold = table[table["question"] == "threshold"]
    assert (threshold["scope"] == "negcon").sum() == 2
    assert (threshold["scope"] == "difference").sum() == 3
    worst = row(table, "threshold", "difference", "worst")
    assert worst["estimate"] == row(table, "threshold", "difference", "drug")["estimate"]
    assert worst["advice"].startswith("Worst of 2 positive controls: drug")


def test_a_positive_control_without_a_group_is_held_against_all_negatives():
    sheet = layout()
    sheet.loc[sheet["Metadata_Well"].isin(["A01", "A02"]), "Metadata_ControlGroup"] = "x"
    assert len(comparisons(sheet)[0].negative_wells) == 12
    sheet.loc[sheet["Metadata_ControlType"] == "poscon", "Metadata_ControlGroup"] = "x"
    assert comparisons(sheet)[0].negative_wells == ("A01", "A02")


def test_one_well_per_class_gives_an_estimate_no_interval_and_says_why():
    table = verdict_of(wells_of("A", 1) | wells_of("B", 1, bias=3.0))
    found = row(table, "threshold", "difference", "drug")
    assert found["verdict"] == "undecided" and np.isnan(found["ci_low"])
    assert found["estimate"] == pytest.approx(3.0, abs=0.5)
    assert "at least 2 wells per class" in found["advice"]


def test_density_that_explains_a_difference_makes_the_verdict_the_worse_of_both():
    # Merges follow density alone; the positive wells are mostly the dense ones.
    wells = {}
    for k in range(12):
        dense = k < 4
        wells[f"A{k + 1:02d}"] = {"density": 20 if dense else 8, "merge": 0.30 if dense else 0.05}
        dense = k >= 4
        wells[f"B{k + 1:02d}"] = {"density": 20 if dense else 8, "merge": 0.30 if dense else 0.05}
    estimates = estimates_of(wells)
    found = estimates.query("question == 'split_merge' and scope == 'difference'")
    raw, matched = found.set_index("adjustment")["value"].loc[["raw", "density_matched"]]
    assert raw < -0.08
    assert abs(matched) < abs(raw) / 3
    table = plate_verdict(estimates, Rules(constants=CALIBRATED))
    assert row(table, "split_merge", "difference", "drug")["verdict"] != "pass"
    assert "equal local density" in row(table, "split_merge", "difference", "drug")["advice"]


def test_matched_weights_give_both_classes_the_same_density():
    rng = np.random.default_rng(0)
    positive, negative = rng.normal(12, 2, 4000), rng.normal(10, 2, 3000)
    one, other = density_matched_weights(positive, negative)
    gap = np.average(positive, weights=one) - np.average(negative, weights=other)
    assert abs(gap) < 0.3 < positive.mean() - negative.mean()


def test_classes_without_common_density_cannot_be_matched_and_do_not_pass():
    assert density_matched_weights(np.full(50, 30.0) + np.arange(50), np.arange(50) / 50) is None
    wells = wells_of("A", density=1) | wells_of("B", density=30)
    table = verdict_of(wells, rules=Rules(constants=CALIBRATED))
    found = row(table, "split_merge", "difference", "drug")
    assert found["verdict"] == "undecided" and "share no local density" in found["advice"]
    assert "more wells decide it only where both classes have some" in found["advice"]


def test_a_single_well_at_the_shared_density_scatters_like_the_others_of_its_class():
    sparse = wells_of("A", 7, density=8) | {"A08": {"density": 20}}
    dense = {f"B{k:02d}": {"density": 18 if k < 5 else 22} for k in range(1, 9)}
    estimates = estimates_of(sparse | dense)
    found = estimates.query("question == 'threshold' and scope == 'difference'")
    matched = found.set_index("adjustment").loc["density_matched"]
    assert matched["fewest_wells"] == 8 and matched["n_wells"] < 16
    negative = row(estimates, "threshold", "negcon")
    assert matched["variance"] > 7 * negative["variance"]
    table = plate_verdict(estimates, Rules(constants=CALIBRATED))
    assert row(table, "threshold", "difference", "drug")["verdict"] == "pass"


@pytest.mark.parametrize(
    ("method", "bias", "words"),
    [
        ("classical", 1.6, "raise outline (threshold.correction if outline is null) of Nuclei"),
        ("classical", -1.6, "lower outline (threshold.correction if outline is null) of Nuclei"),
        ("expansion", 1.6, "lower distance of Nuclei"),
        ("labels", -1.6, "lower the threshold in the program"),
        ("something new", 1.6, "stricter of Nuclei"),
    ],
)
def test_advice_names_what_to_turn_and_which_way(method, bias, words):
    rules = Rules(methods={SET: method})
    table = verdict_of(wells_of("A") | wells_of("B", bias=bias), rules=rules)
    assert words in row(table, "threshold", "poscon")["advice"]
    assert words in row(table, "threshold", "difference", "drug")["advice"]


@pytest.mark.parametrize(
    ("planted", "words"),
    [
        ({"merge": 0.3}, "lower declump.depth or declump.suppression_distance"),
        ({"split": 0.4}, "raise declump.depth or declump.suppression_distance"),
    ],
)
def test_advice_for_merges_divides_more_and_for_splits_less(planted, words):
    rules = Rules(methods={SET: "classical"})
    table = verdict_of(wells_of("A", merge=0, split=0) | wells_of("B", **planted), rules=rules)
    assert words in row(table, "split_merge", "difference", "drug")["advice"]


def test_advice_of_a_calibrated_undecided_row_says_how_many_wells_decide_it():
    rates = {"01": 0.02, "02": 0.15, "03": 0.3}
    wells = {f"{row}{column}": {"merge": rate} for row in "AB" for column, rate in rates.items()}
    table = verdict_of(wells, rules=Rules(constants=CALIBRATED))
    found = row(table, "split_merge", "difference", "drug")
    assert found["verdict"] == "undecided"
    assert "wells per class would decide it" in found["advice"]


def test_a_withheld_verdict_keeps_the_numbers_and_says_why():
    rules = Rules(withheld="12 of 96 sites are excluded, more than the limit of 5 %.")
    table = verdict_of(wells_of("A") | wells_of("B", bias=2.0), rules=rules)
    assert (table["verdict"] == "undecided").all()
    assert table["advice"].str.startswith("No verdict: 12 of 96 sites").all()
    assert np.isfinite(row(table, "threshold", "difference", "drug")["estimate"])


def test_swapping_the_classes_turns_the_sign_of_the_difference():
    wells = wells_of("A", bias=0.2, merge=0.1) | wells_of("B", bias=0.9, merge=0.3)
    forth, back = verdict_of(wells), verdict_of(wells, layout(positive="A", negative="B"))
    for question in ("threshold", "split_merge"):
        one, other = (row(each, question, "difference", "drug") for each in (forth, back))
        assert one["estimate"] == pytest.approx(-other["estimate"])
        assert one["ci_low"] == pytest.approx(-other["ci_high"])


def test_order_of_the_objects_does_not_change_a_byte():
    wells = wells_of("A") | wells_of("B", bias=1.0)
    objects = flag_objects(invented_objects(wells))
    fields = objects[["Metadata_Plate", "Metadata_Well", "Metadata_Site"]].drop_duplicates()
    outside = all_within(objects)
    first = plate_verdict(
        plate_estimates(
            PLATE, objects, site_table(objects, fields, layout(), [SET], outside), layout(), [SET]
        )
    )
    pd.testing.assert_frame_equal(first, verdict_of(wells), check_exact=True)


def test_screen_takes_plates_as_blocks_and_a_shared_difference_still_shows():
    plates = [
        estimates_of(wells_of("A") | wells_of("B", bias=1.6), plate=f"P{k}", seed=k)
        for k in range(4)
    ]
    table = screen_verdict(plates)
    found = row(table, "threshold", "difference", "drug")
    assert list(table.columns) == DESIGN_COLUMNS
    assert (table["plate"] == "screen").all()
    assert found["n_wells"] == 64 and found["verdict"] == "fail"
    single = row(plate_verdict(plates[0]), "threshold", "difference", "drug")
    assert found["ci_high"] - found["ci_low"] <= single["ci_high"] - single["ci_low"]


def test_screen_with_a_plate_that_lacks_a_class_uses_the_others():
    plates = [
        estimates_of(wells_of("A") | wells_of("B", bias=0.3), plate="P1"),
        estimates_of(wells_of("A"), plate="P2"),
    ]
    found = row(screen_verdict(plates), "threshold", "difference", "drug")
    assert found["estimate"] == pytest.approx(0.3, abs=0.2)
    with pytest.raises(ValueError, match="without plates"):
        screen_verdict([])


def test_estimates_survive_csv(tmp_path):
    estimates = estimates_of(wells_of("A") | wells_of("B", bias=1.0))
    estimates.to_csv(tmp_path / "estimates.csv", index=False)
    again = pd.read_csv(tmp_path / "estimates.csv", float_precision="round_trip")
    pd.testing.assert_frame_equal(
        screen_verdict([again]), screen_verdict([estimates]), check_exact=True
    )


def test_one_of_many_controls_fails_only_when_chance_among_as_many_is_ruled_out():
    sheet = layout()
    wells = wells_of("A", bias=0.0) | wells_of("B", bias=0.0)
    estimates = estimates_of(wells, sheet)
    sharp = Constants(1.0, 0.1, 0.1, calibrated=True)
    rules = Rules(margins=Margins(threshold=0.15), constants=CALIBRATED | {"threshold": sharp})
    difference = (estimates["question"] == "threshold") & (estimates["scope"] == "difference")
    # 2.2 standard errors from zero: a failure by itself, not as one of many
    estimates.loc[difference, ["value", "variance"]] = 0.22, 0.0
    alone = plate_verdict(estimates, rules)
    others = [estimates[difference].assign(perturbation=f"other {k}", value=0.01) for k in range(5)]
    among = plate_verdict(pd.concat([estimates, *others], ignore_index=True), rules)
    assert row(alone, "threshold", "difference", "drug")["verdict"] == "fail"
    assert row(among, "threshold", "difference", "drug")["verdict"] == "undecided"


def test_constants_go_by_kind_of_object_and_segmenter():
    special = Constants(2.0, 0.0, 0.0, calibrated=True, slope_class=1.0, floor_class=0.5)
    rules = Rules(
        calibrations={("threshold", "nuclei", "network"): special},
        kinds={"Nuclei": ("nuclei", "network"), "Cells": ("cells", "network")},
    )
    assert rules.constants_of("threshold", "Nuclei") is special
    assert rules.constants_of("threshold", "Cells") == UNCALIBRATED["threshold"]
    assert rules.constants_of("split_merge", "Nuclei") == UNCALIBRATED["split_merge"]
    estimates = estimates_of(wells_of("A", bias=0.2) | wells_of("B", bias=0.6))
    plain = estimates.set_index(["question", "scope", "adjustment"])["value"]
    table = plate_verdict(estimates, rules)
    assert row(table, "threshold", "difference", "drug")["estimate"] == pytest.approx(
        2 * plain["threshold", "difference", "raw"]
    )
    assert row(table, "threshold", "poscon")["estimate"] == pytest.approx(
        plain["threshold", "poscon", "raw"] - 0.5
    )


def test_uncalibrated_constants_are_marked_so():
    assert not any(constants.calibrated for constants in UNCALIBRATED.values())


@pytest.mark.parametrize("margin", [{"split_merge": 0}, {"threshold": -1}, {"agreement": 120}])
def test_impossible_margins_are_refused(margin):
    with pytest.raises(ValueError, match=r"qc.margins\."):
        Margins(**margin)


def calibrated_verdict(estimates):
    found = plate_verdict(estimates, Rules(constants=CALIBRATED))
    return row(found, "split_merge", "difference", "drug"), row(
        found, "threshold", "difference", "drug"
    )


def test_classes_that_look_different_are_undecided_however_clear_the_evidence():
    for merge in (0.05, 0.5):
        wells = wells_of("A") | wells_of("B", merge=merge, sharpness=2.0)
        balance, threshold = calibrated_verdict(estimates_of(wells))
        assert balance["verdict"] == "undecided"
        assert "The classes look different: sharpness (0.50×)" in balance["advice"]
        assert "Review 50 objects per class" in balance["advice"]
        assert threshold["verdict"] == "pass"


def test_classes_that_look_different_have_wider_intervals_for_both_questions():
    rules = Rules(
        constants={name: replace(one, sigma_outside=0.3) for name, one in CALIBRATED.items()}
    )
    for question in ("split_merge", "threshold"):
        widths = []
        for changed in ({}, {"sharpness": 2.0}):
            wells = wells_of("A") | wells_of("B", **changed)
            found = row(verdict_of(wells, rules=rules), question, "difference", "drug")
            widths.append(found["ci_high"] - found["ci_low"])
        assert widths[1] > 2 * widths[0]


def test_saturation_in_one_class_withholds_the_threshold_too():
    wells = wells_of("A") | wells_of("B", saturated=0.3)
    balance, threshold = calibrated_verdict(estimates_of(wells))
    assert balance["verdict"] == threshold["verdict"] == "undecided"
    assert "shorter exposure" in threshold["advice"]


def test_the_systematic_error_of_a_difference_grows_with_it_and_that_of_a_class_does_not():
    constants = Constants(1.2, 0.02, 0.01, calibrated=True, share_difference=0.2, range_weight=0.3)
    small, large = (Estimate(value, 1e-6, 9.0, 8) for value in (0.0, 0.10))
    of = [constants.correct(one, is_difference=True).systematic_variance for one in (small, large)]
    assert of == pytest.approx([0.01**2, 0.01**2 + (0.2 * 0.12) ** 2])
    widened = constants.correct(small, is_difference=True, variants=0.05)
    assert widened.systematic_variance == pytest.approx(0.01**2 + (0.3 * 0.05) ** 2)
    alone = constants.correct(large, is_difference=False)
    assert alone.systematic_variance == pytest.approx(0.02**2)


def test_variants_that_disagree_widen_the_interval_and_then_withhold_the_verdict():
    wells = wells_of("A") | wells_of("B")
    plain = estimates_of(wells)
    before, _ = calibrated_verdict(plain)
    assert before["verdict"] == "pass"
    doubtful = plain.assign(variants_high=plain["variants_low"] + 0.05)
    wider, _ = calibrated_verdict(doubtful)
    assert wider["ci_high"] - wider["ci_low"] > before["ci_high"] - before["ci_low"] + 2
    contrary, _ = calibrated_verdict(plain.assign(variants_high=plain["variants_low"] + 0.07))
    assert contrary["verdict"] == "undecided"
    assert "contradicts itself (its variants spread over 7.0 pp)" in contrary["advice"]


def test_images_outside_of_the_calibration_cannot_pass_but_can_fail():
    same = estimates_of(wells_of("A") | wells_of("B"), within=False)
    balance, threshold = calibrated_verdict(same)
    assert balance["verdict"] == threshold["verdict"] == "undecided"
    assert "100 % of the images are outside" in balance["advice"]
    other = estimates_of(wells_of("A") | wells_of("B", merge=0.5), within=False)
    assert calibrated_verdict(other)[0]["verdict"] == "fail"


def test_a_failure_by_the_evidence_alone_says_that_nobody_reviewed_it():
    balance, _ = calibrated_verdict(estimates_of(wells_of("A") | wells_of("B", merge=0.4)))
    assert balance["verdict"] == "fail" and "Fail, unreviewed" in balance["advice"]


def test_a_class_of_images_outside_has_a_wider_interval_too():
    constants = Constants(1.0, 0.05, 0.01, calibrated=True, sigma_outside=0.03)
    one = Estimate(0.0, 1e-6, 9.0, 8)
    usual, outside = (
        constants.correct(one, is_difference=False, outside=where).systematic_variance
        for where in (False, True)
    )
    assert (usual, outside) == pytest.approx((0.05**2, 0.05**2 + 0.03**2))


def test_one_plate_of_images_outside_withholds_the_pass_of_a_screen():
    wells = wells_of("A") | wells_of("B")
    rules = Rules(constants=CALIBRATED)
    plates = [estimates_of(wells, plate=f"P{k}", seed=k) for k in range(4)]
    balance = row(screen_verdict(plates, rules), "split_merge", "difference", "drug")
    assert balance["verdict"] == "pass"
    plates[2] = estimates_of(wells, plate="P2", seed=2, within=False)
    for question in ("split_merge", "threshold"):
        found = row(screen_verdict(plates, rules), question, "difference", "drug")
        assert found["verdict"] == "undecided"


def test_the_class_that_is_farther_off_is_chosen_after_what_faultless_labels_read_is_taken_off():
    constants = CALIBRATED | {
        "threshold": Constants(1.0, 0.1, 0.1, calibrated=True, floor_class=0.6)
    }
    wells = wells_of("A", bias=-1.4) | wells_of("B", bias=1.6)
    rules = Rules(constants=constants, methods={SET: "classical"})
    words = row(verdict_of(wells, rules=rules), "threshold", "difference", "drug")["advice"]
    assert "lower outline" in words and "raise outline" not in words


def test_a_difference_of_balance_names_both_classes():
    wells = wells_of("A", merge=0.05) | wells_of("B", merge=0.4)
    words = row(
        verdict_of(wells, rules=Rules(constants=CALIBRATED)), "split_merge", "difference", "drug"
    )["advice"]
    assert "lower: more merges or fewer splits" in words and "in the negative wells" in words
