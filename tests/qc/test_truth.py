"""The verdict from reference labels: planted errors come back as they were planted."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from evaluation_cases import merge_objects, split_objects
from qc_plates import PLATE, SET, layout
from skimage.draw import disk

from levelfield.evaluation import evaluation_tables
from levelfield.labels.objects import expand
from levelfield.qc.statistics.comparison import comparisons
from levelfield.qc.statistics.estimates import PASS_LEVEL, difference, ratio_estimate
from levelfield.qc.statistics.records import columns_of, from_table, to_table
from levelfield.qc.truth import TruthLine, class_truth, truth_lines
from levelfield.qc.verdict.rules import Margins
from levelfield.qc.verdict.tables import VerdictLine
from levelfield.questions import MEASURES

N_OBJECTS = 25
PAIRS = comparisons(layout())


def reference() -> np.ndarray:
    """Twenty-five discs, in pairs near enough to be merged."""
    labels = np.zeros((200, 200), np.int32)
    for number in range(N_OBJECTS):
        labels[disk((20 + 38 * (number // 5), 20 + 38 * (number % 5)), 9.5)] = number + 1
    return labels


def planted(n_splits: int = 0, n_merges: int = 0, grow: float = 0.0) -> np.ndarray:
    labels = reference()
    labels = split_objects(labels, range(1, n_splits + 1))
    labels = merge_objects(labels, [(25 - 2 * i, 24 - 2 * i) for i in range(n_merges)])
    return expand(labels, grow) if grow else labels


def images_of(wells: dict[str, np.ndarray]) -> pd.DataFrame:
    pairs = [
        ({"Metadata_Plate": PLATE, "Metadata_Well": well, "Metadata_Site": 1}, own, reference())
        for well, own in wells.items()
    ]
    return evaluation_tables(pairs).images.assign(object_set=SET)


def verdict_rows(**changed) -> list[VerdictLine]:
    """Lines as of a verdict, with the same estimate everywhere."""
    empty = pd.DataFrame([dict.fromkeys(columns_of(VerdictLine), np.nan)])
    blank = from_table(empty, VerdictLine)[0]
    known = {"plate": PLATE, "object_set": SET, "verdict": "undecided", "estimate": 1.5}
    return [
        replace(
            blank,
            **known | {"ci_low": 0.5, "ci_high": 2.5} | changed,
            question=measure.question,
            measure_name=measure.name,
            scope=scope,
            perturbation="DMSO" if scope == "negcon" else "drug",
            unit=measure.unit_of(scope),
            margin=round(Margins().of(measure.name, scope) * measure.scale, 9),
        )
        for measure in MEASURES.values()
        for scope in ("negcon", "poscon", "difference")
    ]


def truth_of(wells: dict[str, np.ndarray], same: list[VerdictLine] | None = None) -> pd.DataFrame:
    same = verdict_rows(estimate=9.0, ci_low=8.0, ci_high=10.0) if same is None else same
    lines = truth_lines(images_of(wells), verdict_rows(), same, PAIRS)
    return to_table(lines, TruthLine).set_index(["measure", "scope"])


def test_planted_splits_and_merges_come_back_in_points():
    wells = {f"A0{i}": planted() for i in (1, 2, 3)}
    wells |= {f"B0{i}": planted(n_splits=8 + i, n_merges=1) for i in (1, 2, 3)}
    found = truth_of(wells).loc["balance"]
    excess = [8 + i - 1 for i in (1, 2, 3)]
    objects = [N_OBJECTS + 8 + i - 1 for i in (1, 2, 3)]
    assert found.loc["negcon", "truth"] == 0
    assert found.loc["negcon", "truth_verdict"] == "pass"
    assert found.loc["poscon", "truth"] == pytest.approx(100 * sum(excess) / sum(objects))
    expected = ratio_estimate(excess, objects)
    low, high = difference(expected, ratio_estimate([0, 0, 0], [1, 1, 1])).interval(PASS_LEVEL)
    assert found.loc["difference", ["truth_ci_low", "truth_ci_high"]].tolist() == pytest.approx(
        [100 * low, 100 * high]
    )
    assert found.loc["difference", "truth_verdict"] == "fail"
    assert found.loc["difference", "n_objects"] == 3 * N_OBJECTS + sum(objects)
    assert found.loc["difference", "n_wells"] == 6


def test_planted_growth_comes_back_in_px_and_in_shares_of_images():
    wells = {"A01": planted(), "A02": planted(), "B01": planted(grow=1), "B02": planted(grow=1)}
    found = truth_of(wells).loc["bias"]
    assert found.loc["negcon", ["truth", "fraction_low"]].tolist() == [0, 0]
    assert found.loc["poscon", "truth"] == pytest.approx(0.95, abs=0.15)
    assert found.loc["poscon", "fraction_low"] == 1
    assert found.loc["difference", "truth"] == pytest.approx(found.loc["poscon", "truth"])
    assert found.loc["difference", "truth_verdict"] == "fail"


def test_the_annotators_convention_is_the_evidence_less_the_distance_to_what_they_drew():
    """Annotators who draw 0.4 px outside of the edge find outlines 0.4 px smaller than they are."""
    wells = {"A01": planted(), "A02": planted(), "B01": planted(grow=1), "B02": planted(grow=1)}
    grown = truth_of(wells).loc[("bias", "poscon"), "truth"]
    outside = {"negcon": 0.4, "poscon": grown + 0.3, "difference": grown - 0.1}
    same = [replace(row, estimate=outside[row.scope]) for row in verdict_rows()]
    convention = truth_of(wells, same)["annotators_convention_px"]
    assert convention["bias"].to_dict() == pytest.approx(
        {"negcon": 0.4, "poscon": 0.3, "difference": -0.1}
    )
    assert convention.drop("bias").isna().all()


def test_without_evidence_or_references_no_convention_is_known():
    wells = {"A01": planted(), "A02": planted()}
    convention = truth_of(wells)["annotators_convention_px"]["bias"]
    assert convention["negcon"] == 9.0
    assert convention[["poscon", "difference"]].isna().all()
    assert truth_of(wells, [])["annotators_convention_px"].isna().all()


def test_agreement_is_the_share_of_right_objects():
    wells = {f"{row}0{i}": planted(n_splits=5 * (row == "B")) for row in "AB" for i in (1, 2)}
    found = truth_of(wells).loc["agreement"]
    assert found.loc["negcon", ["truth", "truth_verdict"]].tolist() == [100, "pass"]
    assert found.loc["poscon", "truth"] == pytest.approx(100 * 20 / 30)
    assert found.loc["poscon", "truth_verdict"] == "fail"
    assert found.loc["difference", "truth"] == pytest.approx(100 * 20 / 30 - 100)
    assert found.loc["difference", "unit"] == "pp"


def test_the_interval_of_a_share_ends_at_none_and_all():
    wells = {"A01": planted(n_splits=20), "A02": planted(), "B01": planted(), "B02": planted()}
    found = truth_of(wells).loc[("agreement", "negcon")]
    assert found[["truth_ci_low", "truth_ci_high"]].tolist() == [0, 100]


def test_estimates_stand_beside_the_truth():
    table = truth_of({"A01": planted(), "B01": planted()}).reset_index()
    assert len(table) == 3 * len(MEASURES)
    assert (table["estimate"] == 1.5).all()
    assert (table["same_sites_estimate"] == 9.0).all()
    assert table["truth_ci_low"].isna().all(), "one well of each class has no interval"
    assert (table["truth_verdict"] == "undecided").all()


def test_planted_merges_and_splits_that_cancel_are_apart_in_the_truth():
    wells = {f"A0{i}": planted() for i in (1, 2)}
    wells |= {f"B0{i}": planted(n_splits=6, n_merges=6) for i in (1, 2)}
    found = truth_of(wells)
    assert found.loc[("balance", "poscon"), "truth"] == pytest.approx(0)
    assert found.loc[("splits", "poscon"), "truth_verdict"] == "fail"
    assert found.loc[("merges", "poscon"), "truth_verdict"] == "fail"
    assert found.loc[("balance", "poscon"), "truth_verdict"] == "pass"


def test_erased_objects_are_missed_in_the_truth():
    gone = np.where(np.isin(reference(), [1, 2, 3, 4, 5]), 0, reference())
    wells = {"A01": planted(), "A02": planted(), "B01": gone, "B02": gone}
    found = truth_of(wells)
    assert found.loc[("missed", "poscon"), "truth"] == pytest.approx(20)
    assert found.loc[("missed", "difference"), "truth_verdict"] == "fail"
    assert found.loc[("agreement", "poscon"), "truth"] == pytest.approx(80)
    assert found.loc[("invented", "poscon"), "truth"] == 0


def test_a_class_without_references_has_no_truth_and_no_difference():
    table = truth_of({"A01": planted(), "A02": planted()})
    for scope, known in (("negcon", True), ("poscon", False), ("difference", False)):
        rows = table.xs(scope, level="scope")
        assert rows["truth"].notna().all() == known
        assert (rows["truth_verdict"] != "").all() == known
    assert (table.xs("poscon", level="scope")["n_wells"] == 0).all()


def test_wells_are_the_units_and_large_wells_weigh_more():
    images = images_of({"A01": planted(n_splits=5), "A02": planted()})
    more = pd.concat([images, images[images["Metadata_Well"] == "A02"]], ignore_index=True)
    whole = more[more["size_class"] == "all"]
    found = class_truth(whole, "balance")
    assert found.n_wells == 2
    assert found.value == pytest.approx(5 / (30 + 25 + 25))
