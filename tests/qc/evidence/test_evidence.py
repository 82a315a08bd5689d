"""The evidence of objects and candidates: it follows planted errors, in the class they are in."""

import functools

import numpy as np
import pandas as pd
import pytest
from qc_images import merged, split
from qc_plates import features_of_wells, group_images, layout, with_field
from qc_training import small_model
from scipy import ndimage

from levelfield.qc.columns import NEIGHBOUR, NUMBER
from levelfield.qc.evidence.attribution import attribute_seams
from levelfield.qc.evidence.candidates import PARENT, childless_parents
from levelfield.qc.evidence.features import (
    OBJECT_COLUMNS,
    PAIR_COLUMNS,
    background_grain,
    field_features,
)
from levelfield.qc.evidence.reference_object import reference_object, reference_objects
from levelfield.qc.evidence.scores import (
    MODEL,
    VARIANT_COLUMNS,
    EvidenceModel,
    score_plate,
    shipped_model,
)
from levelfield.segmentation.planting import plant_drops

GROUPS = ["256x256_1", "256x256_4", "520x696_2"]
IMAGES = {group: group_images(group, 6) for group in GROUPS}


CLASSES = dict(layout()[["Metadata_Well", "Metadata_ControlType"]].to_numpy())


def scored(wells, model=None, ask=False):
    return score_plate(*features_of_wells(wells, ask), CLASSES, model or small_model())


@functools.cache
def rates(plant, share, group):
    """Evidence per object and class when the positive wells have a share of objects altered."""
    wells = {}
    for index, (image, labels) in enumerate(IMAGES[group]):
        row = "AB"[index % 2]
        rng = np.random.default_rng(index)
        wells[f"{row}{index // 2 + 1:02d}"] = [
            (image, plant(labels, share, rng)[0] if row == "B" else labels)
        ]
    objects = scored(wells, shipped_model()).objects
    kinds = objects.groupby(objects["Metadata_Well"].map(CLASSES))
    means = kinds[["split_evidence", "merge_evidence", "balance_contribution"]].mean()
    return means.set_axis(["split_rate", "merge_rate", "balance"], axis=1)


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
    objects = scored({"A01": [(image, wrong)]}, shipped_model()).objects
    areas = np.bincount(labels.ravel(), minlength=labels.max() + 1)
    grown = np.bincount(wrong.ravel(), minlength=labels.max() + 1) > areas + 1
    grown = objects[NUMBER].map(lambda label: bool(grown[label]))
    ranks = objects["merge_evidence"].rank(pct=True)
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
    wells = {f"A{k + 1:02d}": [pair] for k, pair in enumerate(IMAGES["256x256_1"][:3])}
    tables = features_of_wells(wells, ask=True)
    shuffled = [
        pd.concat([part[1] for part in list(table.groupby("Metadata_Well"))[::-1]])
        for table in tables
    ]
    one, other = (score_plate(*each, CLASSES, small_model()) for each in (tables, shuffled))
    pd.testing.assert_frame_equal(one.objects, other.objects, check_exact=True)
    pd.testing.assert_frame_equal(one.candidates, other.candidates, check_exact=True)


def test_other_images_are_scored_by_the_plates_reference_objects():
    wells = {f"A{k + 1:02d}": [pair] for k, pair in enumerate(IMAGES["256x256_1"][:3])}
    tables = features_of_wells(wells, ask=True)
    whole = score_plate(*tables, None, small_model())
    objects = tables[0]
    references = reference_objects(objects, objects["object_set"])
    first = [table[table["Metadata_Well"] == "A01"] for table in tables]
    by_plate = score_plate(*first, None, small_model(), references)
    expected = whole.objects[whole.objects["Metadata_Well"] == "A01"]
    pd.testing.assert_frame_equal(by_plate.objects, expected.reset_index(drop=True))
    by_itself = score_plate(*first, None, small_model())
    assert not np.allclose(by_itself.objects["relative_area"], expected["relative_area"])


def test_typical_object_is_the_mode_and_ignores_clumps_debris_and_cut_objects():
    rng = np.random.default_rng(0)
    area = np.concatenate(
        [rng.normal(300, 20, 500), rng.normal(620, 40, 150), rng.uniform(5, 40, 100)]
    )
    objects = pd.DataFrame(
        {
            "area_px": area,
            "integrated_intensity": area * 0.5,
            "contrast_to_noise": 30.0,
            "touches_border": False,
        }
    )
    cut = objects.assign(area_px=100.0, touches_border=True)
    found = reference_object(pd.concat([objects, cut]))
    assert found.area_px == pytest.approx(300, rel=0.04)
    assert found.integrated_intensity == pytest.approx(150, rel=0.04)
    assert found.contrast_to_noise == 30
    assert reference_object(cut).area_px == pytest.approx(100, rel=0.04)
    assert np.isnan(reference_object(objects.head(0)).area_px)


