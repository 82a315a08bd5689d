"""Split and merge evidence: it follows planted errors, in the class they were planted in."""

import functools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qc_images import merged, split
from qc_plates import features_of_wells, fields_of, group_images, layout, with_field

from levelfield.qc.evidence import (
    MERGE_WEIGHTS,
    SEAM_WEIGHTS,
    merge_evidence,
    score_objects,
    seam_evidence,
    typical_object,
)
from levelfield.qc.features import NEIGHBOUR, NUMBER, OBJECT_COLUMNS, PAIR_COLUMNS, field_features
from levelfield.qc.plate import assess_plate

GROUPS = ["256x256_1", "256x256_4", "520x696_2"]
IMAGES = {group: group_images(group, 6) for group in GROUPS}


@functools.cache
def rates(plant, share, group):
    """Mean rates per class when the positive wells have a share of their objects altered."""
    wells = {}
    for index, (image, labels) in enumerate(IMAGES[group]):
        row = "AB"[index % 2]
        rng = np.random.default_rng(index)
        wells[f"{row}{index // 2 + 1:02d}"] = [
            (image, plant(labels, share, rng)[0] if row == "B" else labels)
        ]
    tables = features_of_wells(wells)
    quality = assess_plate("P1", *tables, fields_of(wells), layout(), (3, 12), ["Nuclei"])
    kinds = quality.wells.groupby("Metadata_ControlType")[["split_rate", "merge_rate", "balance"]]
    return kinds.mean()


@pytest.mark.parametrize("group", GROUPS)
def test_merging_10_percent_of_one_classs_touching_objects_raises_its_merge_rate_only(group):
    before = rates(merged, 0, group)
    after = rates(merged, 0.1, group)
    rise = after["merge_rate"] - before["merge_rate"]
    assert rise["poscon"] > 0.002
    assert abs(rise["negcon"]) < 0.25 * rise["poscon"]


@pytest.mark.parametrize("group", GROUPS)
def test_more_merges_give_a_higher_merge_rate_and_a_lower_balance(group):
    doses = [rates(merged, share, group).loc["poscon"] for share in (0, 0.1, 0.5)]
    assert doses[0]["merge_rate"] < doses[1]["merge_rate"] < doses[2]["merge_rate"]
    assert doses[0]["balance"] > doses[1]["balance"] > doses[2]["balance"]


@pytest.mark.parametrize("group", GROUPS)
def test_splitting_objects_of_one_class_raises_its_split_rate_only(group):
    before = rates(merged, 0, group)
    after = rates(split, 0.1, group)
    rise = after["split_rate"] - before["split_rate"]
    assert 0.03 < rise["poscon"] < 0.2
    assert abs(rise["negcon"]) < 0.25 * rise["poscon"]


def test_the_merged_object_is_the_one_with_the_evidence():
    image, labels = IMAGES["520x696_2"][0]
    wrong, number = merged(labels, 0.1, np.random.default_rng(0))
    assert number >= 3
    scored = score_objects(*features_of_wells({"A01": [(image, wrong)]}))
    areas = np.bincount(labels.ravel(), minlength=labels.max() + 1)
    grown = np.bincount(wrong.ravel(), minlength=labels.max() + 1) > areas + 1
    grown = scored[NUMBER].map(lambda label: bool(grown[label]))
    ranks = scored["merge_evidence"].rank(pct=True)
    assert ranks[grown].mean() > 0.9


