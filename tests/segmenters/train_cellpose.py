"""Train a Cellpose-SAM network of the real size: its last layers, and one of its 24 blocks.

The other blocks are passed by: their last layers are zero, so that what comes in goes out. The file
is as large as a published one (1.2 GB), and segments as slowly.
"""

from pathlib import Path

import numpy as np
import torch
from cellpose import vit
from cellpose.dynamics import labels_to_flows
from cellpose.transforms import normalize99
from scipy import ndimage

SEED = 7
STEPS = 240
BATCH = 2
SIDE = 256  # px, the only one that the network takes
DIAMETER = 15.0  # px; Cellpose leaves the scale of images alone when it is told 30


def train_cellpose(images: list[np.ndarray], labels: list[np.ndarray], path: Path) -> Path:
    """Train on images (Y, X) and their labels, and write the weights as Cellpose does."""
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    network = vit.CPSAM(rdrop=0)
    blocks = network.encoder.blocks
    with torch.no_grad():
        for block in blocks:
            for last in (block.attn.proj, block.mlp.lin2):
                last.weight.zero_()
                last.bias.zero_()
    network.encoder.blocks = blocks[:1]
    prepared = [_prepared(*pair) for pair in zip(images, labels, strict=True)]
    learning = [*blocks[0].mlp.parameters(), *blocks[0].norm2.parameters()]
    learning += [*network.encoder.neck.parameters(), *network.out.parameters()]
    optimiser = torch.optim.AdamW(learning, lr=1e-3)
    network.requires_grad_(False).train()
    for parameter in learning:
        parameter.requires_grad_(True)
    for step in range(STEPS):
        optimiser.param_groups[0]["lr"] = 1e-3 * min(1, (step + 1) / 20) * (1 - step / STEPS)
        tiles, targets = zip(*(_crop(prepared, rng) for _ in range(BATCH)), strict=True)
        found = network(torch.from_numpy(np.stack(tiles)))[0]
        truth = torch.from_numpy(np.stack(targets))
        loss = torch.nn.functional.mse_loss(found[:, :2], 5 * truth[:, 1:]) / 2
        loss += torch.nn.functional.binary_cross_entropy_with_logits(found[:, 2], truth[:, 0])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learning, 5.0)
        optimiser.step()
        if step % 20 == 0:
            print(f"step {step} of {STEPS}: loss {loss.item():.3f}", flush=True)
    network.encoder.blocks = blocks
    network.save_model(path)
    return path


def _prepared(image: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale as Cellpose would, and make its targets: inside, flow along y and x."""
    areas = np.bincount(labels.ravel())[1:]
    zoom = DIAMETER / (2 * np.sqrt(np.median(areas[areas > 0]) / np.pi))
    zoom = max(zoom, SIDE / min(image.shape))
    scaled = normalize99(ndimage.zoom(image, zoom, order=1)).astype(np.float32)
    numbers = ndimage.zoom(labels, zoom, order=0).astype(np.int32)
    flows = labels_to_flows([numbers], device=torch.device("cpu"))[0]
    return scaled, flows[1:].astype(np.float32)


def _crop(prepared: list, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    image, target = prepared[rng.integers(len(prepared))]
    y, x = (rng.integers(size - SIDE + 1) for size in image.shape)
    part = (slice(y, y + SIDE), slice(x, x + SIDE))
    image, target = image[part], target[:, *part].copy()
    if rng.random() < 0.5:  # mirrored, and so is the flow
        image, target = image[::-1], target[:, ::-1] * [[[1]], [[-1]], [[1]]]
    if rng.random() < 0.5:
        image, target = image[:, ::-1], target[:, :, ::-1] * [[[1]], [[1]], [[-1]]]
    return np.stack([image] * 3), target.astype(np.float32)
