"""One image against its reference: worked by hand, by others' code, by planted errors, at edges."""

import json
import re
from pathlib import Path

import evaluation_cases
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from levelfield.evaluation import assign, evaluate_image
from levelfield.labels.overlap import Overlap, count_overlap, number_labels

JUDGED = json.loads((Path(__file__).parents[1] / "references" / "evaluation.json").read_text())[
    "cases"
]
CASES = [(name, kind) for name in JUDGED for kind in JUDGED[name]]
PERCENTS = range(50, 100, 5)


@pytest.fixture(scope="module")
def evaluated():
    """Every judged case, evaluated once: {(name, kind): (prediction, reference, evaluation)}."""
    result = {}
    for name in JUDGED:
        reference, predictions = evaluation_cases.predicted_cases(name)
        for kind, prediction in predictions.items():
            evaluation = evaluate_image(prediction, reference)
            result[name, kind] = prediction, reference, evaluation
    return result


def strip(*runs, length=30):
    """A label image of one row; runs are (first, last) columns of objects 1, 2, …"""
    labels = np.zeros((1, length), np.int32)
    for number, (first, last) in enumerate(runs, 1):
        labels[0, first : last + 1] = number
    return labels


# ---------------------------------------------------------------- worked by hand
# Objects of the reference: A 10 px, B 10 px, C 4 px. P1 has 8 px of A; P2 has 2 of A and 6 of B;
# P3 has 4 of B and 2 of background; nothing finds C; P4 lies on background.
REFERENCE = strip((0, 9), (10, 19), (22, 25))
PREDICTION = strip((0, 7), (8, 15), (16, 21), (27, 28))
BY_HAND = {
    "n_reference": 3,
    "n_prediction": 4,
    "n_matched": 2,
    "n_splits": 1,  # P2 and P3 are mostly in B
    "n_excess_fragments": 1,
    "n_merges": 0,
    "n_lacking_objects": 0,
    "n_missed": 1,
    "n_extra": 1,
    "caicedo_splits": 2,  # A: .8 and .125; B: .5 and .333
    "caicedo_merges": 1,  # P2
    "caicedo_missed": 2,  # B and C have no IoU above .7
    "ap_50": 2 / 5,  # A with P1: 8/10, B with P2: 6/12
    "ap_55": 1 / 6,
    "ap_80": 1 / 6,
    "ap_85": 0,
    "mean_ap": (2 / 5 + 6 * 1 / 6) / 10,
    "f1_50": 4 / 7,
    "f1_55": 2 / 7,
    "precision": 2 / 4,
    "recall": 2 / 3,
    "panoptic_quality": (0.8 + 0.5) / (2 + 2 / 2 + 1 / 2),
    "segmentation_quality": 0.65,
    "seg": (0.8 + 0.5 + 0) / 3,
    "det": 1 - (10 * 1 + 1 * 2) / (10 * 3),
    "aggregated_jaccard": (8 + 6) / (10 + 12 + 4 + 6 + 2),
    "aggregated_jaccard_cellpose": (8 + 6) / 28,
    "mean_boundary_iou": (0.8 + 0.5) / 3,  # one row of pixels is all boundary
    "mean_intersection_over_reference": (0.8 + 0.6 + 0) / 3,
    "agreement": 1 / 4,
    "split_rate": 1 / 4,
    "merge_rate": 0,
    "extra_rate": 1 / 4,
    "missed_rate": 1 / 3,
    "balance_pp": 25,
}


@pytest.mark.parametrize("score", BY_HAND)
def test_scores_of_a_strip_worked_by_hand(score):
    scores = evaluate_image(PREDICTION, REFERENCE).scores
    assert scores[score] == pytest.approx(BY_HAND[score], abs=1e-14)


