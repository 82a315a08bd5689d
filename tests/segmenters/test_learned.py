"""Small models of other segmenters, trained here, find nuclei that they have never seen."""

import numpy as np
import pytest
from conftest import average_precision
from nuclei import held_out_images

from levelfield.segmentation.registry import segment_images, segment_objects


@pytest.mark.parametrize("method", ["mask_rcnn", "cellpose3", "instanseg"])
def test_nuclei_are_found(method, load, request):
    model = load(method, request.getfixturevalue(f"{method}_file"))
    assert np.mean(average_precision(method, model)) >= 0.5


@pytest.mark.parametrize("method", ["cellpose3", "instanseg"])
def test_labels_do_not_depend_on_what_is_segmented_together(method, load, request):
    model = load(method, request.getfixturevalue(f"{method}_file"))
    images = [image[None] for image, _ in held_out_images()]
    together = segment_images(images, method, {}, [{"model": model}] * len(images))
    for image, result in zip(images, together, strict=True):
        alone = segment_objects(image, method, {}, {"model": model})
        np.testing.assert_array_equal(alone.labels, result.labels)


def test_what_one_object_set_asks_of_a_model_does_not_stay_for_the_next(load, request):
    model = load("cellpose3", request.getfixturevalue("cellpose3_file"))
    image = held_out_images()[0][0][None]

    def labels(**parameters):
        return segment_objects(image, "cellpose3", parameters, {"model": model}).labels

    first, other, again = (
        labels(diameter=15),
        labels(diameter=15, model_diameter=30),
        labels(diameter=15),
    )
    assert (first != other).any()
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize(
    ("method", "says"), [("cellpose3", "1 channel, or 2"), ("instanseg", "method instanseg")]
)
def test_an_image_that_does_not_fit_is_refused(method, says, load, request):
    model = load(method, request.getfixturevalue(f"{method}_file"))
    image = np.zeros((5, 64, 64), np.float32)
    with pytest.raises(ValueError, match=says):
        segment_objects(image, method, {}, {"model": model})


def test_a_file_that_is_no_model_is_refused(load, tmp_path):
    (tmp_path / "model").write_bytes(b"nothing")
    for method in ("cellpose3", "instanseg"):
        with pytest.raises(ValueError, match=f"method {method}"):
            load(method, tmp_path / "model")
