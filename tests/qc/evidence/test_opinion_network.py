"""The network that the QC asks: what it says, at which scale, and what it costs."""

import subprocess
import sys

import numpy as np
import pytest
from qc_images import load_bbbc013, nuclei_by_group
from qc_plates import group_images
from real_images import REPOSITORY
from scipy import ndimage

from levelfield.labels.labelwise import median_diameter
from levelfield.qc.evidence.jury import jury, opinions
from levelfield.qc.evidence.opinion_network import SHIPPED_OPINION, load_opinion
from levelfield.qc.evidence.second_opinion import JURY, ask_second_opinion, opinion_for
from levelfield.qc.train.opinion_network import export_opinion
from levelfield.segmentation import segment_objects
from levelfield.segmentation.decoder_options import FlowOptions
from levelfield.segmentation.decoders.flow import flow
from levelfield.segmentation.small_network.inference import load_model, predict
from levelfield.segmentation.small_network.tiles import tiles

WEIGHTS = REPOSITORY / "levelfield" / "weights" / "nuclei.safetensors"
NUCLEI = nuclei_by_group(1)


@pytest.fixture(scope="module")
def torch_model():
    return load_model(WEIGHTS)


def test_whole_numbers_say_what_the_network_says(torch_model):
    changes = []
    for _, ((image, labels),) in NUCLEI:
        exact, asked = predict(torch_model, image), load_opinion().predict(image)
        seen = exact.foreground > 0.5
        # Means over the foreground, where the network is least sure, of probabilities or px.
        for name, bound in (("foreground", 0.02), ("affinities", 0.02), ("distance", 0.02)):
            difference = np.abs(getattr(exact, name) - getattr(asked, name))
            assert difference[..., seen].mean() <= bound, name
        assert np.abs(exact.flow - asked.flow)[:, seen].mean() <= 0.04
        assert np.abs(exact.classes - asked.classes)[:, seen].mean() <= 0.03
        tables = [jury(labels, opinions(each, JURY)) for each in (exact, asked)]
        changes.append(np.abs(tables[0]["agreement"] - tables[1]["agreement"]))
    # Of the objects themselves, few get another judgement.
    changed = np.concatenate(changes)
    assert changed.mean() <= 0.015
    assert np.mean(changed > 0.1) <= 0.03


def test_single_precision_says_exactly_what_torch_says(torch_model, tmp_path, nuclei_image):
    import onnx

    from levelfield.qc.train import opinion_network

    path = tmp_path / "plain.onnx"
    opinion_network.export_plain(WEIGHTS, path)
    made = onnx.load(path)
    opinion_network.add_facts(made, WEIGHTS)
    onnx.save(made, path)
    exact, asked = predict(torch_model, nuclei_image), load_opinion(path).predict(nuclei_image)
    for name in ("foreground", "classes", "distance", "flow", "affinities"):
        difference = np.abs(getattr(exact, name) - getattr(asked, name))
        assert difference.max() <= 1e-4, name
    for one, other in zip(exact.far_affinities, asked.far_affinities, strict=True):
        assert np.abs(one - other).max() <= 1e-4


@pytest.fixture(scope="module")
def nuclei_image():
    return NUCLEI[0][1][0][0]


def test_what_is_exported_can_be_asked(tmp_path, nuclei_image):
    export_opinion(WEIGHTS, tmp_path / "mine.onnx", [nuclei_image])
    found = load_opinion(tmp_path / "mine.onnx").predict(nuclei_image)
    shipped = load_opinion().predict(nuclei_image)
    assert np.abs(found.foreground - shipped.foreground).mean() <= 0.02


def test_without_images_nothing_is_exported(tmp_path):
    with pytest.raises(ValueError, match="at least one field with nuclei"):
        export_opinion(WEIGHTS, tmp_path / "mine.onnx", [])


def test_files_of_something_else_are_refused(tmp_path):
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(ValueError, match="cannot be read"):
        load_opinion(tmp_path / "text.onnx")


def test_the_same_field_gets_the_same_opinion(nuclei_image):
    first, second = (load_opinion().predict(nuclei_image) for _ in range(2))
    assert np.array_equal(first.foreground, second.foreground)
    assert np.array_equal(first.affinities, second.affinities)
    for one, other in zip(first.far_affinities, second.far_affinities, strict=True):
        assert np.array_equal(one, other)


