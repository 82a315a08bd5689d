"""Split and merge evidence: it follows planted errors, in the class they were planted in."""

import functools

import numpy as np
import pandas as pd
import pytest
from qc_images import merged, split
from qc_plates import features_of_wells, fields_of, group_images, layout, with_field
from scipy import ndimage

from levelfield.qc.evidence.background import background_grain
from levelfield.qc.evidence.features import (
    NEIGHBOUR,
    NUMBER,
    OBJECT_COLUMNS,
    PAIR_COLUMNS,
    field_features,
)
from levelfield.qc.evidence.scores import (
    MODEL,
    EvidenceModel,
    attribute_seams,
    score_objects,
    shipped_model,
)
from levelfield.qc.evidence.second_opinion import ask_second_opinion
from levelfield.qc.evidence.typical import typical_object
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
    ends = np.array([0, 0, 1]), np.array([1, 2, 2])
    split, fragment = attribute_seams(4, ends, np.array([0.9, 0.5, 0.8]))
    assert split.sum() == pytest.approx(0.9 + 0.8)
    assert split.tolist() == pytest.approx([0.45, 0.85, 0.4, 0])
    assert fragment.tolist() == pytest.approx([0.9, 1 - 0.1 * 0.2, 0.8, 0])


def test_tables_have_the_promised_columns_even_for_an_empty_field():
    empty = field_features(np.zeros((20, 20), np.int32), np.zeros((20, 20), np.float32))
    assert tuple(empty.objects) == OBJECT_COLUMNS and tuple(empty.pairs) == PAIR_COLUMNS
    image, labels = IMAGES["256x256_4"][0]
    full = field_features(labels, image)
    assert tuple(full.objects) == OBJECT_COLUMNS and tuple(full.pairs) == PAIR_COLUMNS
    for table, other in zip(full, empty, strict=True):
        assert (table.dtypes == other.dtypes).all()
        asked = [name for name in table if "network" in name or "jury" in name]
        assert table[asked].isna().all(axis=None)
        unsure = [name for name in table if name.startswith(("cut_seam", "threshold"))]
        assert table.drop(columns=[*asked, *unsure]).notna().all(axis=None)


def test_blur_smooths_the_noise_of_the_background_and_dimming_does_not():
    image, labels = IMAGES["256x256_4"][0]
    rng = np.random.default_rng(2)
    noise = rng.normal(0, 0.02, image.shape).astype(np.float32)
    white = background_grain(labels, noise)
    assert abs(white[0]) < 0.15
    assert background_grain(labels, 0.1 * noise) == pytest.approx(white, abs=1e-3)
    blurred = background_grain(labels, ndimage.gaussian_filter(noise, 1.5))
    assert blurred[0] > white[0] + 0.4
    assert blurred[1] < white[1] - 0.4
    real = background_grain(labels, image)
    worse = background_grain(labels, ndimage.gaussian_filter(image, 2.0))
    assert worse[0] > real[0] + 0.15


def test_a_clipped_background_or_none_counts_as_white():
    labels = np.zeros((40, 40), np.int32)
    labels[10:20, 10:20] = 1
    assert background_grain(labels, np.where(labels, 0.5, 0).astype(np.float32)) == (0.0, 1.0)
    full = np.ones((40, 40), np.int32)
    noise = np.random.default_rng(0).random((40, 40)).astype(np.float32)
    assert background_grain(full, noise) == (0.0, 1.0)


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


def test_variants_that_need_the_network_are_empty_where_nobody_asked_it():
    image, labels = IMAGES["256x256_1"][0]
    scored = score_objects(*features_of_wells({"A01": [(image, labels)]}), {"A01": "negcon"})
    assert (scored["evidence"] == "image").all()
    assert scored["balance_network"].isna().all() and scored["balance_all"].isna().all()
    assert scored[["balance_shape", "balance_own_references"]].notna().all(axis=None)
    pd.testing.assert_series_equal(
        scored["balance_contribution"], scored["balance_image"], check_names=False
    )


def test_the_networks_opinion_decides_where_it_was_asked():
    image, labels = IMAGES["520x696_2"][0]
    wrong, _ = merged(labels, 0.3, np.random.default_rng(0))
    opinion = ask_second_opinion(image, labels)
    tables = [field_features(each, image, opinion=opinion) for each in (labels, wrong)]
    scored = [
        score_objects(*(with_field(table, "A01", 1) for table in features)) for features in tables
    ]
    assert (scored[0]["evidence"] == "all").all()
    assert scored[1]["merge_evidence"].mean() > scored[0]["merge_evidence"].mean() + 0.02
    assert scored[1]["balance_network"].mean() < scored[0]["balance_network"].mean() - 0.02


def test_a_control_class_of_smaller_nuclei_is_held_against_its_own_typical_object():
    one, two = (IMAGES["256x256_4"][k] for k in (0, 1))
    small = tuple(
        ndimage.zoom(each, 0.6, order=order) for each, order in zip(two, (1, 0), strict=True)
    )
    tables = features_of_wells({"A01": [one], "B01": [small]})
    scored = score_objects(*tables, {"A01": "negcon", "B01": "poscon"})
    changed = scored["balance_own_references"] != scored["balance_image"]
    assert changed[scored["Metadata_Well"] == "B01"].mean() > 0.2


def test_the_shipped_model_is_plain_data_that_saves_to_the_same_bytes(tmp_path):
    model = shipped_model()
    model.save(tmp_path / "again.npz")
    assert EvidenceModel.load(tmp_path / "again.npz").lacking_per_merge == model.lacking_per_merge
    with np.load(MODEL, allow_pickle=False) as one, np.load(tmp_path / "again.npz") as other:
        assert one.files == other.files
        assert all(np.array_equal(one[name], other[name]) for name in one.files)


def test_a_pair_of_an_object_that_is_not_there_is_refused():
    image, labels = IMAGES["256x256_1"][0]
    objects, pairs = features_of_wells({"A01": [(image, labels)]})
    lost = objects[objects[NUMBER] != pairs[NEIGHBOUR].iloc[0]]
    with pytest.raises(ValueError, match="table of objects lacks"):
        score_objects(lost, pairs)
    with pytest.raises(ValueError, match="lacks Metadata_Well"):
        score_objects(objects.drop(columns="Metadata_Well"), pairs)
