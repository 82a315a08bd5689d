"""Calibration, judgement and all tables from simulated scores, as one command makes them."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
from qc_simulated import LOOKS, fields_of_group

from levelfield.qc.evidence.calibration import INDICATORS, Calibration
from levelfield.qc.train import calibrate, judge, tables
from levelfield.qc.train.intervals import correlation_by_groups, rms_by_groups, share_by_groups
from levelfield.qc.train.judged_tables import scaled
from levelfield.questions import MEASURES

IMAGES = 16  # of a group; eight a class
GROUPS = ("256x256_1", "256x256_0", "256x256_2", "aits_170702000001")  # one a fold
RATES = {"splits": 0.03, "merges": 0.03, "missed": 0.03, "invented": 0.01}
PLAIN = {
    ("default", "none"): RATES,
    ("low", "none"): RATES | {"merges": 0.2},
    ("default", "drops 0.4"): RATES | {"missed": 0.4},
    ("default", "splits and merges 0.2"): RATES | {"splits": 0.2, "merges": 0.2},
}
GOOD = {("default", "none"): RATES}
DEGRADED = {
    "blur 0.15": ("sharpness", "background_fineness"),
    "noise 0.3": ("contrast",),
    "crowd 3": ("contact", "crowding"),
}
FILES = {
    *("qc_ranks.csv", "qc_agreement.csv", "qc_coverage.csv", "qc_rule.csv"),
    *("qc_phenotypes.csv", "qc_planted.csv", "qc_missed.csv", "qc_gross.csv"),
    *("qc_range.csv", "qc_targets.csv"),
}


def simulated_fields(rng):
    parts = []
    for group in GROUPS:
        plain = fields_of_group(rng, group, PLAIN, number=IMAGES)
        reference = fields_of_group(rng, group, {("reference", "none"): {}}, number=IMAGES)
        dim = fields_of_group(rng, group, GOOD, number=IMAGES, phenotype="dim", appearance=-0.5)
        parts += [plain, reference.assign(kind="reference"), dim[dim["half"] == 1]]
        beside = plain[(plain["planted"] == "none") & (plain["setting"] == "default")]
        for name, looks in DEGRADED.items():
            worse = fields_of_group(rng, group, GOOD, number=IMAGES, phenotype=name, error=0.05)
            for look in looks:
                worse[f"look_{look}"] += 3.0
            parts += [worse[worse["half"] == 1], beside.assign(beside=name)]
        parts.append(beside.assign(beside="dim"))
    return pd.concat(parts, ignore_index=True)


def simulated_cytoplasm(rng):
    rows = []
    for change, shift in (("cytoplasm", -3.0), ("none", 0.0)):
        for k in range(12):
            looks = {name: rng.normal(0, 0.05) for name in LOOKS}
            looks |= {name: looks[name] + shift for name in ("agreement", "solidity")}
            head = {"group": "bbbc013", "image": f"{change}{k}", "kind": "classical"}
            rows.append(looks | head | {"change": change, "n_objects": 40})
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder of the results, and the calibration that was installed."""
    folder, rng = tmp_path_factory.mktemp("tables"), np.random.default_rng(0)
    simulated_fields(rng).to_parquet(folder / "fields.parquet")
    simulated_cytoplasm(rng).to_parquet(folder / "cytoplasm.parquet")
    ranks = {"group": GROUPS, "kind": "classical", "evidence": "merge", "variant": "all"}
    pd.DataFrame(ranks | {"auc": 0.9, "n": 10}).to_parquet(folder / "ranks.parquet")
    options = ["--collected", folder, "--scored", folder, "--results", folder / "results"]
    options += ["--draws", "1", "--jobs", "1", "--write"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["tables", *map(str, options)])
        patch.setattr(tables, "FILE", folder / "calibration.json")
        patch.setattr(calibrate, "KINDS", ("classical",))
        patch.setattr(tables, "KINDS", ("classical",))
        patch.setattr(judge, "FAMILIES", {"brightness": ("dim",)})
        # Targets are set for all segmenters and phenotypes together, which are not simulated here.
        targets = pd.DataFrame({"target": ["none"]})
        patch.setattr(tables, "target_table", lambda *_: targets)
        tables.main()
    return folder


