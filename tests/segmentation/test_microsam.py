"""microSAM: files as it writes and publishes them, and objects from what its decoder says.

Small networks with random weights have the real architecture and the real names.
"""

import zipfile

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from segment_anything_networks import small_network  # noqa: E402

from levelfield.segmentation import segment_objects  # noqa: E402
from levelfield.segmentation.methods.microsam import MicrosamOptions, objects_of  # noqa: E402
from levelfield.segmentation.networks.instance_decoder import InstanceDecoder, load_microsam  # noqa: E402

EMBEDDING, WIDEST = 64, 32
# As in the files of microSAM: a convolution of each kind of layer.
NAMES = {
    *("base.block.1.weight", "base.block.4.bias", "out_conv.weight", "deconv_out.conv.weight"),
    *("deconv1.block.0.conv.weight", "deconv4.block.1.block.bias", "deconv2.block.2.running_mean"),
    *("decoder.blocks.2.block.4.weight", "decoder.samplers.0.conv.bias"),
    *("decoder_head.block.1.weight",),
}


def decoder(transposed=False):
    torch.manual_seed(1)
    made = InstanceDecoder(EMBEDDING, WIDEST, transposed=transposed).eval()
    for layer in made.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_()
    return made


@pytest.fixture
def image():
    return np.random.default_rng(0).random((1, 90, 120)).astype(np.float32)


def write(folder, form, transposed=False):
    network, own = small_network().state_dict(), decoder(transposed).state_dict()
    if form == "trained":
        path = folder / "trained.pt"
        torch.save({"model_state": network, "decoder_state": own}, path)
        return path
    parts = folder / "parts"
    parts.mkdir()
    torch.save(network, parts / "vit_b.pt")
    torch.save(own, parts / "vit_b_decoder.pt")
    if form == "folder":
        return parts
    path = folder / "vit_b_lm.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for part in sorted(parts.iterdir()):
            archive.write(part, f"vit_b_lm/{part.name}")
    return path


def test_layers_have_the_names_of_microsams_files():
    assert set(decoder().state_dict()) >= NAMES
    names = {name.replace(".conv.", ".block.") for name in NAMES if "deconv" in name}
    assert set(decoder(transposed=True).state_dict()) >= names


@pytest.mark.parametrize("form", ["trained", "folder", "archive"])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_model_is_read_in_every_form_with_all_its_weights(form, transposed, tmp_path, image):
    model = load_microsam(write(tmp_path, form, transposed))
    for one, other in zip(
        model.decoder.state_dict().values(), decoder(transposed).state_dict().values(), strict=True
    ):
        assert torch.equal(one, other)
    seen = np.stack([np.round(255 * image[0]).astype(np.uint8)] * 3, -1)
    (alone,), (first, _) = model.predict_all([seen]), model.predict_all([seen, 255 - seen])
    assert alone.shape == (3, 90, 120) and 0 <= alone.min() <= alone.max() <= 1
    np.testing.assert_array_equal(alone, first)


def test_outputs_are_as_large_as_what_the_encoder_saw():
    embedding = torch.rand(2, EMBEDDING, 8, 8)
    assert decoder()(embedding).shape == (2, 3, 128, 128)


def test_a_file_without_a_decoder_is_refused(tmp_path):
    torch.save(small_network().state_dict(), tmp_path / "sam.pt")
    with pytest.raises(ValueError, match=r"0 of its decoder.*segment_anything"):
        load_microsam(tmp_path / "sam.pt")


def planted():
    """What a perfect decoder says of two disks that touch, and of one by itself."""
    rows, columns = np.mgrid[:60, :90]
    labels = np.zeros((60, 90), np.int32)
    centre, radius = np.ones(labels.shape), 13
    for number, (row, column) in enumerate([(30, 20), (30, 45), (30, 75)], 1):
        away = np.hypot(rows - row, columns - column)
        labels[(away < radius) & (labels == 0)] = number
        centre = np.minimum(centre, away / radius)
    return labels, np.stack([labels > 0, centre, centre]).astype(np.float32)


class Perfect:
    device_name = "cpu"

    def predict_all(self, images):
        return [planted()[1] for _ in images]


def test_touching_objects_of_a_perfect_decoder_are_told_apart(image):
    labels, prediction = planted()
    found = objects_of(prediction, MicrosamOptions()).labels
    assert found.max() == 3
    assert np.mean(found == labels) > 0.97
    through = segment_objects(
        np.zeros((1, 60, 90), np.float32), "microsam", {}, {"model": Perfect()}
    )
    np.testing.assert_array_equal(through.labels, found)


def test_options_decide_what_is_an_object():
    _, prediction = planted()
    prediction[0, :, 60:] *= 0.6  # unsure of the third
    assert objects_of(prediction, MicrosamOptions(foreground=0.7)).labels.max() == 2
    assert objects_of(prediction, MicrosamOptions(minimum_diameter=40)).labels.max() == 0
