"""A network whose weights nobody has: random ones of the real size, and flows planted after it.

From random weights no objects come, so what the network says in float32 is replaced by the flows of
real labels; in bfloat16 its differences from float32 are added to them.
"""

import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from cellpose import models, vit
from segment_anything.modeling.image_encoder import ImageEncoderViT

from gpu_parts.images import DISTINCT
from levelfield.segmentation.networks.cellpose.model import CellposeModel

AMPLITUDE = 4.0  # of a random network's outputs: about that of a trained one's


class Planted:
    """In place of what an untrained network says: flows of real labels, and its rounding.

    Parameters
    ----------
    flows, expected : (N, 3, Y, X) float32
        Flows of the labels of N sites, and what the network says in float32 in `eval`.
    """

    def __init__(self, flows, expected, device):
        self.flows, self.expected = flows, expected
        self.on_device = [torch.from_numpy(array).to(device) for array in (flows, expected)]
        self.seconds = 0.0  # that arrays took, which are none of Cellpose's

    def __call__(self, number, output):
        place = number % DISTINCT
        if isinstance(output, torch.Tensor):
            flows, expected = self.on_device
            return flows[place] + (output - expected[place])
        started = time.perf_counter()
        found = self.flows[place] + (output - self.expected[place])
        self.seconds += time.perf_counter() - started
        return found


class Ours(CellposeModel):
    """Finds objects in planted flows, after the network has run."""

    planted = None

    def _predict(self, canvases, options):
        for number, output in enumerate(super()._predict(canvases, options)):
            yield output if self.planted is None else self.planted(number, output)


class Theirs(models.CellposeModel):
    """The same for Cellpose's own class; `number` is that of the site."""

    planted, number = None, 0

    def _run_net(self, x, **options):
        flow, inside, styles = super()._run_net(x, **options)
        if self.planted is None:
            return flow, inside, styles
        found = self.planted(self.number, np.concatenate([flow[:, 0], inside]))
        return found[:2, None].copy(), found[2][None].copy(), styles


class SmallSam(torch.nn.Module):
    """In place of Segment Anything, with two layers."""

    def __init__(self, checkpoint=None):
        super().__init__()
        norm = partial(torch.nn.LayerNorm, eps=1e-6)
        self.image_encoder = ImageEncoderViT(
            depth=2, embed_dim=64, num_heads=2, out_chans=256, norm_layer=norm, use_rel_pos=True
        )


def random_weights(folder, device, image):
    """Write weights of an untrained network that answers an image (1, Y, X) with some contrast."""
    torch.manual_seed(0)
    network = vit.CPSAM().eval().to(device)
    for name, value in network.named_parameters():
        if "rel_pos" in name or "pos_embed" in name:
            value.data.normal_(0, 0.02)
    # Outputs vary by AMPLITUDE around 0.
    features = []
    network.encoder.neck.register_forward_hook(lambda _, __, output: features.append(output))
    with torch.inference_mode():
        network(torch.from_numpy(image[:, :256, :256].repeat(3, 0)[None]).to(device))
        found = network.out(features[0])
    scale = AMPLITUDE / found.std((0, 2, 3))
    network.out.weight.data *= scale[:, None, None, None]
    network.out.bias.data = (network.out.bias.data - found.mean((0, 2, 3))) * scale
    path = Path(folder) / "random"
    network.cpu().save_model(path)
    return path
