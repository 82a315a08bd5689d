"""What is outside of the calibration is recognised, by recognisers that did not see it."""

import numpy as np
import pandas as pd
import pytest

from levelfield.qc.evidence.calibration import FEWEST_OBJECTS, INDICATORS
from levelfield.qc.train.range import (
    REASONS,
    fit_recognisers,
    flag_out_of_distribution,
    range_table,
    shown,
)

GROUPS = ("256x256_1", "256x256_0", "256x256_2", "aits_170702000001")  # one a fold
NAMES = sorted({name for indicators in INDICATORS.values() for name in indicators})
SHIFTED = {
    "blur 0.15": {"sharpness": -5.0, "grain": -4.0},
    "noise 0.3": {"grain": 6.0, "contrast": -3.0},
    "crowd 3": {"contact": 6.0, "crowding": 3.0},
}


def field_rows(rng, change, number, groups=GROUPS):
    """Rows of the table of images, each group in both segmentations that are looked at."""
    rows = []
    for group in groups:
        for kind, setting in (("classical", "default"), ("network", "flow")):
            looks = {
                f"look_{name}": SHIFTED.get(change, {}).get(name, 0.0) + rng.normal(0, 1, number)
                for name in NAMES
            }
            head = {"group": group, "kind": kind, "setting": setting, "planted": "none"}
            head |= {"phenotype": change, "beside": change, "n": 50.0}
            names = [f"{change}{k}" for k in range(number)]
            rows.append(pd.DataFrame(looks).assign(image=names, **head))
    return pd.concat(rows, ignore_index=True)


@pytest.fixture(scope="module")
def fields():
    rng = np.random.default_rng(0)
    parts = [field_rows(rng, "none", 25)]
    parts += [field_rows(rng, change, 6) for change in SHIFTED]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def cytoplasm():
    rng = np.random.default_rng(1)
    rows = []
    for change, shift in (("cytoplasm", -5.0), ("none", 0.0)):
        for k in range(12):
            looks = {name: rng.normal() for name in NAMES}
            looks |= {name: looks[name] + shift for name in ("agreement", "solidity")}
            head = {"group": "bbbc013", "image": f"w{k}", "kind": "classical", "change": change}
            rows.append(looks | head | {"n_objects": 40})
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def looks(fields, cytoplasm):
    return shown(fields, cytoplasm)


def test_every_image_is_shown_with_its_reason_and_part(fields, cytoplasm, looks):
    assert len(looks) == len(fields) + len(cytoplasm)
    assert set(looks["reason"]) == {"", *REASONS.values()}
    assert set(looks["part"]) == {"1", "2", "3", "4", *(f"bbbc013 {k}" for k in range(4))}
    assert set(NAMES) <= set(looks)


def test_images_with_few_objects_and_other_segmentations_are_not_shown(fields, cytoplasm):
    few = fields.assign(n=float(FEWEST_OBJECTS - 1))
    assert len(shown(few, cytoplasm)) == len(cytoplasm)
    other = fields.assign(setting="low")
    assert len(shown(other, cytoplasm)) == len(cytoplasm)


def test_what_looks_otherwise_is_recognised_by_its_reason(looks):
    for one in fit_recognisers(looks):
        found = one.recognises(looks)
        assert found[looks["reason"] == one.reason].mean() > 0.9, one.reason
        assert found[looks["reason"] == ""].mean() < 0.06, one.reason


def test_recognisers_that_never_saw_a_fold_flag_its_degraded_images_only(fields, looks):
    flags = flag_out_of_distribution(fields, looks)
    by_change = flags.groupby(fields["phenotype"]).mean()
    assert by_change.drop("none").min() > 0.85 and by_change["none"] < 0.15
    few = flag_out_of_distribution(fields.assign(n=2.0), looks)
    assert not few.any()


def test_the_table_tells_how_many_of_each_are_flagged(looks):
    table = range_table(looks).set_index(["change", "kind"])
    assert table.loc[("cytoplasm", "classical"), "flagged"] > 0.8
    assert table.loc[("none", "network"), "flagged"] < 0.15
    groups = {change for change, _ in table.index if change.startswith("none, ")}
    assert groups == {f"none, {group}" for group in (*GROUPS, "bbbc013")}