def test_one_command_writes_all_tables_with_what_they_rest_on(made):
    assert {path.name for path in (made / "results").iterdir()} == FILES
    for path in (made / "results").iterdir():
        assert path.read_text().startswith("# 56 plates of 4 groups; 8 wells of 4 images; ")
        assert len(pd.read_csv(path, comment="#"))


def test_the_installed_calibration_is_read_back_with_all_measures(made):
    known = Calibration.load(made / "calibration.json")
    assert {measure for measure, _, _ in known.constants} == set(MEASURES)
    assert {one.reason for one in known.recognisers} == set(INDICATORS)
    assert "NaN" not in json.dumps(json.loads((made / "calibration.json").read_text()))


def test_what_was_planted_is_found_and_named(made):
    planted = pd.read_csv(made / "results" / "qc_planted.csv", comment="#")
    own = planted[planted["kind"] == "classical"].set_index(["planted", "in"])
    for where in ("one class", "both"):
        assert own.loc[("drops 0.4", where), "fails"] == 1
    assert own.loc[("splits and merges 0.2", "both"), "cancelling"] == 1
    assert own.loc[("drops 0.4", "both"), "shared"] == 1
    missed = pd.read_csv(made / "results" / "qc_missed.csv", comment="#").set_index(
        ["case", "kind"]
    )
    assert missed.loc[("loses 20 % or more", "all"), "fails"] == 1
    assert missed.loc[("nothing differs", "all"), "difference_fails"] <= 0.2
    gross = pd.read_csv(made / "results" / "qc_gross.csv", comment="#").set_index("case")
    for case in (
        "both classes beyond 1.2 margins",
        "a rate beyond 1.2 margins, the balance within 0.8",
    ):
        assert gross.loc[case, "n"] > 0 and gross.loc[case, "fails"] == 1


def test_intervals_cover_and_small_errors_pass(made):
    coverage = pd.read_csv(made / "results" / "qc_coverage.csv", comment="#")
    every = coverage[coverage["kind"] == "all"]
    assert np.average(every["coverage"], weights=every["n"]) > 0.85
    rule = pd.read_csv(made / "results" / "qc_rule.csv", comment="#")
    own = rule[(rule["kind"] == "all") & (rule["plates"] == "all") & (rule["measure"] == "missed")]
    own = own.set_index("scope")
    assert own["false_pass"].fillna(0).max() < 0.15
    assert own.loc["poscon", "fails_beyond_1.6"] > 0.9


def test_shares_have_intervals_over_groups():
    flags = pd.Series([1.0, 1, 0, 0, np.nan, 1])
    groups = pd.Series(["a", "a", "b", "b", "b", "c"])
    value, low, high = share_by_groups(flags, groups)
    assert value == 0.6 and low <= value <= high
    assert np.isnan(share_by_groups(flags * np.nan, groups)).all()


def test_errors_and_correlations_have_intervals_over_groups():
    groups = pd.Series(["a", "a", "b", "b", "c", "c"])
    errors = pd.Series([1.0, -1, 2, -2, 0, 0])
    value, low, high = rms_by_groups(errors, groups)
    assert value == pytest.approx(np.sqrt(10 / 6)) and low < value < high <= 2
    assert np.isnan(rms_by_groups(errors[:2], groups[:2])[1:]).all()  # of one group, no interval
    truth = pd.Series([0.0, 1, 2, 3, 4, 5])
    value, low, high = correlation_by_groups(truth + errors, truth, groups)
    assert value == pytest.approx(np.corrcoef(truth + errors, truth)[0, 1])
    assert low <= value <= high


def test_errors_are_sized_by_their_margin():
    rows = pd.DataFrame(
        {
            "measure": ["missed", "agreement", "agreement", "bias"],
            "scope": ["negcon", "negcon", "difference", "poscon"],
            "margin": [0.05, 0.9, 0.1, 1.0],
            "truth": [0.1, 0.8, -0.05, -0.5],
            "value": [0.11, 0.8, 0.0, 0.0],
        }
    )
    found = scaled(rows)
    assert found["size"].tolist() == pytest.approx([2, 2, 0.5, 0.5])
    assert found["error"].tolist() == pytest.approx([1, 0, 5, 0.5])
