"""The same objects as Cellpose's own code; too little memory; wrong weights and parameters."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from cellpose import dynamics, vit
from cellpose.metrics import average_precision
from cellpose.utils import fill_holes_and_remove_small_masks
from cellpose_networks import (
    outputs_of,
    reference,
    save_random_dino,
    save_random_network,
    use_small_dino,
    use_small_sam,
)
from PIL import Image
from real_images import BBBC038
from scipy import ndimage
from segment_anything.modeling.image_encoder import Attention

from levelfield.labels.objects import renumber
from levelfield.segmentation.device_faults import MachineFault
from levelfield.segmentation.devices import Device
from levelfield.segmentation.methods.cellpose import CellposeOptions
from levelfield.segmentation.networks.cellpose.attention import FusedAttention
from levelfield.segmentation.networks.cellpose.dynamics import find_objects
from levelfield.segmentation.networks.cellpose.finishing import fill_holes
from levelfield.segmentation.networks.cellpose.model import CellposeModel, _labels
from levelfield.segmentation.networks.cellpose.network import load_network
from levelfield.segmentation.networks.cellpose.normalisation import resize
from levelfield.segmentation.networks.cellpose.streams import ahead, stream_of
from levelfield.segmentation.networks.memory import Portion

CPU = torch.device("cpu")
DEVICE = Device("cpu", "cpu")
COUNTS = 65535  # of a 16-bit camera, as Cellpose is given images


def chosen(parameters):
    return CellposeOptions.read(parameters, "method cellpose")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        use_small_sam(patch)
        yield save_random_network(tmp_path_factory.mktemp("weights") / "small")


@pytest.fixture(scope="module")
def model(weights):
    return CellposeModel(weights, DEVICE)


@pytest.fixture(scope="module")
def their_model(weights):
    return reference(weights)


def real_labels() -> list[np.ndarray]:
    """Three label images (140, 160) whose objects differ in size."""
    found = []
    for path in sorted((BBBC038 / "labels").glob("*.png")):
        labels = np.asarray(Image.open(path)).astype(np.int32)
        if labels.shape == (256, 256) and len(found) < 3:
            found.append(renumber(labels[:140, :160]))
    return found


def real_image(number: int = 0, shape=(150, 270)) -> np.ndarray:
    """Two channels (2, Y, X) of a dim camera: a real image, and the same one turned."""
    path = sorted((BBBC038 / "images").glob("*.png"))[number]
    plane = np.asarray(Image.open(path).convert("L")).astype(np.float32) / 255
    plane = np.pad(plane, [(0, length) for length in shape], mode="symmetric")
    plane = plane[: shape[0], : shape[1]]
    return np.stack([0.01 * plane + 0.002, 0.1 * plane[::-1, ::-1]]).astype(np.float32)


def their_outputs(model, image, **options) -> tuple[np.ndarray, np.ndarray]:
    """Cellpose's outputs (3, Y, X) and masks of an image (C, Y, X)."""
    counts = (image * COUNTS).transpose(1, 2, 0).copy()
    masks, (_, flow, probability), _ = model.eval(counts, channel_axis=2, **options)
    return np.concatenate([flow, probability[None]]), masks


OPTIONS = [
    ({}, {}),
    ({"diameter": 45.0}, {"diameter": 45.0}),
    ({"diameter": 20.0, "resample": False}, {"diameter": 20.0, "resample": False}),
    ({"augment": True}, {"augment": True}),
    ({"normalise": False}, {"normalize": {"normalize": False}}),
    ({"invert": True}, {"normalize": {"invert": True}}),
    ({"percentiles": [3, 97]}, {"normalize": {"percentile": (3, 97)}}),
    ({"intensities": [0.002, 0.01]}, {"normalize": {"lowhigh": [131.07, 655.35]}}),
    ({"normalisation_tile": 100}, {"normalize": {"tile_norm_blocksize": 100}}),
    ({"sharpen": 5, "smooth": 2}, {"normalize": {"sharpen_radius": 5, "smooth_radius": 2}}),
]


