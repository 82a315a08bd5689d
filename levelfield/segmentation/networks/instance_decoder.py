"""microSAM (Archit et al., 2025): Segment Anything's encoder with a decoder of objects.

The decoder is that of microSAM's automatic instance segmentation: a UNETR (Hatamizadeh et al., WACV
2022) without connections from the encoder's inside, as torch-em builds it. It says of each pixel
how likely it is foreground, how far from its object's centre, and how near to its boundary.
"""

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from segment_anything.modeling import Sam
from torch import Tensor, nn
from torch.nn import functional

from levelfield.arrays import Image
from levelfield.segmentation.devices import choose_device
from levelfield.segmentation.networks.batches import Batches, exact
from levelfield.segmentation.networks.segment_anything import (
    Colours,
    build_network,
    prepared_images,
)

Weights = Mapping[str, Tensor]
_LEVELS = 3  # of the decoder, each twice as large as the one below
_OUTPUTS = 3  # foreground, distance to the centre, distance to the boundary
_BYTES_PER_PIXEL = 4000  # of what the encoder sees, with what the decoder keeps at full size
_IMAGES_AT_ONCE = 4


class _Block(nn.Module):
    """Layers under the name that torch-em gives them."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.block = layers[0] if len(layers) == 1 else nn.Sequential(*layers)

    def forward(self, values: Tensor) -> Tensor:
        return self.block(values)


class _Enlarged(nn.Module):
    """Twice the size: by interpolation and a convolution of single pixels."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, 1)

    def forward(self, values: Tensor) -> Tensor:
        larger = functional.interpolate(values, scale_factor=2, mode="bilinear")
        return self.conv(larger)


def _enlarge(n_in: int, n_out: int, *, transposed: bool) -> nn.Module:
    """Return what doubles the size; models differ in how."""
    if transposed:
        return _Block(nn.ConvTranspose2d(n_in, n_out, 2, stride=2))
    return _Enlarged(n_in, n_out)


def _convolutions(n_in: int, n_out: int) -> nn.Module:
    """Return two convolutions, each with the values of an image normalised before it."""
    layers: list[nn.Module] = []
    for width in (n_in, n_out):
        layers += [nn.InstanceNorm2d(width), nn.Conv2d(width, n_out, 3, padding=1), nn.ReLU()]
    return _Block(*layers)


class _Decoder(nn.Module):
    """The levels, each of which sees what the branch beside it has made of the embedding."""

    def __init__(self, widths: Sequence[int], *, transposed: bool) -> None:
        super().__init__()
        steps = list(pairwise(widths))
        self.blocks = nn.ModuleList(_convolutions(n_in, n_out) for n_in, n_out in steps)
        self.samplers = nn.ModuleList(_enlarge(*step, transposed=transposed) for step in steps)

    def forward(self, values: Tensor, beside: Sequence[Tensor]) -> Tensor:
        for block, sampler, other in zip(self.blocks, self.samplers, beside, strict=True):
            values = sampler(values)
            values = block(torch.cat([values, _middle(other, values.shape[1])], 1))
        return values


def _middle(values: Tensor, n_channels: int) -> Tensor:
    """Return the middle ones of the channels: torch-em crops to the same shape in every axis."""
    first = (values.shape[1] - n_channels) // 2
    return values[:, first : first + n_channels]


class InstanceDecoder(nn.Module):
    """The decoder, with the names that its weights have in microSAM's files.

    Parameters
    ----------
    n_embedding, widest : int
        Channels of the embedding, and of the decoder's lowest level; each further has half.
    transposed : bool
        Whether sizes are doubled by transposed convolutions.
    """

    def __init__(self, n_embedding: int, widest: int, *, transposed: bool) -> None:
        super().__init__()
        widths = [widest >> level for level in range(_LEVELS + 1)]
        branches = list(zip([n_embedding, *widths[:-1]], widths, strict=True))
        enlarge = partial(_enlarge, transposed=transposed)
        self.deconv1, self.deconv2, self.deconv3, self.deconv4 = (
            _Block(
                enlarge(n_in, n_out),
                _Block(nn.Conv2d(n_out, n_out, 3, padding=1)),
                nn.BatchNorm2d(n_out),
                nn.ReLU(),
            )
            for n_in, n_out in branches
        )
        self.base = _convolutions(n_embedding, widest)
        self.decoder = _Decoder(widths, transposed=transposed)
        self.deconv_out = enlarge(widths[-1], widths[-1])
        self.decoder_head = _convolutions(2 * widths[-1], widths[-1])
        self.out_conv = nn.Conv2d(widths[-1], _OUTPUTS, 1)

    def forward(self, embedding: Tensor) -> Tensor:
        """Return the outputs (N, 3, 16 y, 16 x), 0 to 1, of embeddings (N, C, y, x)."""
        beside = [self.deconv1(embedding)]
        for branch in (self.deconv2, self.deconv3, self.deconv4):
            beside.append(branch(beside[-1]))
        values = self.decoder(self.base(embedding), beside[:_LEVELS])
        values = torch.cat([self.deconv_out(values), beside[_LEVELS]], 1)
        return self.out_conv(self.decoder_head(values)).sigmoid()


