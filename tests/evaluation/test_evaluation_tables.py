"""Many images: what a row is, how groups and size classes are formed, and the picture of them."""

import evaluation_cases
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from levelfield.evaluation import evaluate_image, evaluate_images, evaluation_tables, summarise
from levelfield.evaluation.picture import draw_evaluation

SIZES = ["small", "medium", "large"]


def wells():
    """Two wells of real images with planted errors, and an empty third field."""
    names = evaluation_cases.example_names()[:4]
    for number, name in enumerate(names):
        _, reference = evaluation_cases.load(name)
        prediction, _ = evaluation_cases.plant_errors(reference, np.random.default_rng(number))
        control = "negcon" if number < 2 else "poscon"
        well = {"Metadata_Well": f"A0{1 + number // 2}", "Metadata_Site": number}
        yield {**well, "Metadata_ControlType": control}, prediction, reference
    empty = np.zeros((20, 20), np.int32)
    fields = {"Metadata_Well": "A01", "Metadata_Site": 9, "Metadata_ControlType": "negcon"}
    yield fields, empty, empty


@pytest.fixture(scope="module")
def tables():
    return evaluation_tables(wells(), by=["Metadata_ControlType"])


def test_image_rows_equal_each_image_evaluated_alone(tables):
    whole = tables.images[tables.images["size_class"] == "all"].reset_index(drop=True)
    assert len(whole) == 5
    for number, (metadata, prediction, reference) in enumerate(wells()):
        row = whole.loc[number]
        assert row[list(metadata)].to_dict() == metadata
        scores = evaluate_image(prediction, reference).scores
        assert row[list(scores)].to_dict() == pytest.approx(scores, nan_ok=True)


def test_an_image_without_objects_keeps_its_rows_and_stays_out_of_means(tables):
    empty = tables.images[tables.images["Metadata_Site"] == 9]
    assert empty["size_class"].tolist() == ["all", *SIZES]
    assert empty["n_reference"].tolist() == [0] * 4
    assert empty["ap_50"].isna().all()
    mean = row_of(tables.groups, "negcon", "all", "mean_of_images")
    others = tables.images.query("size_class == 'all' and Metadata_Site < 2")
    assert mean["n_images"] == 3
    assert mean["ap_50"] == pytest.approx(others["ap_50"].mean())
    assert mean["n_splits"] == pytest.approx(others["n_splits"].sum() / 3)


def row_of(groups, control, size, statistic):
    rows = groups[
        (groups["Metadata_ControlType"] == control)
        & (groups["size_class"] == size)
        & (groups["statistic"] == statistic)
    ]
    assert len(rows) == 1
    return rows.iloc[0]


def test_pooled_scores_are_those_of_one_image_with_all_objects(tables):
    pairs = [(p, r) for meta, p, r in wells() if meta["Metadata_ControlType"] == "poscon"]
    mosaic = [np.zeros((400, 800), np.int32) for _ in range(2)]
    for number, pair in enumerate(pairs):
        for canvas, labels in zip(mosaic, pair, strict=True):
            place = canvas[10 : 10 + labels.shape[0], 10 + 390 * number :][:, : labels.shape[1]]
            place[:] = np.where(labels > 0, labels + 1000 * number, 0)
    scores = evaluate_image(*mosaic).scores
    pooled = row_of(tables.groups, "poscon", "all", "pooled")
    # Objects at an image's frame have no visible edge, but have one in the mosaic.
    same = scores.keys() - {"boundary_bias_px"}
    assert pooled[list(same)].to_dict() == pytest.approx({name: scores[name] for name in same})


def test_standard_deviations_are_over_images(tables):
    images = tables.images.query("size_class == 'all' and Metadata_ControlType == 'poscon'")
    row = row_of(tables.groups, "poscon", "all", "sd_of_images")
    assert row["seg"] == pytest.approx(images["seg"].std(ddof=1))


def test_size_classes_share_out_the_objects_and_their_errors(tables):
    images = tables.images
    whole = images[images["size_class"] == "all"].set_index("image")
    parts = images[images["size_class"] != "all"].groupby("image").sum(numeric_only=True)
    counts = ["n_reference", "n_prediction", "n_matched", "n_splits", "n_merges", "n_missed"]
    pd.testing.assert_frame_equal(parts[counts], whole[counts], check_names=False)
    share = (
        images.groupby("size_class", observed=True)["n_reference"].sum()
        / whole["n_reference"].sum()
    )
    assert share["small"] == pytest.approx(0.25, abs=0.05)
    assert share["large"] == pytest.approx(0.25, abs=0.05)