def test_object_table_of_the_strip_worked_by_hand():
    evaluation = evaluate_image(PREDICTION, REFERENCE)
    predicted, reference = evaluation.predicted_objects, evaluation.reference_objects
    assert predicted["match_label"].tolist() == [1, 2, 0, 0]
    assert predicted["iou"].tolist() == [0.8, 0.5, 4 / 12, 0]
    assert predicted["is_fragment"].tolist() == [False, True, True, False]
    assert predicted["is_extra"].tolist() == [False, False, False, True]
    assert predicted["size_area_px"].tolist() == [10, 10, 6, 2]
    assert reference["match_label"].tolist() == [1, 2, 0]
    assert reference["n_parts"].tolist() == [1, 2, 0]
    assert reference["is_missed"].tolist() == [False, False, True]
    assert reference["intersection_over_reference"].tolist() == [0.8, 0.6, 0]


def test_a_merge_worked_by_hand():
    # One object holds 10 of 10, 10 of 10 and 1 of 4 px: a merge of two, lacking one.
    evaluation = evaluate_image(strip((0, 22)), REFERENCE)
    scores = evaluation.scores
    assert (scores["n_merges"], scores["n_lacking_objects"], scores["n_splits"]) == (1, 1, 0)
    assert scores["n_missed"] == 1
    assert scores["balance_pp"] == -100
    assert scores["det"] == pytest.approx(1 - (5 + 10) / 30)
    assert evaluation.reference_objects["is_merged"].tolist() == [True, True, False]
    assert scores["seg"] == pytest.approx((10 / 23 + 10 / 23 + 0) / 3)


def square(side, centre=16, size=32):
    labels = np.zeros((size, size), np.int32)
    low = centre - side // 2
    labels[low : low + side, low : low + side] = 1
    return labels


def test_outline_distances_of_squares_worked_by_hand():
    # 12 px around 10 px: of the outer outline's 44 px, 40 are 1 px and 4 corners √2 px away; each
    # of the inner outline's 36 px lies 2 px from the outside, one px further in than its own edge.
    scores = evaluate_image(square(12), square(10)).scores
    root = np.sqrt(2)
    assert scores["hausdorff95_px"] == pytest.approx(root, abs=1e-14)
    assert scores["boundary_bias_px"] == pytest.approx(((40 + 4 * root) / 44 + 1) / 2, abs=1e-14)
    smaller = evaluate_image(square(10), square(12)).scores
    assert smaller["boundary_bias_px"] == pytest.approx(-scores["boundary_bias_px"], abs=1e-14)


def test_a_very_wrong_threshold_is_measured_though_nothing_matches():
    # An IoU of 10² / 15² = 0.44 is no match; 10² / 17² = 0.35 is too little to compare outlines.
    scores = evaluate_image(square(15), square(10)).scores
    assert scores["n_matched"] == 0
    assert 2 < scores["boundary_bias_px"] < 3
    assert np.isnan(evaluate_image(square(17), square(10)).scores["boundary_bias_px"])


def test_boundary_iou_of_squares_worked_by_hand():
    # Bands of 2 px: 12² − 8² = 80 and 10² − 6² = 64 px, sharing 10² − 8² = 36.
    scores = evaluate_image(square(12), square(10)).scores
    assert scores["mean_boundary_iou"] == pytest.approx(36 / (80 + 64 - 36), abs=1e-14)


# ---------------------------------------------------------------- independent implementations
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_equals_stardist_cellpose_ctc_and_medpy(evaluated, name, kind):
    prediction, _, evaluation = evaluated[name, kind]
    judged, scores = JUDGED[name][kind], evaluation.scores
    assert prediction.sum(dtype=np.int64) == judged["label_sum"], "the case itself has changed"
    counts = zip(
        PERCENTS,
        judged["stardist_true_positives"],
        judged["stardist_false_positives"],
        judged["stardist_false_negatives"],
        judged["cellpose_true_positives"],
        strict=True,
    )
    for percent, true, false, missed, true_cellpose in counts:
        assert true == true_cellpose
        assert scores[f"ap_{percent}"] == pytest.approx(true / (true + false + missed), abs=1e-12)
        f1 = 2 * true / (2 * true + false + missed)
        assert scores[f"f1_{percent}"] == pytest.approx(f1, abs=1e-12)
    for ours, theirs in {
        "panoptic_quality": "stardist_panoptic_quality",
        "aggregated_jaccard_cellpose": "cellpose_aggregated_jaccard",
        "seg": "ctc_seg",
        "det": "ctc_det",
    }.items():
        assert scores[ours] == pytest.approx(judged[theirs], abs=1e-12), theirs
    objects = evaluation.reference_objects.set_index("Metadata_ObjectNumber")
    for label, match, distance in judged.get("medpy_hausdorff95", []):
        # Where two halves tie at an IoU of exactly 0.5, either is a right match.
        if objects.loc[label, "match_label"] == match:
            assert objects.loc[label, "hausdorff95_px"] == pytest.approx(distance, abs=1e-12)
        else:
            assert objects.loc[label, "iou"] == 0.5


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_equals_the_published_definitions_by_brute_force(evaluated, name, kind):
    prediction, reference, evaluation = evaluated[name, kind]
    expected = brute_force(prediction, reference)
    for score, value in expected.items():
        assert evaluation.scores[score] == pytest.approx(value, abs=1e-12), score