@dataclass(frozen=True)
class MicroSamModel:
    """A microSAM model that is ready to predict; its images are (Y, X, 3) uint8. For threads."""

    network: Sam
    decoder: InstanceDecoder
    device_name: str
    batches: Batches[Tensor]

    def predict_all(self, images: Sequence[Colours]) -> Iterator[Image]:
        """Yield of each image foreground, distance to the centre and to the boundary: (3, Y, X)."""
        prepared, seen = prepared_images(self.network, images)
        for outputs, image, (height, width) in zip(
            self.batches(prepared), images, seen, strict=True
        ):
            part = outputs[None, :, :height, :width]
            whole = functional.interpolate(part, image.shape[:2], mode="bilinear")[0]
            yield whole.cpu().numpy()


def _run(network: Sam, decoder: InstanceDecoder, batch: Tensor) -> list[Tensor]:
    return list(decoder(network.image_encoder(batch)))


def load_microsam(path: Path, rule: str = "cpu") -> MicroSamModel:
    """Read a microSAM model: one file with both parts, or an archive or folder with a file of each.

    One file is what microSAM writes after training (``model_state`` and ``decoder_state``). Its
    generalists are published as two, ``vit_b.pt`` and ``vit_b_decoder.pt`` for instance, which
    belong into a zip archive or a folder. `rule` is that for the device, see
    `levelfield.segmentation.devices.choose_device`.

    Raises
    ------
    ValueError
        If a part is missing, or the parts are of other networks.
    """
    try:
        encoder_weights, decoder_weights = read_parts(path)
        network = build_network(encoder_weights)
        network.load_state_dict({name: encoder_weights[name] for name in network.state_dict()})
        decoder = build_decoder(decoder_weights)
    except Exception as error:  # pickles and wrong shapes raise many kinds
        raise ValueError(
            f"{path} holds no microSAM model with an instance decoder ({type(error).__name__}: "
            f"{error}). Weights without a decoder run with the method segment_anything"
        ) from error
    device = choose_device(rule)
    exact(network, device.torch)
    exact(decoder, device.torch)
    run = partial(_run, network, decoder)
    batches: Batches[Tensor] = Batches(
        run, device.torch, "images", _BYTES_PER_PIXEL, _IMAGES_AT_ONCE
    )
    return MicroSamModel(network, decoder, device.name, batches)


def read_parts(path: Path) -> tuple[Weights, Weights]:
    """Return the weights of Segment Anything's network, and those of the decoder.

    Raises
    ------
    ValueError
        If there is no decoder.
    """
    parts = [_read(content) for content in _files(path)]
    whole = next((part for part in parts if "decoder_state" in part), None)
    if whole is not None:
        return whole["model_state"], whole["decoder_state"]
    states = [part.get("model_state", part) for part in parts]
    encoders = [state for state in states if "image_encoder.pos_embed" in state]
    decoders = [state for state in states if "out_conv.weight" in state]
    if len(encoders) != 1 or len(decoders) != 1:
        raise ValueError(
            f"there are {len(encoders)} files of the network and {len(decoders)} of its decoder; "
            "one of each is needed"
        )
    return encoders[0], decoders[0]


def _files(path: Path) -> Iterator[Any]:
    if path.is_dir():
        yield from sorted(path.glob("*.pt"))
        return
    with zipfile.ZipFile(path) as archive:  # torch's own files are archives too
        names = sorted(name for name in archive.namelist() if name.endswith((".pt", ".pth")))
        for name in names:
            yield io.BytesIO(archive.read(name))
    if not names:
        yield path


def _read(source: Any) -> dict[str, Any]:
    return torch.load(source, map_location="cpu", weights_only=True)


def build_decoder(weights: Weights) -> InstanceDecoder:
    """Build the decoder that some weights belong to, with the weights."""
    widest, n_embedding = weights["base.block.1.weight"].shape[:2]
    transposed = "deconv_out.block.weight" in weights
    decoder = InstanceDecoder(n_embedding, widest, transposed=transposed)
    own = decoder.state_dict()
    # The encoder may stand among them a second time.
    decoder.load_state_dict({name: weights[name] for name in own})
    return decoder