def test_both_members_of_a_match_are_in_the_class_of_the_reference_object():
    reference = np.zeros((40, 40), np.int32)
    reference[5:15, 5:15], reference[20:35, 20:35] = 1, 2
    prediction = np.zeros_like(reference)
    prediction[5:18, 5:15], prediction[20:35, 20:35] = 1, 2
    objects, images = evaluate_images([({}, prediction, reference)], size_edges_px=(110, 200))
    assert objects["size_class"].tolist() == ["small", "large"] * 2
    small = images[images["size_class"] == "small"].iloc[0]
    assert (small["n_prediction"], small["ap_50"]) == (1, 1)
    assert (small["area_from_px"], small["area_to_px"]) == (0, 110)


def test_the_same_tables_can_be_grouped_again(tables):
    by_well = summarise(tables.objects, tables.images, ["Metadata_Well"])
    assert by_well["Metadata_Well"].unique().tolist() == ["A01", "A02"]
    together = summarise(tables.objects, tables.images)
    pooled = together.query("size_class == 'all' and statistic == 'pooled'").iloc[0]
    whole = tables.images[tables.images["size_class"] == "all"]
    assert pooled["n_splits"] == whole["n_splits"].sum()
    assert pooled["n_images"] == 5


def test_tables_do_not_depend_on_the_order_of_images(tables):
    objects, images = evaluate_images(list(wells())[::-1])
    again = summarise(objects, images, ["Metadata_ControlType"])
    pd.testing.assert_frame_equal(again, tables.groups, check_exact=False, rtol=1e-12)


def test_a_run_of_empty_images_has_rows_and_no_scores():
    empty = np.zeros((9, 9), np.int32)
    tables = evaluation_tables([({"site": site}, empty, empty) for site in (1, 2)])
    assert len(tables.objects) == 0
    assert tables.images["n_reference"].sum() == 0
    assert tables.groups["mean_ap"].isna().all()


def test_runs_with_different_size_classes_are_not_mixed():
    runs = [evaluate_images([image(site=n)], size_edges_px=(n, 9)) for n in (1, 2)]
    with pytest.raises(ValueError, match="same size_edges_px"):
        summarise(*(pd.concat(parts) for parts in zip(*runs, strict=True)))
    runs = [evaluate_images([image(site=n)], size_edges_px=(3, 9)) for n in (1, 2)]
    both = summarise(*(pd.concat(parts) for parts in zip(*runs, strict=True)))
    assert both["n_images"].tolist() == [2] * 12


def image(**metadata):
    return metadata, np.eye(5, dtype=int), np.eye(5, dtype=int)


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ([], "no images"),
        ([image(well="A01"), image(well="A01")], "'A01'.*more than one image"),
        ([image(well="A01"), image(site=1)], r"\['site'\].*\['well'\]"),
        ([image(well="A01", seg=1)], r"\['seg'\] are columns of the evaluation"),
        ([({"well": "B02"}, np.eye(4, dtype=int), np.eye(5, dtype=int))], "'B02'.*Crop"),
    ],
)
def test_images_that_cannot_be_told_apart_or_compared_are_refused(predictions, message):
    with pytest.raises(ValueError, match=message):
        evaluate_images(predictions)


def test_unknown_groups_and_descending_size_edges_are_refused(tables):
    with pytest.raises(ValueError, match=r"Cannot group by \['Well'\].*Metadata_Well"):
        summarise(tables.objects, tables.images, ["Well"])
    with pytest.raises(ValueError, match="descend"):
        evaluate_images([image(well="A01")], size_edges_px=(200, 100))


def test_the_picture_shows_the_mean_curve_of_each_group(tables):
    figure = draw_evaluation(tables.images, ["Metadata_ControlType"])
    assert isinstance(figure, Figure)
    curve = figure.axes[0]
    drawn = [line.lines[0].get_ydata() for line in curve.containers]
    percents = [f"ap_{percent}" for percent in range(50, 100, 5)]
    for control, values in zip(["negcon", "poscon"], drawn, strict=True):
        expected = row_of(tables.groups, control, "all", "mean_of_images")[percents]
        assert values == pytest.approx(expected.to_numpy(float))
    assert len(draw_evaluation(tables.images).axes[0].containers) == 1


def test_more_groups_than_colours_are_refused(tables):
    many = pd.concat([tables.images.assign(plate=number) for number in range(9)])
    with pytest.raises(ValueError, match=r"9 groups.*8"):
        draw_evaluation(many, ["plate"])