def test_excess_fragments_are_counted_once_per_cut_not_once_per_seam():
    # Three pieces of one object touch each other pairwise: three seams, two excess fragments.
    y, x = np.mgrid[:80, :80]
    angle = np.arctan2(y - 40, x - 40)
    labels = np.where(np.hypot(y - 40, x - 40) < 25, 1 + ((angle + np.pi) // 2.1).astype(int), 0)
    image = 0.1 + 0.5 * (labels > 0)
    features = field_features(labels.astype(np.int32), image.astype(np.float32))
    assert len(features.pairs) == 3
    pairs, objects = (with_field(t, "A01", 1) for t in (features.pairs, features.objects))
    evidence = np.sort(seam_evidence(pairs))
    scored = score_objects(objects, pairs)
    assert scored["split_evidence"].sum() == pytest.approx(evidence[1:].sum())


def test_tables_have_the_promised_columns_even_for_an_empty_field():
    empty = field_features(np.zeros((20, 20), np.int32), np.zeros((20, 20), np.float32))
    assert tuple(empty.objects) == OBJECT_COLUMNS and tuple(empty.pairs) == PAIR_COLUMNS
    image, labels = IMAGES["256x256_4"][0]
    full = field_features(labels, image)
    assert tuple(full.objects) == OBJECT_COLUMNS and tuple(full.pairs) == PAIR_COLUMNS
    for table, other in zip(full, empty, strict=True):
        assert (table.dtypes == other.dtypes).all()
        assert table.drop(columns="threshold_bias_px", errors="ignore").notna().all(axis=None)


def test_division_into_packs_and_their_order_do_not_change_a_byte():
    wells = {f"A{k + 1:02d}": [pair] for k, pair in enumerate(IMAGES["256x256_1"][:4])}
    objects, pairs = features_of_wells(wells)
    shuffled = [
        pd.concat([part[1] for part in list(table.groupby("Metadata_Well"))[::-1]])
        for table in (objects, pairs)
    ]
    one, other = score_objects(objects, pairs), score_objects(*shuffled)
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_typical_object_is_the_mode_and_ignores_clumps_debris_and_cut_objects():
    rng = np.random.default_rng(0)
    area = np.concatenate(
        [rng.normal(300, 20, 500), rng.normal(620, 40, 150), rng.uniform(5, 40, 100)]
    )
    objects = pd.DataFrame(
        {"area_px": area, "integrated_intensity": area * 0.5, "touches_border": False}
    )
    cut = objects.assign(area_px=100.0, touches_border=True)
    found = typical_object(pd.concat([objects, cut]))
    assert found.area_px == pytest.approx(300, rel=0.04)
    assert found.integrated_intensity == pytest.approx(150, rel=0.04)
    assert typical_object(cut).area_px == pytest.approx(100, rel=0.04)
    assert np.isnan(typical_object(objects.head(0)).area_px)


TERMS = {
    "cut_shape_saddle": (0.0, 1.0, -1),
    "cut_intensity_saddle": (0.0, 1.0, -1),
    "cut_seam_brightness": (0.0, 2.0, -1),
    "cut_seam_width": (0.0, 2.0, -1),
    "solidity": (0.3, 1.0, -1),
    "area_px": (20.0, 3000.0, 1),
    "cut_smaller_area_px": (0.0, 500.0, 1),
}


@settings(deadline=None)
@given(st.data())
def test_merge_evidence_is_monotone_in_every_feature(data):
    values = {name: data.draw(st.floats(low, high)) for name, (low, high, _) in TERMS.items()}
    name = data.draw(st.sampled_from(sorted(TERMS)))
    low, high, direction = TERMS[name]
    more = values | {name: data.draw(st.floats(low, high))}
    table = pd.DataFrame([values, more])
    one, other = merge_evidence(table, pd.Series([300.0, 300.0]))
    assert 0 <= one <= 1
    change = (more[name] - values[name]) * direction
    assert (other - one) * np.sign(change) >= -1e-12


def test_weights_keep_the_evidence_monotone():
    assert min(MERGE_WEIGHTS.values()) >= 0
    assert min(SEAM_WEIGHTS.values()) >= 0


def test_a_pair_of_an_object_that_is_not_there_is_refused():
    image, labels = IMAGES["256x256_1"][0]
    objects, pairs = features_of_wells({"A01": [(image, labels)]})
    lost = objects[objects[NUMBER] != pairs[NEIGHBOUR].iloc[0]]
    with pytest.raises(ValueError, match="table of objects lacks"):
        score_objects(lost, pairs)
    with pytest.raises(ValueError, match="lacks Metadata_Well"):
        score_objects(objects.drop(columns="Metadata_Well"), pairs)
