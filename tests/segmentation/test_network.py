"""The small network: its file, its tiles and batches, its diameters, and what it finds."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from evaluation_cases import image_index, load
from real_images import REPOSITORY
from safetensors.torch import save_file
from scipy import ndimage

from levelfield.evaluation import evaluate_image
from levelfield.images.normalisation import normalise
from levelfield.segmentation import segment_images, segment_objects
from levelfield.segmentation.decoder_options import DECODING
from levelfield.segmentation.decoders import DECODERS, READS
from levelfield.segmentation.methods.network import decode
from levelfield.segmentation.networks.unet import UNet, load_network, save_network
from levelfield.segmentation.networks.unet_runtime import prepare
from levelfield.segmentation.small_network.graph import encode_network
from levelfield.segmentation.small_network.inference import (
    NetworkModel,
    load_model,
    predict,
    predict_all,
    scale_for,
)
from levelfield.segmentation.small_network.prediction import GROUPS
from levelfield.segmentation.small_network.tiles import tiles

WEIGHTS = REPOSITORY / "levelfield" / "weights" / "nuclei.safetensors"


@pytest.fixture(scope="module")
def model():
    return load_model(WEIGHTS)


def torch_model(weights=None, **options):
    """The same network as a GPU computes it, on the CPU."""
    weights = load_network(WEIGHTS)[0] if weights is None else weights
    runtime = replace(prepare(weights, torch.device("cpu")), **options)
    return NetworkModel(runtime, "cpu", {})


@pytest.fixture(scope="module")
def nuclei():
    index = image_index()
    names = index.loc[index["group"] == "256x256_3", "name"].iloc[:4]
    return [(image.astype(np.float32) / 255, labels) for image, labels in map(load, names)]


def test_weights_survive_being_saved(tmp_path):
    torch.manual_seed(1)
    network = UNet()
    save_network(tmp_path / "own.safetensors", network.state_dict(), {"data": "none"})
    weights, facts = load_network(tmp_path / "own.safetensors")
    assert facts["data"] == "none"
    for name, tensor in network.state_dict().items():
        assert torch.allclose(weights[name], tensor.float(), rtol=1e-3, atol=1e-6), name


def test_the_shipped_weights_are_small():
    assert WEIGHTS.stat().st_size <= 6e6


def test_a_file_that_is_no_safetensors_is_refused(tmp_path):
    (tmp_path / "weights").write_bytes(b"not weights at all")
    with pytest.raises(ValueError, match="not a safetensors file"):
        load_network(tmp_path / "weights")


def test_a_pickle_is_refused(tmp_path):
    torch.save(UNet().state_dict(), tmp_path / "weights.pt")
    with pytest.raises(ValueError, match="not a safetensors file"):
        load_network(tmp_path / "weights.pt")


def test_weights_of_another_network_are_refused(tmp_path):
    save_file({"layer": torch.zeros(3)}, tmp_path / "other.safetensors", {"network": "another-1"})
    with pytest.raises(ValueError, match="weights of another-1"):
        load_network(tmp_path / "other.safetensors")


class Batches:
    """A runtime that computes several tiles at once, as on a GPU."""

    tile, overlap = 1152, 96

    def __init__(self, batch):
        self.batch, self.compute = batch, torch_model().runtime

    def __call__(self, images, groups):
        assert len(images) == self.batch
        return self.compute(images, groups)

    def rest(self):
        pass


def test_an_image_is_predicted_alike_with_whatever_else_is_in_its_batch(nuclei):
    images, runtime = [image for image, _ in nuclei], Batches(4)
    alone = next(iter(predict_all(runtime, images[:1])))
    among = next(iter(predict_all(runtime, images)))
    for name, values in vars(alone).items():
        for one, other in zip(values, getattr(among, name), strict=True):
            assert np.array_equal(one, other), name


def test_labels_do_not_depend_on_the_batch_size(nuclei):
    images = [image for image, _ in nuclei]
    for size in (2, 3):
        one_by_one = predict_all(Batches(1), images)
        together = predict_all(Batches(size), images)
        for first, second, image in zip(one_by_one, together, images, strict=True):
            labels = [decode(one, image.shape).labels for one in (first, second)]
            assert np.array_equal(*labels)


def test_onnx_runtime_says_what_torch_says(model, nuclei):
    for image, _ in nuclei:
        ours, theirs = predict(model, image), predict(torch_model(), image)
        for name, values in vars(ours).items():
            for one, other in zip(values, getattr(theirs, name), strict=True):
                assert np.allclose(one, other, rtol=1e-4, atol=1e-4), name
        segmented = [
            segment_objects(image[None], "network", {}, {"model": each}).labels
            for each in (model, torch_model())
        ]
        assert np.mean(segmented[0] != segmented[1]) <= 1e-4


def test_any_weights_of_the_network_run_without_torch(tmp_path, nuclei):
    torch.manual_seed(3)
    network = UNet()
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    save_network(tmp_path / "own.safetensors", network.state_dict(), {})
    image = nuclei[0][0]
    ours = predict(load_model(tmp_path / "own.safetensors"), image)
    theirs = predict(torch_model(load_network(tmp_path / "own.safetensors")[0]), image)
    assert np.allclose(ours.foreground, theirs.foreground, atol=1e-4)
    assert np.allclose(ours.flow, theirs.flow, atol=1e-3)


def test_the_graph_is_onnx():
    onnx = pytest.importorskip("onnx")
    weights = {name: values.numpy() for name, values in load_network(WEIGHTS)[0].items()}
    for groups in (("foreground", "flow"), tuple(GROUPS)):
        model = onnx.load_from_string(encode_network(weights, groups))
        onnx.checker.check_model(model, full_check=True)
        assert [output.name for output in model.graph.output] == list(groups)


def test_weights_that_lack_a_layer_are_refused(tmp_path):
    tensors = {
        name: values for name, values in load_network(WEIGHTS)[0].items() if "last" not in name
    }
    save_file(tensors, tmp_path / "part.safetensors", {"network": "levelfield-unet-1"})
    with pytest.raises(ValueError, match="lacks the weights 'last"):
        load_model(tmp_path / "part.safetensors")


@pytest.mark.parametrize("decoder", DECODERS)
def test_decoders_read_no_more_than_the_network_is_asked_for(model, nuclei, decoder):
    image = nuclei[0][0]
    asked = model.predict([image], None, ("foreground", *READS[decoder]))[0]
    options = DECODING[decoder]()
    whole = DECODERS[decoder](predict(model, image), options)
    assert np.array_equal(DECODERS[decoder](asked, options), whole)


def test_tiles_leave_no_seams(model, nuclei):
    image = np.block([[one[:240, :240] for one, _ in nuclei[:2]] for _ in range(2)])
    whole = decode(predict(model, image), image.shape).labels
    in_tiles = replace(model, runtime=replace(model.runtime, tile=320))
    assert len(list(tiles(image.shape, 320, model.runtime.overlap))) > 1
    tiled = decode(predict(in_tiles, image), image.shape).labels
    scores = evaluate_image(tiled, whole).scores
    assert scores["ap_70"] >= 0.97
    assert scores["split_rate"] == scores["merge_rate"] == 0


@pytest.mark.parametrize("shape", [(97, 101), (16, 16), (5, 300), (256, 255)])
def test_any_shape_is_predicted_whole(model, shape):
    image = np.random.default_rng(0).random(shape).astype(np.float32)
    prediction = predict(model, image)
    half = tuple((length + 1) // 2 for length in shape)
    assert prediction.foreground.shape == prediction.flow.shape[1:] == shape
    assert prediction.star_probability.shape == prediction.star_distances.shape[1:] == half
    maps = [each for values in vars(prediction).values() for each in values]
    assert all(np.isfinite(each).all() for each in maps)


def test_an_empty_field_has_no_objects(model):
    rng = np.random.default_rng(0)
    for level, noise in ((0.02, 0.001), (0.3, 0.02), (0.0, 0.0), (0.5, 0.1)):
        image = np.clip(rng.normal(level, noise, (1, 300, 300)), 0, 1).astype(np.float32)
        assert segment_objects(image, "network", {}, {"model": model}).labels.max() == 0


def test_exposure_does_not_change_what_is_found(model, nuclei):
    image = nuclei[0][0]
    labels = [
        segment_objects(changed[None], "network", {}, {"model": model}).labels
        for changed in (image, image * 0.1 + 0.05)
    ]
    assert evaluate_image(labels[0], labels[1]).scores["ap_90"] >= 0.95


def test_nuclei_are_found(model, nuclei):
    scores = [
        evaluate_image(
            segment_objects(image[None], "network", {}, {"model": model}).labels, reference
        ).scores["ap_50"]
        for image, reference in nuclei
    ]
    assert np.mean(scores) >= 0.8


@pytest.mark.parametrize("zoom", [0.6, 1.0, 3.0])
def test_the_diameter_of_a_plate_is_measured_at_any_magnification(model, nuclei, zoom):
    images = [ndimage.zoom(image, zoom, order=1) for image, _ in nuclei]
    areas = np.concatenate([np.bincount(labels.ravel())[1:] for _, labels in nuclei])
    true = zoom * np.median(2 * np.sqrt(areas[areas > 0] / np.pi))
    assert np.median(model.measure_diameters(images)) == pytest.approx(true, rel=0.15)


def test_large_objects_are_found_with_their_diameter(model, nuclei):
    image, reference = nuclei[0]
    large = ndimage.zoom(image, 5, order=1)
    truth = ndimage.zoom(reference, 5, order=0, mode="nearest")
    areas = np.bincount(truth.ravel())[1:]
    diameter = float(np.median(2 * np.sqrt(areas[areas > 0] / np.pi)))
    assert scale_for(diameter) < 1
    found = segment_objects(large[None], "network", {"diameter": diameter}, {"model": model})
    assert found.labels.shape == large.shape
    assert evaluate_image(found.labels, truth).scores["ap_70"] >= 0.7


def test_a_higher_foreground_makes_smaller_objects(model, nuclei):
    image = nuclei[0][0][None]
    areas = [
        (
            segment_objects(
                image, "network", {"decoding": {"foreground": level}}, {"model": model}
            ).labels
            > 0
        ).sum()
        for level in (0.3, 0.5, 0.8)
    ]
    assert areas[0] > areas[1] > areas[2]


def test_fields_together_are_fields_alone(model, nuclei):
    images = [image[None, :200, :200] for image, _ in nuclei]
    parents = [{"model": model}] * len(images)
    together = segment_images(images, "network", {}, parents)
    for image, one in zip(images, together, strict=True):
        alone = segment_objects(image, "network", {}, {"model": model})
        assert np.array_equal(alone.labels, one.labels)
        assert alone.record == one.record


def test_two_channels_are_refused(model):
    with pytest.raises(ValueError, match="segments 1 channel but was given 2"):
        segment_objects(np.zeros((2, 64, 64), np.float32), "network", {}, {"model": model})


def test_an_unknown_decoder_is_refused(model):
    with pytest.raises(ValueError, match="decoder"):
        image = np.zeros((1, 64, 64), np.float32)
        segment_objects(image, "network", {"decoder": "magic"}, {"model": model})


def test_noise_is_not_stretched_to_the_brightness_of_objects():
    noise = np.random.default_rng(0).normal(0.1, 0.01, (300, 300)).astype(np.float32)
    assert normalise(noise).std() < 0.2
    noise[100:140, 100:140] += 0.5
    assert normalise(noise).max() > 0.9