def test_where_nobody_asked_a_network_its_variants_and_invented_objects_are_unknown():
    image, labels = IMAGES["256x256_1"][0]
    objects = scored({"A01": [(image, labels)]}).objects
    assert (objects["evidence"] == "image").all()
    assert objects[["balance_network", "balance_all", "invented_evidence"]].isna().all(axis=None)
    assert objects[["balance_shape", "balance_own_references"]].notna().all(axis=None)
    assert objects["right_evidence"].between(0, 1).all()
    for measure, column in (
        ("balance", "balance_contribution"),
        ("splits", "split_evidence"),
        ("merges", "merge_evidence"),
    ):
        pd.testing.assert_series_equal(
            objects[column], objects[f"{measure}_image"], check_names=False
        )


def test_where_it_was_asked_all_evidence_is_known_and_probabilities_are_such():
    objects, candidates = scored({"A01": [IMAGES["256x256_4"][0]]}, ask=True)
    assert (objects["evidence"] == "all").all()
    assert objects[list(VARIANT_COLUMNS)].notna().all(axis=None)
    for name in ("merge", "fragment", "invented", "right"):
        assert objects[f"{name}_evidence"].between(0, 1).all()
    assert (candidates["missed_evidence"] >= 0).all()
    balance = objects["split_evidence"] - objects["lacking_evidence"]
    assert np.allclose(objects["balance_contribution"], balance)


def test_the_networks_opinion_decides_where_it_was_asked():
    image, labels = IMAGES["520x696_2"][0]
    wrong, _ = merged(labels, 0.3, np.random.default_rng(0))
    found = [
        scored({"A01": [(image, each)]}, shipped_model(), ask=True).objects
        for each in (labels, wrong)
    ]
    assert (found[0]["evidence"] == "all").all()
    assert found[1]["merge_evidence"].mean() > found[0]["merge_evidence"].mean() + 0.02
    assert found[1]["balance_network"].mean() < found[0]["balance_network"].mean() - 0.02


def missed_after_drops(model, group="256x256_4"):
    image, labels = IMAGES[group][0]
    found = []
    for share in (0.0, 0.2, 0.5):
        left = plant_drops(labels, share, np.random.default_rng(0))
        candidates = scored({"A01": [(image, left)]}, model, ask=True).candidates
        found.append(candidates["missed_evidence"].sum())
    return found, labels.max()


def test_the_more_objects_are_dropped_the_more_missed_ones_are_expected():
    (none, some, half), _ = missed_after_drops(small_model())
    assert none < some < half


@pytest.mark.parametrize("group", ["256x256_1", "256x256_4"])
def test_the_shipped_evidence_counts_the_missed_objects(group):
    (none, _, half), number = missed_after_drops(shipped_model(), group)
    assert none < 0.1 * number
    assert half - none == pytest.approx(0.5 * number, rel=0.35)


def test_a_field_without_any_label_still_has_its_candidates():
    image, labels = IMAGES["256x256_4"][0]
    objects, candidates = scored({"A01": [(image, np.zeros_like(labels))]}, ask=True)
    assert objects.empty and {*VARIANT_COLUMNS, "right_evidence"} <= set(objects)
    assert len(candidates) > 0.5 * labels.max()
    assert np.isfinite(candidates["missed_evidence"]).all()


def test_a_parent_without_a_child_is_missed_for_certain():
    image, labels = IMAGES["256x256_4"][0]
    objects, pairs, candidates = features_of_wells({"A01": [(image, labels)]})
    assert candidates.empty
    parents = with_field(childless_parents(np.where(labels == 1, 0, labels), labels), "A01", 1)
    found = score_plate(objects, pairs, parents, CLASSES, small_model()).candidates
    assert found["found_by"].tolist() == [PARENT] and found["missed_evidence"].tolist() == [1.0]


def test_a_control_class_of_smaller_nuclei_is_held_against_its_own_typical_object():
    one, two = (IMAGES["256x256_4"][k] for k in (0, 1))
    small = tuple(
        ndimage.zoom(each, 0.6, order=order) for each, order in zip(two, (1, 0), strict=True)
    )
    objects = scored({"A01": [one], "B01": [small]}, shipped_model()).objects
    changed = objects["balance_own_references"] != objects["balance_image"]
    assert changed[objects["Metadata_Well"] == "B01"].mean() > 0.2


def test_the_shipped_model_is_plain_data_that_saves_to_the_same_bytes(tmp_path):
    model = shipped_model()
    model.save(tmp_path / "again.npz")
    assert EvidenceModel.load(tmp_path / "again.npz").lacking_per_merge == model.lacking_per_merge
    with np.load(MODEL, allow_pickle=False) as one, np.load(tmp_path / "again.npz") as other:
        assert one.files == other.files
        assert all(np.array_equal(one[name], other[name]) for name in one.files)


def test_a_pair_of_an_object_that_is_not_there_is_refused():
    image, labels = IMAGES["256x256_1"][0]
    objects, pairs, candidates = features_of_wells({"A01": [(image, labels)]})
    lost = objects[objects[NUMBER] != pairs[NEIGHBOUR].iloc[0]]
    with pytest.raises(ValueError, match="table of objects lacks"):
        score_plate(lost, pairs, candidates, model=small_model())
    with pytest.raises(ValueError, match="objects lacks Metadata_Well"):
        score_plate(objects.drop(columns="Metadata_Well"), pairs, candidates)
    with pytest.raises(ValueError, match="candidates lacks candidate"):
        score_plate(objects, pairs, candidates.drop(columns="candidate"))
