"""Cellpose's networks, from a file of weights."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from cellpose import vit
from torch import Tensor, nn

from levelfield.segmentation.devices import has_bfloat16
from levelfield.segmentation.networks.batches import exact
from levelfield.segmentation.networks.cellpose.attention import fuse_attention

log = logging.getLogger("levelfield")

MOST_CHANNELS = 3
_TILE_SIDES = {"sam": 256, "dino": 384}  # px, of the tiles that each kind was trained on
_PREFIX = "module."  # of weights that were trained on several GPUs at once


@dataclass(frozen=True)
class CellposeNetwork:
    """A network that is ready to run.

    Attributes
    ----------
    module : Module
        From tiles (N, C, Y, X) to (N, 3, Y, X): flow along y and x, and the logit of the
        probability of being part of an object.
    kind : str
        ``sam`` or ``dino``.
    tile_side : int
        px; the only one possible for ``sam``, the usual one for ``dino``.
    """

    module: nn.Module
    kind: str
    tile_side: int
    device: torch.device
    precision: torch.dtype

    @torch.inference_mode()
    def run(self, tiles: Tensor) -> Tensor:
        """Return the outputs (N, 3, Y, X) float32 of tiles (N, C, Y, X)."""
        return self.module(tiles.to(self.device, self.precision))[0].float()


def load_network(path: Path, device: torch.device, precision: str = "auto") -> CellposeNetwork:
    """Read the weights of a Cellpose 4 network: a published one, or one that users trained.

    Parameters
    ----------
    path, device : Path, torch.device
        File as Cellpose 4 writes it, of which nothing is executed; where to put the network.
    precision : str
        ``float32``, ``bfloat16``, or ``auto``: bfloat16 on a GPU that has it, as Cellpose does,
        and float32 elsewhere, where it is faster.

    Raises
    ------
    ValueError
        If the file holds no weights of Cellpose 4, or not all of them, or the GPU has no bfloat16.
    """
    weights = _read(path)
    kind = "dino" if "encoder.cls_token" in weights else "sam"
    module = _empty_network(kind, weights)
    missing, _ = module.load_state_dict(weights, strict=False, assign=True)
    if missing:
        raise ValueError(
            f"'{path}' lacks {len(missing)} parts of a Cellpose network, {missing[0]} for "
            "instance. Is it the whole file, and one of Cellpose 4?"
        )
    if precision == "auto":
        precision = "bfloat16" if has_bfloat16(device) else "float32"
    elif precision == "bfloat16" and device.type == "cuda" and not has_bfloat16(device):
        raise ValueError(
            f"precision is bfloat16, and {torch.cuda.get_device_name(device)} does not compute in "
            "it. Set 'precision: float32', or leave the parameter out."
        )
    number = getattr(torch, precision)
    module = exact(module, device).to(number)
    if kind == "sam":
        fuse_attention(module)
    return CellposeNetwork(module, kind, _TILE_SIDES[kind], device, number)


def compile_network(network: CellposeNetwork, batch: Tensor) -> tuple[CellposeNetwork, float]:
    """Compile a network for batches of one shape; return it, and the seconds that this took."""
    started = time.monotonic()
    compiled = cast(nn.Module, torch.compile(network.module, dynamic=False))
    ready = replace(network, module=compiled)
    ready.run(batch).cpu()
    seconds = time.monotonic() - started
    log.info("compiling the network took %.0f s", seconds)
    return ready, seconds


def _read(path: Path) -> dict[str, Tensor]:
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch raises a dozen kinds for files that are none of its own
        raise ValueError(
            f"'{path}' cannot be read as weights of Cellpose 4: {str(error).splitlines()[0]}"
        ) from None
    if isinstance(weights, Mapping):
        weights = {name.removeprefix(_PREFIX): value for name, value in weights.items()}
    if not isinstance(weights, dict) or "W2" not in weights:
        raise ValueError(
            f"'{path}' holds no weights of Cellpose 4. Models of Cellpose 3 and older (cyto3, "
            "nuclei, ...) need that version: choose the method cellpose3."
        )
    return weights


def _empty_network(kind: str, weights: Mapping[str, Tensor]) -> nn.Module:
    """Build the network that weights are for."""
    if kind == "sam":
        with torch.device("meta"):  # without numbers, which costs neither time nor memory
            return vit.CPSAM()
    if not hasattr(vit, "CPDINO") or not hasattr(vit, "dinov3_vitl16"):
        raise ValueError(
            "these weights are of a Cellpose-DINO network, which needs the package dinov3. It is "
            "on no package index: `pip install git+https://github.com/facebookresearch/dinov3` "
            "installs it, under a licence of its own. Or choose the weights cpsam_v2."
        )
    width = weights["encoder.patch_embed.proj.weight"].shape[0]
    return vit.CPDINO(model_name="vitl" if width == 1024 else "vitb")
