"""The shipped calibration: what it knows, and what it recognises as outside of it."""

import numpy as np
import pandas as pd
import pytest
from qc_images import load_bbbc013
from qc_plates import group_images, with_field
from scipy import ndimage

from levelfield.qc.evidence.calibration import (
    Calibration,
    Recogniser,
    indicators,
    shipped_calibration,
)
from levelfield.qc.evidence.features import field_features
from levelfield.qc.evidence.second_opinion import ask_second_opinion
from levelfield.qc.statistics.errors import DOUBTS, Constants, ErrorModel
from levelfield.questions import MEASURES
from levelfield.segmentation.registry import segment_objects


def features(image, ask=True):
    labels = segment_objects(image[None], "classical", {}).labels
    opinion = ask_second_opinion(image, labels) if ask else None
    return with_field(field_features(labels, image, opinion=opinion).objects, "A01", 1)


def within(images, **options):
    found = [
        shipped_calibration().out_of_distribution(features(image, **options)) for image in images
    ]
    return float(np.mean([each.iloc[0] == "" for each in found]))


@pytest.fixture(scope="module")
def images():
    return [image for group in ("256x256_1", "256x256_4") for image, _ in group_images(group, 4)]


def test_plain_nuclei_are_within(images):
    assert within(images) >= 0.75


@pytest.mark.parametrize("change", ["blurred", "noisy"])
def test_blurred_and_noisy_images_are_outside(images, change):
    rng = np.random.default_rng(0)
    changed = []
    for image in images:
        if change == "blurred":
            changed.append(ndimage.gaussian_filter(image, 4.0))
        else:
            spread = 0.12 * (np.percentile(image, 98) - np.median(image))
            changed.append(np.clip(image + rng.normal(0, spread, image.shape), 0, 1))
    changed = [each.astype(np.float32) for each in changed]
    segmented = [
        each for each in changed if segment_objects(each[None], "classical", {}).labels.any()
    ]
    assert len(segmented) >= 3
    assert within(segmented) <= 0.25


def test_a_cytoplasmic_stain_segmented_as_nuclei_is_outside():
    stains = [load_bbbc013(well)[1] for well in ("A01", "B01", "C01", "D01")]
    assert within(stains) <= 0.25


def test_objects_that_no_network_was_asked_about_are_never_within(images):
    assert within(images[:2], ask=False) == 0


def test_few_objects_say_nothing():
    image, labels = group_images("256x256_1", 1)[0]
    few = np.where(labels <= 3, labels, 0)
    blurred = ndimage.gaussian_filter(image, 4.0)
    opinion = ask_second_opinion(blurred, few)
    objects = with_field(field_features(few, blurred, opinion=opinion).objects, "A01", 1)
    assert (shipped_calibration().out_of_distribution(objects) == "").all()


def test_indicators_do_not_depend_on_the_order_of_objects(images):
    objects = pd.concat([features(images[0]), features(images[1]).assign(Metadata_Well="A02")])
    pd.testing.assert_frame_equal(indicators(objects), indicators(objects[::-1]))


def test_a_saved_calibration_is_the_same(tmp_path):
    model = ErrorModel(0.01, 0.2, {"contrast": 0.05, "variants": 0.6})
    constants = Constants(
        calibrated=True,
        slope=1.2,
        floor=0.03,
        error_class=model,
        error_difference=ErrorModel(0.02),
        degrees_of_freedom=12.0,
        between_wells=0.01,
        of_right=True,
    )
    known = Calibration(
        {("agreement", "nuclei", "network"): constants},
        (Recogniser("blurred", {"sharpness": -1.5, "grain": -0.25}, 2.5),),
    )
    known.save(tmp_path / "again.json")
    assert Calibration.load(tmp_path / "again.json") == known


def test_nuclei_by_all_calibrated_segmenters_have_constants_for_every_measure():
    known = shipped_calibration().constants
    for measure in MEASURES:
        for method in ("classical", "network", "cellpose-like"):
            constants = known[measure, "nuclei", method]
            assert constants.calibrated
            assert constants.slope > 0
            assert constants.of_right == (measure == "agreement")
            for model in (constants.error_class, constants.error_difference):
                assert model.constant > 0 and 0 <= model.of_value < 0.5
                assert set(model.of_doubts) <= set(DOUBTS)
                assert min(model.of_doubts.values(), default=0) >= 0
    assert not any(method == "cellpose" for _, _, method in known)
    assert not any(kind == "cells" for _, kind, _ in known)


def test_several_reasons_are_all_named(images):
    objects = features(images[0], ask=True)
    always = [Recogniser(reason, {"contrast": 1.0}, -100.0) for reason in ("blurred", "noisy")]
    assert Calibration({}, tuple(always)).out_of_distribution(objects).tolist() == [
        "blurred; noisy"
    ]
    never = Recogniser("crowded", {"contrast": 1.0}, 100.0)
    assert Calibration({}, (never,)).out_of_distribution(objects).tolist() == [""]