def brute_force(prediction, reference):
    """Full overlap matrices, as the definitions read: rows are predictions, columns references."""
    p_labels, g_labels = (np.unique(x[x > 0]) for x in (prediction, reference))
    shared = np.array(
        [[np.sum((prediction == p) & (reference == g)) for g in g_labels] for p in p_labels]
        if prediction.size < 70_000
        else overlap_by_histogram(prediction, reference)
    )
    p_area, g_area = (
        np.array([np.sum(image == label) for label in labels])
        for image, labels in ((prediction, p_labels), (reference, g_labels))
    )
    inside, covered = shared / p_area[:, None], shared / g_area
    union = p_area[:, None] + g_area - shared
    iou = shared / union
    n_fragments = ((inside >= 0.5) & (covered >= 0.1)).sum(axis=0)
    n_held = ((covered >= 0.5) & (inside >= 0.1)).sum(axis=1)
    excess = (n_fragments[n_fragments >= 2] - 1).sum()
    lacking = (n_held[n_held >= 2] - 1).sum()
    noticeable = (shared * (covered >= 0.1)).sum(axis=0) / g_area
    best = iou.argmax(axis=0)
    found = iou.max(axis=0) > 0
    columns = np.arange(len(g_area))
    unused = np.setdiff1d(np.arange(len(p_area)), best[found])
    jaccard_union = np.where(found, union[best, columns], g_area).sum() + p_area[unused].sum()
    return {
        "n_splits": (n_fragments >= 2).sum(),
        "n_excess_fragments": excess,
        "n_merges": (n_held >= 2).sum(),
        "n_lacking_objects": lacking,
        "n_missed": ((n_fragments < 2) & (noticeable < 0.5)).sum(),
        "n_extra": (shared.sum(axis=1) / p_area < 0.3).sum(),
        "balance_pp": 100 * (excess - lacking) / len(p_area),
        "caicedo_splits": ((iou > 0.1).sum(axis=0) > 1).sum(),
        "caicedo_merges": ((iou > 0.1).sum(axis=1) > 1).sum(),
        "caicedo_missed": ((iou > 0.7).sum(axis=0) == 0).sum(),
        "aggregated_jaccard": shared[best, columns][found].sum() / jaccard_union,
    }


def overlap_by_histogram(prediction, reference):
    p_labels, p = np.unique(prediction, return_inverse=True)
    g_labels, g = np.unique(reference, return_inverse=True)
    counts = np.zeros((len(p_labels), len(g_labels)), int)
    np.add.at(counts, (p.ravel(), g.ravel()), 1)
    return counts[1:, 1:]


def test_boundary_iou_equals_eroded_masks(evaluated):
    prediction, reference, evaluation = evaluated[next(iter(JUDGED)), "planted_shifted"]
    matched = evaluation.reference_objects.query("match_label > 0")
    assert len(matched) > 10
    for row in matched.itertuples():
        bands = [
            mask & ~ndimage.binary_erosion(mask, np.ones((3, 3)), iterations=2, border_value=0)
            for mask in (prediction == row.match_label, reference == row.Metadata_ObjectNumber)
        ]
        expected = (bands[0] & bands[1]).sum() / (bands[0] | bands[1]).sum()
        assert row.boundary_iou == pytest.approx(expected, abs=1e-12)


