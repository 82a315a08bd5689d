"""Train a small model with InstanSeg's own network and loss; runs in the environment of that name.

Usage: train_instanseg.py SAMPLES.npz FOLDER
Writes FOLDER/small.pt, the TorchScript in which InstanSeg's models are published.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from instanseg.utils.loss.instanseg_loss import InstanSeg, InstanSeg_Torchscript
from instanseg.utils.models.InstanSeg_UNet import InstanSeg_UNet
from instanseg.utils.utils import percentile_normalize

SEED = 7
STEPS = 900
BATCH = 2
SIDE = 128
PIXEL_SIZE = 0.5  # µm that the model is said to have been trained at


def batch(images: np.ndarray, labels: np.ndarray, rng) -> tuple[torch.Tensor, torch.Tensor]:
    """Crop, turn and flip a few images and their labels alike."""
    chosen_images, chosen_labels = [], []
    for _ in range(BATCH):
        number = rng.integers(len(images))
        y, x = rng.integers(images.shape[1] - SIDE, size=2)
        part = (number, slice(y, y + SIDE), slice(x, x + SIDE))
        turns = rng.integers(4)
        chosen_images.append(np.rot90(images[part], turns).copy())
        chosen_labels.append(np.rot90(labels[part], turns).copy())
    brightness = rng.uniform(0.7, 1.3)
    return (
        torch.tensor(np.stack(chosen_images) * brightness, dtype=torch.float32)[:, None],
        torch.tensor(np.stack(chosen_labels), dtype=torch.float32)[:, None],
    )


def main(samples: Path, folder: Path) -> None:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    rng = np.random.default_rng(SEED)
    arrays = np.load(samples)
    images = np.stack([percentile_normalize(torch.tensor(i[None]))[0] for i in arrays["images"]])
    model = InstanSeg_UNet(in_channels=1, out_channels=[[2, 2, 1]], layers=[64, 32, 16])
    method = InstanSeg(n_sigma=2, device="cpu", seed_loss_fn="l1_distance", window_size=64)
    model = method.initialize_pixel_classifier(model, MLP_width=10)
    seeds = model.decoders[0].final_block[2][1]
    # Seeds lie between -7.5 (background) and 7.5 (centres). The network's last normalisation would
    # need thousands of steps to get there from 0.
    torch.nn.init.constant_(seeds.bias, -5.0)
    torch.nn.init.constant_(seeds.weight, 4.0)
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    for step in range(STEPS):
        # As its authors do: the seeds first, and the outlines once there are seeds.
        method.instance_weight = 0 if step < STEPS // 4 else 1.5
        inputs, targets = batch(images, arrays["labels"], rng)
        loss = method.forward(model(inputs), targets).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 20)
        optimiser.step()
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * (1 - step / STEPS)
        if step % 50 == 0:
            print(f"step {step} of {STEPS}: loss {loss.item():.3f}", flush=True)
    script = InstanSeg_Torchscript(
        model.eval(), pixel_size=PIXEL_SIZE, n_sigma=2, backbone_dim_in=1
    )
    with torch.jit.optimized_execution(should_optimize=True):
        torch.jit.script(script).save(str(folder / "small.pt"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
