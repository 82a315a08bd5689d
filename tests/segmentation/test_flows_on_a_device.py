"""Flows that a device follows itself: they end where those end that the CPU follows.

The device is torch on the CPU, with tiles and batches as on a GPU.
"""

from dataclasses import replace

import numpy as np
import pytest
from evaluation_cases import image_index, load
from real_images import REPOSITORY

torch = pytest.importorskip("torch")

from levelfield.evaluation import evaluate_image  # noqa: E402
from levelfield.segmentation.decoders.flow import follow_to_the_end  # noqa: E402
from levelfield.segmentation.elsewhere import mapped_by  # noqa: E402
from levelfield.segmentation.networks.unet import load_network  # noqa: E402
from levelfield.segmentation.networks.unet_flows import FollowingModel, follow  # noqa: E402
from levelfield.segmentation.networks.unet_runtime import prepare  # noqa: E402
from levelfield.segmentation.registry import segment_images  # noqa: E402
from levelfield.segmentation.small_network.inference import NetworkModel  # noqa: E402

WEIGHTS = REPOSITORY / "levelfield" / "weights" / "nuclei.safetensors"


@pytest.fixture(scope="module")
def images():
    index = image_index()
    names = index.loc[index["group"] == "256x256_3", "name"].iloc[:3]
    return [load(name)[0].astype(np.float32)[None] / 255 for name in names]


def runtime(**options):
    return replace(prepare(load_network(WEIGHTS)[0], torch.device("cpu")), **options)


def ends_of(flow, mask):
    expected = follow_to_the_end(flow, mask, np.flatnonzero(mask))
    return follow(torch.from_numpy(flow), torch.from_numpy(mask)).numpy(), expected


@pytest.mark.parametrize("strength", [0.3, 1.0, 3.0])
def test_every_pixel_ends_where_the_cpu_has_it_end(strength):
    """Whirls, sinks and steps across the border, of random flows: the same pixel each time."""
    rng = np.random.default_rng(0)
    flow = (strength * rng.normal(0, 1, (2, 60, 80))).astype(np.float32)
    found, expected = ends_of(flow, rng.random((60, 80)) < 0.7)
    np.testing.assert_array_equal(found, expected)
    nothing, _ = ends_of(flow, np.zeros((60, 80), bool))
    assert nothing.shape == (0,)


@pytest.mark.parametrize("options", [{}, {"tile": 160}])
def test_labels_are_those_of_the_decoder_on_the_cpu(options, images):
    """Given the same outputs, but for pixels whose probability half precision rounds across .5."""
    on_cpu = NetworkModel(runtime(**options), "cpu", {})
    on_device = FollowingModel(runtime(**options), "cpu", {})
    expected, found = (
        segment_images(images, "network", {"diameter": 20.0}, [{"model": model}] * len(images))
        for model in (on_cpu, on_device)
    )
    for one, other in zip(found, expected, strict=True):
        assert other.labels.max() > 5
        assert evaluate_image(one.labels, other.labels).scores["ap_90"] == 1
        assert np.mean(one.labels != other.labels) <= 1e-3


def test_the_rest_of_the_decoder_is_left_to_others(images):
    model, given = FollowingModel(runtime(), "cpu", {}), []

    def elsewhere(function, arguments):
        given.extend(arguments)
        return [function(*each) for each in arguments]

    with mapped_by(elsewhere):
        segment_images(images, "network", {"diameter": 20.0}, [{"model": model}] * len(images))
    assert len(given) == len(images)
    # What goes there is small: the flow stays on the device.
    assert all(prediction.flow.size == 0 and len(prediction.ends) for prediction, *_ in given)