@pytest.mark.parametrize(("mine", "theirs"), OPTIONS, ids=lambda options: ",".join(options))
def test_the_network_says_the_same_as_in_cellpose(model, their_model, mine, theirs):
    image = real_image()
    expected, _ = their_outputs(their_model, image, compute_masks=False, **theirs)
    options = CellposeOptions(**mine)
    fed = image * COUNTS if not options.normalise else image
    found = next(model.outputs([fed], options))
    if options.resample:
        found = resize(torch.from_numpy(found), image.shape[1:]).numpy()
    assert np.abs(expected).max() > 2
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("shape", [(64, 100), (256, 120)])
def test_images_of_any_size_are_cut_into_the_same_tiles(model, their_model, shape):
    image = real_image(3, shape)
    expected, _ = their_outputs(their_model, image, compute_masks=False)
    found = next(model.outputs([image], CellposeOptions()))
    assert found == pytest.approx(expected, abs=1e-4)


def masks_from(outputs: np.ndarray, **parameters) -> list[np.ndarray]:
    """Find objects in many images at once, as the model does."""
    options = CellposeOptions(**parameters)
    labels = _labels([torch.from_numpy(one) for one in outputs], outputs.shape[2:], options)
    return [fill_holes(renumber(one), options.minimum_area) for one in labels]


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ({}, {}),
        ({"flow_threshold": 0.052}, {"flow_threshold": 0.052}),
        (
            {"flow_threshold": 0.0, "cell_probability": 5.0, "minimum_area": 100},
            {"flow_threshold": 0.0, "cellprob_threshold": 5.0, "min_size": 100},
        ),
        ({"maximum_fraction": 0.01, "iterations": 30}, {"max_size_fraction": 0.01, "niter": 30}),
    ],
    ids=lambda options: ",".join(options),
)
def test_objects_of_many_images_are_those_that_cellpose_finds_in_each(mine, theirs):
    noise = np.random.default_rng(0)
    outputs = np.stack([outputs_of(labels) for labels in real_labels()])
    outputs += noise.normal(0, 0.8, outputs.shape).astype(np.float32)
    found = masks_from(outputs, **mine)
    for output, one in zip(outputs, found, strict=True):
        expected = dynamics.resize_and_compute_masks(output[:2], output[2], **theirs)
        assert one.max() == expected.max()
        assert np.array_equal(one > 0, expected > 0)
        if expected.max():
            assert average_precision(expected.astype(int), one, threshold=[0.9])[0] == 1


def test_the_options_that_remove_objects_remove_some():
    outputs = np.stack([outputs_of(labels) for labels in real_labels()])
    outputs += np.random.default_rng(0).normal(0, 0.8, outputs.shape).astype(np.float32)
    n_all = sum(one.max() for one in masks_from(outputs, flow_threshold=0.0))
    for parameters in ({"flow_threshold": 0.052}, {"maximum_fraction": 0.01}):
        assert sum(one.max() for one in masks_from(outputs, **parameters)) < n_all


def test_real_labels_come_back_from_their_flows():
    for labels in real_labels():
        found = masks_from(outputs_of(labels)[None])[0]
        assert average_precision(labels, found, threshold=[0.5])[0] >= 0.9


def test_an_image_without_foreground_has_no_objects():
    outputs = np.zeros((2, 3, 40, 50), np.float32) - 1
    assert not find_objects(torch.from_numpy(outputs), CellposeOptions()).any()


@pytest.mark.parametrize("parameters", [{}, {"diameter": 50}, {"diameter": 50, "resample": False}])
def test_images_give_the_masks_of_eval(model, their_model, parameters):
    images = [real_image(number) for number in (0, 5)]
    # The network is a random one: its objects make no sense, but there are some.
    more = {"flow_threshold": 0.0, "iterations": 50}
    found = model.segment(images, chosen(parameters | more))
    for image, one in zip(images, found, strict=True):
        _, expected = their_outputs(their_model, image, flow_threshold=0.0, niter=50, **parameters)
        assert one.labels.dtype == np.int32
        assert one.labels.max() == expected.max() > 3
        assert average_precision(expected.astype(int), one.labels, threshold=[0.9])[0] == 1