def test_boundary_bias_equals_distance_maps_of_each_pair(evaluated):
    """The same definition with full distance maps per object, as an image analyst would write."""
    prediction, reference, evaluation = evaluated[next(iter(JUDGED)), "too_large"]
    compared = evaluation.reference_objects.query("match_label > 0")
    compared = compared.dropna(subset=["boundary_bias_px"])
    assert len(compared) > 10
    cross = ndimage.generate_binary_structure(2, 1)
    for row in compared.itertuples():
        masks = prediction == row.match_label, reference == row.Metadata_ObjectNumber
        others = ((prediction > 0) & ~masks[0]) | ((reference > 0) & ~masks[1])
        seen = ~ndimage.binary_dilation(others, cross, iterations=2)
        offsets = []
        for mine, other in (masks, masks[::-1]):
            edge = mine & ~ndimage.binary_erosion(mine, cross) & seen
            out = ndimage.distance_transform_edt(~other)
            within = ndimage.distance_transform_edt(other)
            offsets.append(np.where(other, 1 - within, out)[edge].mean())
        expected = (offsets[0] - offsets[1]) / 2
        assert row.boundary_bias_px == pytest.approx(expected, abs=1e-12)


# ---------------------------------------------------------------- planted errors
@pytest.mark.parametrize("name", JUDGED)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_planted_errors_are_counted_exactly(name, seed):
    _, reference = evaluation_cases.load(name)
    prediction, planted = evaluation_cases.plant_errors(reference, np.random.default_rng(seed))
    assert planted["splits"] > planted["merges"] > 0
    scores = evaluate_image(prediction, reference).scores
    found = {error: scores[f"n_{error}"] for error in planted}
    assert found == planted
    n_prediction = len(np.unique(prediction)) - 1
    surplus = planted["splits"] - planted["merges"]
    assert scores["balance_pp"] == pytest.approx(100 * surplus / n_prediction, abs=1e-12)
    assert scores["caicedo_splits"] == planted["splits"]
    assert scores["caicedo_merges"] == planted["merges"]


@pytest.mark.parametrize("shift_px", [-1, 1, 2])
def test_boundary_bias_finds_how_far_real_masks_were_moved(shift_px):
    _, reference = evaluation_cases.load(next(iter(JUDGED)))
    distance = ndimage.distance_transform_edt(reference == 0)
    if shift_px > 0:
        _, nearest = ndimage.distance_transform_edt(reference == 0, return_indices=True)
        moved = np.where(distance <= shift_px, reference[tuple(nearest)], 0)
    else:
        moved = np.where(ndimage.distance_transform_edt(reference > 0) > -shift_px, reference, 0)
    bias = evaluate_image(moved, reference).scores["boundary_bias_px"]
    # On a pixel grid diagonal edges move less than upright ones: by √2 where those move by 2 px.
    assert bias == pytest.approx(shift_px, rel=0.2)
    assert evaluate_image(reference, reference).scores["boundary_bias_px"] == 0


def test_the_guide_defines_every_score_and_no_other():
    guide = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text()
    definitions = guide[guide.index("| score | definition") :].split("\n\n")[0]
    defined = {name for row in definitions.splitlines() for name in re.findall(r"`(\w+)`", row)}
    scores = evaluate_image(PREDICTION, REFERENCE).scores.keys()
    steps = {f"{kind}_{percent}" for kind in ("ap", "f1") for percent in PERCENTS}
    totals = {"n_reference", "n_prediction", "n_matched"}
    assert defined - steps == scores - steps - totals


# ---------------------------------------------------------------- edges of the definitions
EMPTY = np.zeros((1, 30), np.int32)


def test_an_empty_prediction_misses_everything():
    scores = evaluate_image(EMPTY, REFERENCE).scores
    zero = ["ap_50", "mean_ap", "f1_50", "recall", "panoptic_quality", "seg", "det"]
    assert [scores[name] for name in [*zero, "aggregated_jaccard"]] == [0] * 8
    assert (scores["n_missed"], scores["missed_rate"]) == (3, 1)
    undefined = ["precision", "segmentation_quality", "split_rate", "balance_pp", "agreement"]
    assert np.isnan([scores[name] for name in undefined]).all()