def test_tiles_leave_no_seams():
    image = np.tile(load_bbbc013("A01")[0], (2, 2))[:900, :900]
    assert len(list(tiles(image.shape, 640, 48))) == 4
    tiled = flow(load_opinion().predict(image), FlowOptions())
    network = load_opinion()
    whole = network.session.run(None, {"image": _prepared(image)})[0][0].reshape(912, 912)
    seen = tiled > 0
    assert np.mean(seen == (whole[:900, :900] > 0.5)) >= 0.995


def _prepared(image):
    from levelfield.images.normalisation import normalise

    return np.pad(normalise(image), [(0, 12), (0, 12)], mode="symmetric")[None, None]


@pytest.mark.parametrize("shape", [(97, 101), (16, 16), (5, 300), (705, 64)])
def test_any_shape_is_predicted_whole(shape):
    image = np.random.default_rng(0).random(shape).astype(np.float32)
    prediction = load_opinion().predict(image)
    assert prediction.foreground.shape == prediction.flow.shape[1:] == shape
    assert prediction.affinities.shape == (2, *shape)
    assert prediction.far_affinities[0].shape == (shape[0] // 2, -(-shape[1] // 2))
    assert np.isfinite(prediction.distance).all()


def test_the_opinion_finds_nuclei_that_the_segmenter_lost():
    image, labels = group_images("256x256_1", 1)[0]
    whole = ask_second_opinion(image, labels)
    for kept in (0, 3):
        opinion = ask_second_opinion(image, np.where(labels <= kept, labels, 0))
        assert opinion.labels.dtype == np.int32 and opinion.labels.shape == image.shape
        assert opinion.foreground.dtype == np.float32
        assert abs(int(opinion.labels.max()) - int(whole.labels.max())) <= 0.15 * labels.max()


def test_large_nuclei_without_labels_are_looked_at_from_further_away():
    image, labels = group_images("256x256_1", 1)[0]
    factor = 60 / median_diameter(labels)
    large = ndimage.zoom(image, factor, order=1)
    opinion = ask_second_opinion(large, np.zeros(large.shape, np.int32))
    assert median_diameter(opinion.labels) == pytest.approx(60, rel=0.3)


def test_labels_in_pieces_do_not_decide_on_the_scale():
    asked = []
    image, labels = group_images("256x256_1", 1)[0]
    large = ndimage.zoom(image, 45 / median_diameter(labels), order=1)
    whole = ask_second_opinion(large, np.zeros(large.shape, np.int32))
    rows, columns = np.indices(large.shape) // 10
    pieces = np.where(whole.labels > 0, rows * (columns.max() + 1) + columns + 1, 0)

    def read(scale):
        asked.append(scale)
        return whole

    opinion_for(pieces.astype(np.int32), read)
    assert asked == [1.0, 0.5]


def test_an_empty_field_gets_an_empty_opinion():
    image = np.random.default_rng(0).normal(0.1, 0.01, (256, 256)).astype(np.float32)
    opinion = ask_second_opinion(image, np.zeros(image.shape, np.int32))
    assert opinion.labels.max() == 0


def test_collecting_evidence_needs_neither_torch_nor_matplotlib(tmp_path):
    image = load_bbbc013("A01")[0]
    labels = segment_objects(image[None], "classical", {}).labels
    np.savez(tmp_path / "field.npz", image=image, labels=labels)
    code = (
        "import sys, numpy as np\n"
        "from levelfield.steps.qc_evidence import ask_second_opinion, field_features\n"
        "from levelfield.steps.qc_evidence import find_candidates\n"
        f"field = np.load({str(tmp_path / 'field.npz')!r})\n"
        "opinion = ask_second_opinion(field['image'], field['labels'])\n"
        "found = field_features(field['labels'], field['image'], opinion=opinion)\n"
        "assert len(found.objects) > 100\n"
        "find_candidates(field['labels'], field['image'], opinion)\n"
        "print([name for name in ('torch', 'onnx', 'matplotlib', 'dask') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["[]"]


def test_the_shipped_network_is_small():
    assert SHIPPED_OPINION.stat().st_size <= 2e6