def test_what_comes_out_does_not_depend_on_the_images_around_it(model):
    images = [real_image(number) for number in range(3)]
    images.insert(1, real_image(7, (64, 100)))
    more = {"flow_threshold": 0.0, "iterations": 50}
    more = {"flow_threshold": 0.0, "iterations": 50, "tiles_at_once": 4, "images_at_once": 2}
    options = CellposeOptions(**more)
    together = list(model.outputs(images, options))
    for image, output in zip(images, together, strict=True):
        assert np.array_equal(next(model.outputs([image], options)), output)
    labels = model.segment(images, chosen(more))
    alone = [model.segment([image], chosen(more))[0] for image in images]
    for one, other in zip(labels, alone, strict=True):
        assert np.array_equal(one.labels, other.labels)


def test_objects_are_filtered_by_diameter_as_by_other_methods(model):
    image, more = real_image(), {"flow_threshold": 0.0, "iterations": 50}
    plain = model.segment([image], chosen(more))[0]
    large = model.segment([image], chosen(more | {"minimum_diameter": 12.0}))[0]
    n_small = np.count_nonzero(np.bincount(plain.labels.flat)[1:] < np.pi * 36)
    assert large.record["RemovedSmall"] == n_small > 0
    assert large.labels.max() == plain.labels.max() - n_small


def test_only_some_images_are_in_memory_at_a_time(model):
    at_once = {"tiles_at_once": 4, "images_at_once": 2}
    asked, blank = [], np.zeros((1, 64, 64), np.float32)

    def reading():
        for number in range(24):
            asked.append(number)
            yield blank

    ahead_of_results = [
        len(asked) - done
        for done, _ in enumerate(model.stream(reading(), chosen(at_once)), start=1)
    ]
    assert len(ahead_of_results) == 24
    assert max(ahead_of_results) <= 8  # a batch of tiles and two groups of images


# Memory.


def test_batches_are_halved_when_memory_runs_out_and_the_log_says_so(weights, caplog, monkeypatch):
    images = [real_image(number) for number in range(2)]
    model = CellposeModel(weights, DEVICE)
    expected = list(model.outputs(images, CellposeOptions(tiles_at_once=2)))
    module = model.network(CellposeOptions()).module
    run = module.forward

    def with_little_memory(tiles):
        if len(tiles) > 2:
            raise torch.OutOfMemoryError("simulated")
        return run(tiles)

    monkeypatch.setattr(module, "forward", with_little_memory)
    with caplog.at_level(logging.WARNING, "levelfield"):
        found = list(model.outputs(images, CellposeOptions(tiles_at_once=16)))
    assert [record.message for record in caplog.records] == [
        f"memory ran out: {number} tiles at once from now on" for number in (8, 4, 2)
    ]
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


def test_objects_of_fewer_images_are_found_at_once_when_memory_runs_out(
    weights, caplog, monkeypatch
):
    images = [real_image(number, (64, 64)) for number in range(5)]
    more = {"flow_threshold": 0.0, "iterations": 50}
    model = CellposeModel(weights, DEVICE)
    expected = model.segment(images, chosen(more))
    module = "levelfield.segmentation.networks.cellpose.model.find_objects"

    def with_little_memory(outputs, options):
        if len(outputs) > 1:
            raise torch.OutOfMemoryError("simulated")
        return find_objects(outputs, options)

    monkeypatch.setattr(module, with_little_memory)
    found = model.segment(images, chosen(more | {"images_at_once": 4}))
    assert [record.message for record in caplog.records] == [
        f"memory ran out: {number} images at once from now on" for number in (2, 1)
    ]
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one.labels, other.labels)


def test_a_device_too_small_for_one_tile_is_an_error_with_a_remedy(weights, monkeypatch):
    model = CellposeModel(weights, DEVICE)

    def without_memory(tiles):
        raise torch.OutOfMemoryError("simulated")

    monkeypatch.setattr(model.network(CellposeOptions()).module, "forward", without_memory)
    with pytest.raises(MachineFault, match=r"not enough for even one of the tiles.*device: cpu"):
        model.segment([real_image()])