def test_an_empty_reference_makes_everything_extra():
    scores = evaluate_image(PREDICTION, EMPTY).scores
    zero = ["ap_50", "mean_ap", "f1_50", "precision", "panoptic_quality", "aggregated_jaccard"]
    assert [scores[name] for name in zero] == [0] * 6
    assert (scores["n_extra"], scores["extra_rate"], scores["balance_pp"]) == (4, 1, 0)
    assert np.isnan([scores[name] for name in ["recall", "seg", "det", "missed_rate"]]).all()


def test_two_empty_images_say_nothing():
    scores = evaluate_image(EMPTY, EMPTY).scores
    counts = {name: value for name, value in scores.items() if name.startswith(("n_", "caicedo_"))}
    assert set(counts.values()) == {0}
    assert all(np.isnan(scores[name]) for name in scores.keys() - counts.keys())


def test_one_pixel_objects_are_objects():
    labels = np.zeros((9, 9), np.int32)
    labels[2, 2], labels[6, 6] = 1, 2
    scores = evaluate_image(labels, labels).scores
    assert scores["mean_ap"] == scores["seg"] == scores["mean_boundary_iou"] == 1
    assert scores["hausdorff95_px"] == 0
    # Fewer than five edge pixels are too few for a mean distance.
    assert np.isnan(scores["boundary_bias_px"])


def test_an_object_that_fills_the_image_has_scores_but_no_visible_edge():
    labels = np.ones((20, 20), np.int32)
    scores = evaluate_image(labels, labels).scores
    assert scores["mean_ap"] == scores["mean_boundary_iou"] == 1
    assert np.isnan(scores["boundary_bias_px"])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64", "uint64"])
def test_dtypes_label_gaps_and_memory_order_do_not_matter(dtype):
    plain = evaluate_image(PREDICTION, REFERENCE).scores
    gaps = np.array([0, 7, 30, 31, 90])
    prediction = np.asfortranarray(gaps[PREDICTION].astype(dtype))
    assert evaluate_image(prediction, (REFERENCE * 50).astype(dtype)).scores == pytest.approx(
        plain, nan_ok=True
    )


def test_labels_of_two_thousand_million_need_no_more_memory():
    huge = np.where(REFERENCE > 0, REFERENCE.astype(np.int64) + 2**31, 0)
    evaluation = evaluate_image(huge, REFERENCE)
    assert evaluation.scores["mean_ap"] == 1
    assert evaluation.predicted_objects["Metadata_ObjectNumber"][0] == 2**31 + 1


@pytest.mark.parametrize(
    ("prediction", "reference", "message"),
    [
        (PREDICTION[:, :-1], REFERENCE, r"\(1, 29\).*\(1, 30\).*Crop"),
        (PREDICTION.astype(float), REFERENCE, r"prediction has dtype float64.*astype"),
        (PREDICTION, REFERENCE > 0, r"reference has dtype bool.*label"),
        (PREDICTION, -REFERENCE, r"reference holds the negative label -3.*set"),
        (PREDICTION[None], REFERENCE[None], r"3 dimensions.*one plane"),
    ],
)
def test_bad_labels_are_refused_with_a_remedy(prediction, reference, message):
    with pytest.raises(ValueError, match=message):
        evaluate_image(prediction, reference)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"criterion": "dice"}, "Unknown criterion 'dice'.*boundary_iou"),
        ({"matching": "hungarian"}, "Unknown matching 'hungarian'.*greedy"),
        ({"boundary_width": 0}, "0 px wide.*at least 1"),
        ({"boundary_width": 1.5}, "1.5 px wide.*whole number"),
    ],
)
def test_unknown_options_are_refused(option, message):
    with pytest.raises(ValueError, match=message):
        evaluate_image(PREDICTION, REFERENCE, **option)


# ---------------------------------------------------------------- matching
def test_intersection_over_reference_forgives_what_is_too_large():
    scores = evaluate_image(square(20), square(10)).scores
    forgiving = evaluate_image(square(20), square(10), criterion="intersection_over_reference")
    assert scores["ap_50"] == 0
    assert forgiving.scores["ap_95"] == 1
    assert forgiving.scores["panoptic_quality"] == 1