def test_threads_that_run_out_of_memory_together_halve_their_portion_once():
    portion, together = Portion(32, "tiles"), threading.Barrier(4, timeout=30)

    def work(some, size):
        if size == 32:
            together.wait()  # all four have failed before one of them halves
            raise torch.OutOfMemoryError("simulated")
        return some

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: portion.run(work, range(40)), range(4)))
    assert found == [list(range(40))] * 4
    assert portion.size == 16


def test_a_portion_grows_back_when_memory_was_enough_for_long_and_waits_longer_each_time():
    portion, room = Portion(8, "tiles"), 4

    def work(some, size):
        if len(some) > room:
            raise torch.OutOfMemoryError("simulated")
        return some

    sizes = []
    for _ in range(400):
        portion.run(work, range(4))
        sizes.append(portion.size)
        if portion.size == 8:
            portion.run(work, range(8))  # fails: another program still holds the memory
    grown = [number for number, size in enumerate(sizes) if size == 8]
    waits = np.diff(grown)
    assert len(grown) >= 2
    assert (waits[1:] >= 2 * waits[:-1] - 2).all()
    room = 8
    for _ in range(2000):
        portion.run(work, range(portion.size))
    assert portion.size == 8


def test_a_thread_keeps_its_streams():
    first = stream_of(CPU, "images")
    assert stream_of(CPU, "images") is first
    assert stream_of(CPU, "objects") is not first
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(stream_of, CPU, "images").result() is not first


def test_a_gpu_without_bfloat16_computes_in_float32_and_refuses_bfloat16(weights, monkeypatch):
    use_small_sam(monkeypatch)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla V100")
    monkeypatch.setattr(torch.nn.Module, "to", lambda module, *_: module)
    assert load_network(weights, torch.device("cuda:0")).precision == torch.float32
    with pytest.raises(ValueError, match=r"Tesla V100 does not compute in it.*float32"):
        load_network(weights, torch.device("cuda:0"), "bfloat16")


# Weights and parameters.


def test_weights_of_cellpose_3_are_refused(tmp_path):
    torch.save({"downsample.down.res_down_0.conv.conv_0.0.weight": torch.zeros(2)}, tmp_path / "w")
    with pytest.raises(ValueError, match=r"no weights of Cellpose 4.*cellpose3"):
        CellposeModel(tmp_path / "w", DEVICE)


def test_a_file_that_is_no_weights_is_refused(tmp_path):
    (tmp_path / "w").write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match="cannot be read as weights"):
        CellposeModel(tmp_path / "w", DEVICE)


def test_weights_of_which_a_part_is_missing_are_refused(weights, tmp_path, monkeypatch):
    use_small_sam(monkeypatch)
    parts = torch.load(weights)
    del parts["out.weight"]
    torch.save(parts, tmp_path / "w")
    with pytest.raises(ValueError, match=r"lacks 1 parts .* out\.weight"):
        CellposeModel(tmp_path / "w", DEVICE)


def test_weights_trained_on_several_gpus_are_read(weights, tmp_path, model, monkeypatch):
    use_small_sam(monkeypatch)
    parts = {f"module.{name}": value for name, value in torch.load(weights).items()}
    torch.save(parts, tmp_path / "w")
    found = next(CellposeModel(tmp_path / "w", DEVICE).outputs([real_image()], CellposeOptions()))
    assert np.array_equal(found, next(model.outputs([real_image()], CellposeOptions())))


@pytest.mark.parametrize("minimum_area", [0, 15, 60])
def test_holes_are_filled_and_small_objects_removed_as_in_cellpose(minimum_area):
    """Objects with holes, inside of each other, in parts, and open along a diagonal."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        noise = ndimage.gaussian_filter(rng.normal(size=(90, 110)), 2)
        labels, _ = ndimage.label(noise > rng.uniform(0.0, 0.15))
        labels[ndimage.gaussian_filter(rng.normal(size=(90, 110)), 1) > 0.3] = 0
        labels = renumber(labels.astype(np.int32))
        expected = fill_holes_and_remove_small_masks(labels.astype(np.uint32), minimum_area)
        np.testing.assert_array_equal(
            renumber(fill_holes(labels, minimum_area)), renumber(expected.astype(np.int32))
        )


def test_a_dino_network_is_loaded_and_says_what_cellposes_own_says(tmp_path, monkeypatch):
    use_small_dino(monkeypatch)
    path = save_random_dino(tmp_path / "cpdino")
    network = CellposeModel(path, DEVICE).network(CellposeOptions())
    assert (network.kind, network.tile_side) == ("dino", 384)
    theirs = vit.CPDINO()
    theirs.load_model(path, torch.device("cpu"))
    tiles = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        torch.testing.assert_close(network.run(tiles), theirs.eval()(tiles)[0])


def test_images_of_any_size_are_segmented_with_a_dino_network(tmp_path, monkeypatch):
    use_small_dino(monkeypatch)
    model = CellposeModel(save_random_dino(tmp_path / "cpdino"), DEVICE)
    for side in (None, 128):
        options = CellposeOptions(tile_side=side, flow_threshold=0.0, iterations=10)
        image = real_image()
        (found,) = model.segment([image], options)
        assert found.labels.shape == image.shape[1:]
        assert np.isfinite(next(model.outputs([image], options))).all()


def test_a_dino_network_of_which_a_part_is_missing_is_refused(tmp_path, monkeypatch):
    use_small_dino(monkeypatch)
    parts = torch.load(save_random_dino(tmp_path / "cpdino"))
    del parts["encoder.blocks.1.mlp.weight"]
    torch.save(parts, tmp_path / "w")
    with pytest.raises(ValueError, match=r"lacks 1 parts .* encoder\.blocks\.1\.mlp\.weight"):
        CellposeModel(tmp_path / "w", DEVICE)


def test_a_dino_network_without_its_package_is_an_error_with_a_remedy(tmp_path, monkeypatch):
    monkeypatch.delattr(vit, "dinov3_vitl16", raising=False)
    torch.save({"W2": torch.eye(3), "encoder.cls_token": torch.zeros(1)}, tmp_path / "w")
    with pytest.raises(ValueError, match=r"package dinov3.*cpsam_v2"):
        CellposeModel(tmp_path / "w", DEVICE)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"flow_treshold": 1}, "unknown parameter 'flow_treshold'"),
        ({"diameter": -3}, "diameter is -3"),
        ({"percentiles": [99, 1]}, "the lower one first"),
        ({"border": "cut"}, "border is 'cut'"),
        ({"resample": "yes"}, "resample is 'yes'"),
        ({"invert": True, "normalise": False}, "invert is true"),
        ({"tile_side": 512}, "tiles of 256 px only"),
        ({"diameter": 10_000}, "nothing is left"),
        ({"tile_overlap": 0.9}, "tile_overlap is 0.9"),
    ],
)
def test_parameters_that_cannot_be_are_refused(model, parameters, says):
    with pytest.raises(ValueError, match=says):
        model.segment([real_image(0, (64, 64))], chosen(parameters))


def test_a_fourth_channel_is_refused_not_ignored(model):
    with pytest.raises(ValueError, match="1 to 3 channels"):
        model.segment([np.zeros((4, 64, 64), np.float32)])


# Parts.


@pytest.mark.parametrize("side", [8, 16])  # tables of positions as they are, and stretched
def test_fused_attention_is_the_same_attention(side):
    torch.manual_seed(0)
    attention = Attention(64, num_heads=2, use_rel_pos=True, input_size=(8, 8))
    for value in (attention.rel_pos_h, attention.rel_pos_w):
        value.data.normal_()
    tokens = torch.randn(2, side, side, 64)
    with torch.inference_mode():
        expected = attention(tokens)
        found = FusedAttention(attention, side)(tokens)
    assert torch.allclose(found, expected, atol=1e-5)


def test_work_ahead_keeps_the_order_and_its_distance():
    started = []

    def note(number):
        started.append(number)
        return number * number

    results = ahead(note, iter(range(20)), depth=3)
    for expected, result in enumerate(results):
        assert result == expected**2
        assert len(started) <= expected + 4


def test_an_error_ahead_comes_where_its_result_would_have():
    results = ahead(lambda number: 1 / number, [2, 1, 0], depth=2)
    assert [next(results), next(results)] == [0.5, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