def test_boundary_iou_punishes_more_than_mask_iou():
    by_mask = evaluate_image(square(20), square(18)).scores
    by_boundary = evaluate_image(square(20), square(18), criterion="boundary_iou").scores
    assert by_mask["ap_80"] == 1
    assert by_boundary["ap_50"] == 0


def test_optimal_matching_finds_two_pairs_where_greedy_finds_one():
    overlap = Overlap(
        prediction=np.array([0, 0, 1]),
        reference=np.array([0, 1, 0]),
        intersection=np.array([6, 4, 4]),
        prediction_areas=np.array([10, 10]),
        reference_areas=np.array([10, 10]),
    )
    # Two matches of 0.4 count for more than one of 0.9.
    score = np.array([0.9, 0.4, 0.4])
    assert assign(overlap, score, 0.4, "optimal").tolist() == [False, True, True]
    assert assign(overlap, score, 0.4, "greedy").tolist() == [True, False, False]


LABELS = hnp.arrays(np.int32, (12, 12), elements=st.integers(0, 6))


@settings(max_examples=60, deadline=None)
@given(LABELS, LABELS, st.sampled_from([0.1, 0.25, 0.5]))
def test_optimal_matching_equals_the_full_assignment_problem(prediction, reference, threshold):
    overlap = count_overlap(number_labels(prediction, "p"), number_labels(reference, "r"))
    assigned = assign(overlap, overlap.iou, threshold)
    iou = np.zeros((len(overlap.prediction_areas), len(overlap.reference_areas)))
    iou[overlap.prediction, overlap.reference] = overlap.iou
    if iou.size == 0:
        assert not assigned.any()
        return
    best = linear_sum_assignment(-(iou >= threshold).astype(float) - iou / (2 * min(iou.shape)))
    assert (iou[best] >= threshold).sum() == (overlap.iou[assigned] >= threshold).sum()
    assert overlap.iou[assigned].sum() == pytest.approx(iou[best].sum(), abs=1e-9)
    for side in (overlap.prediction, overlap.reference):
        assert len(np.unique(side[assigned])) == assigned.sum()


@settings(max_examples=25, deadline=None)
@given(LABELS, LABELS)
def test_scores_keep_their_bounds_and_symmetries(prediction, reference):
    scores = evaluate_image(prediction, reference).scores
    swapped = evaluate_image(reference, prediction).scores
    turned = evaluate_image(prediction.T, reference.T).scores
    greedy = evaluate_image(prediction, reference, matching="greedy").scores
    for name in ("mean_ap", "mean_f1", "panoptic_quality", "segmentation_quality"):
        assert scores[name] == pytest.approx(swapped[name], nan_ok=True)
    assert turned == pytest.approx(scores, nan_ok=True)
    assert greedy["ap_55"] == pytest.approx(scores["ap_55"], nan_ok=True)
    fractions = pd.Series(scores).drop(
        [name for name in scores if name.startswith(("n_", "caicedo_")) or name.endswith("_px")]
    )
    bounded = fractions.drop("balance_pp").dropna()
    assert bounded.between(0, 1).all()
    assert not scores["n_splits"] or scores["split_rate"] > 0


# Where two partners tie, the order of the labels decides, and these scores depend on which it is.
DECIDED_BY_TIES = {
    "aggregated_jaccard",
    "aggregated_jaccard_cellpose",
    "mean_boundary_iou",
    "mean_intersection_over_reference",
    "boundary_bias_px",
    "hausdorff95_px",
}
THREE_BLOCKS = np.kron(np.array([[1, 2], [0, 3]]), np.ones((6, 6), int))


@settings(max_examples=25, deadline=None)
@given(LABELS, st.permutations(range(1, 7)))
def test_renumbering_objects_changes_no_score(labels, order):
    renumbered = np.array([0, *order])[labels]
    before = evaluate_image(labels, THREE_BLOCKS).scores
    after = evaluate_image(renumbered, THREE_BLOCKS).scores
    for name in before.keys() - DECIDED_BY_TIES:
        assert after[name] == pytest.approx(before[name], nan_ok=True), name
