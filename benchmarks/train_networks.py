"""Train the networks of all folds at once on a GPU, from one pool of samples that they share.

``fold0`` learns from every group of both collections, ``fold1`` to ``fold3`` leave out theirs
(``folds.csv``), each going on from the weights that had left out the same groups before.
``fold1_plain`` is ``fold1`` again without what `levelfield.training.augmentation.disturb` adds, to
tell what that is worth. Processes make samples, each by its number (so the n-th is always the same)
and with its targets; a network learns from those that are there and are not of its held-out groups,
turned, mirrored and changed in intensity again each time. Every third sample is plain.

The training lasts ``--seconds``; the number of steps follows from the speed, and with it the fall
of the learning rate. ``--steps`` sets it instead. Writes into ``--out``: ``NETWORK.safetensors``
for each, again at every check, and ``history.csv``, whose ``validation`` is the loss on held-out
groups, which decides nothing.

Run: ``OMP_NUM_THREADS=1 python benchmarks/train_networks.py --device cuda --out FOLDER``
"""

import argparse
import mmap
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from multiprocessing.pool import ThreadPool
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import torch
from annotated import DATA, REPOSITORY, read_image, read_index
from torch import Tensor
from torch.nn import functional

from levelfield.segmentation.networks.unet import load_network, save_network
from levelfield.segmentation.small_network import targets as net_targets
from levelfield.training.loop import Training
from levelfield.training.recipe import TrainingSettings
from levelfield.training.samples import TrainingImage, draw_crop, sampling_weights, training_image

SHIPPED = REPOSITORY / "levelfield" / "weights" / "nuclei.safetensors"
NETWORKS = {"fold0": 0, "fold1": 1, "fold2": 2, "fold3": 3, "fold1_plain": 1}
PLAIN_EVERY = 3
PLAIN = mock.patch("levelfield.training.samples.disturb", lambda image, labels, *_: (image, labels))
# A sample is two px wider than what a network sees of it, and one row and column less is turned:
# then even pixels, on which the star polygons lie, fall on even ones.
SIDE = TrainingSettings.side
STORED = {
    "image": (np.float16, (SIDE + 2, SIDE + 2)),
    "labels": (np.int16, (SIDE + 2, SIDE + 2)),
    "distance": (np.uint8, (SIDE + 2, SIDE + 2)),  # in 1/255
    "angle": (np.uint8, (SIDE + 2, SIDE + 2)),  # of the flow, in 1/256 of a turn
    "star": (np.uint8, (net_targets.N_RAYS, SIDE // 2 + 1, SIDE // 2 + 1)),  # in half px
}
FURTHEST = max(abs(step) for offset in net_targets.AFFINITY_OFFSETS for step in offset)


def shared(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Return zeros in memory that forked processes share."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(mmap.mmap(-1, size), dtype).reshape(shape)


class Pool:
    """Samples that processes make while networks learn from those that are there already."""

    def __init__(self, images: list, size: int, makers: int, seed: int) -> None:
        self.images, self.size, self.seed = images, size, seed
        self.arrays = {name: shared((size, *shape), kind) for name, (kind, shape) in STORED.items()}
        self.weights = sampling_weights(images)
        self.made, self.is_over = shared((makers,), np.int64), shared((1,), np.int64)
        rng = np.random.default_rng(seed)
        self.chosen = rng.choice(len(images), size, p=self.weights)

    def start(self) -> None:
        """Start the processes; must be called before CUDA is."""
        self.make(0)  # compiled once, before the processes divide
        for maker in range(len(self.made)):
            context = multiprocessing.get_context("fork")
            context.Process(target=self.make_all, args=(maker,), daemon=True).start()

    def make_all(self, maker: int) -> None:
        """Make every so many-th sample."""
        for number in range(maker, self.size, len(self.made)):
            if self.is_over[0]:
                return
            self.make(number)
            self.made[maker] += 1

    def make(self, number: int) -> None:
        """Make a sample and its targets."""
        image = self.images[self.chosen[number]]
        with PLAIN if number % PLAIN_EVERY == 0 else nullcontext():
            crop, labels = draw_crop([image], np.ones(1), SIDE + 2, self.seed, number)
        targets = net_targets.make_targets(labels)
        angle = np.arctan2(targets.flow[0], targets.flow[1]) * (128 / np.pi)
        sample = {
            "image": crop,
            "labels": labels,
            "distance": np.round(targets.distance * 255),
            "angle": np.round(angle).astype(int) % 256,
            "star": np.minimum(2 * targets.star_distances, 255),
        }
        for name, values in sample.items():
            self.arrays[name][number] = values

    @property
    def n_ready(self) -> int:
        """All samples of lower numbers are there."""
        makers = len(self.made)
        return min(self.size, int(min(count * makers + m for m, count in enumerate(self.made))))


@dataclass
class Store:
    """The pool's samples as far as they are on the device, and batches of them."""

    pool: Pool
    device: str
    n: int = 0
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tensors = {
            name: torch.empty(
                array.shape, dtype=torch.from_numpy(array[:0]).dtype, device=self.device
            )
            for name, array in self.pool.arrays.items()
        }

    def fetch(self, least: int) -> bool:
        """Copy what has been made since, unless it is less than `least` samples; say if so."""
        ready = self.pool.n_ready
        if ready - self.n < min(least, self.pool.size - self.n) or ready == self.n:
            return False
        for name, array in self.pool.arrays.items():
            self.tensors[name][self.n : ready] = torch.from_numpy(array[self.n : ready])
        self.n = ready
        return True

    def batch(self, chosen: Tensor, flips: np.ndarray) -> tuple[Tensor, dict]:
        """Return samples as the small network's recipe wants them, turned and mirrored."""
        part = {name: tensor[chosen] for name, tensor in self.tensors.items()}
        angle = part.pop("angle").float() * (np.pi / 128)
        part |= {"flow_y": angle.sin(), "flow_x": angle.cos()}
        part = {
            name: value if name == "star" else value[:, :-1, :-1] for name, value in part.items()
        }
        part = turned(part, *flips)
        labels = part["labels"][:, :SIDE, :SIDE].float()
        foreground = labels > 0
        flow = torch.stack([part["flow_y"], part["flow_x"]], 1)[:, :, :SIDE, :SIDE]
        image = part["image"][:, None, :SIDE, :SIDE].float()
        return varied(image), {
            "known": labels >= 0,
            "foreground": foreground,
            "classes": classes_of(labels),
            "distance": part["distance"][:, :SIDE, :SIDE].float() / 255,
            "flow": flow * foreground[:, None],
            "pairs": pairs_of(labels),
            "star_distances": part["star"][:, :, : SIDE // 2, : SIDE // 2].float() / 2,
        }


def turned(part: dict[str, Tensor], transpose: int, flip_y: int, flip_x: int) -> dict[str, Tensor]:
    """Turn and mirror samples with their arrows and rays."""
    rays = torch.arange(net_targets.N_RAYS, device=part["star"].device)
    if transpose:
        part = {name: value.mT for name, value in part.items()}
        part["flow_y"], part["flow_x"] = part["flow_x"], part["flow_y"]
        part["star"] = part["star"][:, (net_targets.N_RAYS // 4 - rays) % net_targets.N_RAYS]
    if flip_y:
        part = {name: value.flip(-2) for name, value in part.items()}
        part |= {"flow_y": -part["flow_y"], "star": part["star"][:, -rays % net_targets.N_RAYS]}
    if flip_x:
        part = {name: value.flip(-1) for name, value in part.items()}
        part["flow_x"] = -part["flow_x"]
        part["star"] = part["star"][:, (net_targets.N_RAYS // 2 - rays) % net_targets.N_RAYS]
    return part


def varied(image: Tensor) -> Tensor:
    """Change gamma, exposure and noise of images (N, 1, Y, X) a little.

    Drawn on the device, since it would have to wait for numbers that are copied to it.
    """
    drawn = torch.rand(4, len(image), 1, 1, 1, device=image.device) - 0.5
    gamma, gain = (0.5 * drawn[:2]).exp()
    noise = (0.06 * drawn[2]).clamp(min=0) * torch.randn_like(image)
    return image.clamp(min=0) ** gamma * gain + 0.1 * drawn[3] + noise


def classes_of(labels: Tensor) -> Tensor:
    """Return the classes of labels (N, Y, X) float32, as `make_targets` finds them."""
    nowhere = 1e6
    highest = functional.max_pool2d(labels, 3, 1, 1)
    lowest_known = -functional.max_pool2d(torch.where(labels >= 0, -labels, -nowhere), 3, 1, 1)
    lowest_object = -functional.max_pool2d(torch.where(labels > 0, -labels, -nowhere), 3, 1, 1)
    at_edge = (highest != labels) | (lowest_known != labels)
    between = (highest > 0) & (lowest_object != highest)
    found = torch.where(
        labels > 0,
        torch.where(at_edge, net_targets.BOUNDARY, net_targets.INTERIOR),
        net_targets.BACKGROUND,
    )
    return torch.where((labels <= 0) & between, net_targets.BOUNDARY, found)


def pairs_of(labels: Tensor) -> Tensor:
    """Return the pairs of labels (N, Y, X) float32, as `make_targets` finds them."""
    far, (height, width) = FURTHEST, labels.shape[1:]
    padded = functional.pad(labels, (far, far, far, far), value=-1)
    found = []
    for dy, dx in net_targets.AFFINITY_OFFSETS:
        other = padded[:, far + dy : far + dy + height, far + dx : far + dx + width]
        alike = torch.where(labels > 0, net_targets.SAME_OBJECT, net_targets.BOTH_BACKGROUND)
        one_is_background = (labels == 0) | (other == 0)
        unlike = torch.where(
            one_is_background, net_targets.OBJECT_AND_BACKGROUND, net_targets.DIFFERENT_OBJECTS
        )
        known = (labels >= 0) & (other >= 0)
        found.append(
            torch.where(
                known, torch.where(labels == other, alike, unlike), net_targets.UNKNOWN_PAIR
            )
        )
    return torch.stack(found, 1).to(torch.uint8)


@dataclass
class Learner:
    """One of the networks: what it may learn from, what it is judged by, and how far it is."""

    name: str
    training: Training
    allowed: np.ndarray  # of all samples of the pool
    judging: list
    numbers: Tensor = field(default_factory=lambda: torch.empty(0))  # of those that are there

    def update(self, store: Store) -> None:
        """Take in the samples that came since."""
        self.numbers = torch.from_numpy(np.flatnonzero(self.allowed[: store.n])).to(store.device)

    def batch(self, store: Store, flips: np.ndarray) -> tuple[Tensor, dict]:
        """Draw a batch among the samples that are there."""
        size = (self.training.settings.batch,)
        drawn = torch.randint(len(self.numbers), size, device=store.device)
        return store.batch(self.numbers[drawn], flips)


def learners(options: argparse.Namespace, pool: Pool, folds: np.ndarray, store: Store) -> Iterator:
    """Yield the networks, each with the weights from which it goes on."""
    folder = REPOSITORY / "benchmarks" / "networks"
    fold_of = folds[pool.chosen]
    is_plain = np.arange(pool.size) % PLAIN_EVERY == 0
    for name in options.networks:
        fold = NETWORKS[name]
        start = folder / f"fold{fold}" / "weights.safetensors" if fold else SHIPPED
        settings = TrainingSettings(
            steps=options.steps or 10_000,
            batch=options.batch,
            learning_rate=options.learning_rate,
            seed=options.seed,
        )
        training = Training(settings, load_network(start)[0], options.device)
        left_out = (fold_of == fold) & (fold > 0)
        allowed = ~left_out & is_plain if name.endswith("plain") else ~left_out
        judging = torch.from_numpy(np.flatnonzero(left_out[: store.n])).to(options.device)
        batches = judging[: 4 * options.batch].split(options.batch) if len(judging) else []
        yield Learner(name, training, allowed, [store.batch(each, np.zeros(3)) for each in batches])


def learn(options: argparse.Namespace, networks: list[Learner], store: Store, ends: float) -> None:
    """Let the networks learn in turns until the time or the steps are over."""
    began, step, first = time.monotonic(), 0, 0
    rng = np.random.default_rng(options.seed)
    while step < networks[0].training.settings.steps and time.monotonic() < ends:
        if store.fetch(2048) or step == 0:
            for network in networks:
                network.update(store)
        flips = rng.integers(2, size=3)
        for network in networks:
            network.training.learn(network.batch(store, flips))
        step += 1
        if step == options.check_every // 4:
            began, first = synchronised(options.device), step
        if step % options.check_every == 0:
            rate = (synchronised(options.device) - began) / (step - first)
            steps = options.steps or step + max(int((ends - time.monotonic()) / rate), 1)
            for network in networks:
                network.training.settings = replace(network.training.settings, steps=steps)
            report(options, networks, store, ends - options.seconds)


def synchronised(device: str) -> float:
    """Return the time at which the device has done all that it was told."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.monotonic()


def report(
    options: argparse.Namespace, networks: list[Learner], store: Store, began: float
) -> None:
    """Check and write all networks."""
    rows = []
    for network in networks:
        known = network.training.rows
        if not known or known[-1]["step"] < network.training.step:
            network.training.check(network.judging)
        row = known[-1]
        rows += [{"network": network.name, **each} for each in network.training.rows]
        print(
            f"{time.monotonic() - began:.0f} s, {network.name}: step {row['step']:.0f} of "
            f"{network.training.settings.steps}, training {row['training']:.3f}, held out "
            f"{row.get('validation', np.nan):.3f}, pool {store.n}",
            flush=True,
        )
        facts = {
            "data": "BBBC038v1, fluorescence part, and Aitslab bioimaging1, nuclei",
            "fold": str(NETWORKS[network.name]),
        }
        partial = options.out / f"{network.name}.partial"
        save_network(partial, network.training.weights, facts)
        partial.replace(options.out / f"{network.name}.safetensors")
    pd.DataFrame(rows).to_csv(options.out / "history.csv", index=False)


def annotated_image(name: str, group: str, folder: str) -> TrainingImage:
    """Read one image to learn from."""
    return training_image(name, group, *read_image(Path(folder), name))


def main() -> None:
    """Train all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--makers", type=int, default=8, help="processes that make samples")
    parser.add_argument("--pool", type=int, default=100_000, help="samples, of 240 kB each")
    parser.add_argument("--first", type=int, default=8_000, help="samples to begin with")
    parser.add_argument("--seconds", type=float, default=240.0, help="all in all")
    parser.add_argument("--steps", type=int, default=0, help="0: as many as there is time for")
    parser.add_argument("--check-every", type=int, default=200)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--every", type=int, default=1, help="take each N-th image only")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    ends = time.monotonic() + options.seconds
    options.out.mkdir(parents=True, exist_ok=True)
    index = read_index(options.data).iloc[:: options.every]
    with ThreadPool(options.makers) as threads:
        images = threads.starmap(annotated_image, index[["name", "group", "folder"]].to_numpy())
    pool = Pool(images, options.pool, options.makers, options.seed)
    pool.start()
    torch.backends.cudnn.benchmark = True
    store = Store(pool, options.device)
    while store.n < options.first and time.monotonic() < ends:
        time.sleep(0.1)
        store.fetch(min(options.first, options.pool))
    print(f"{options.seconds - ends + time.monotonic():.0f} s: {store.n} samples", flush=True)
    networks = list(learners(options, pool, index["fold"].to_numpy(), store))
    try:
        learn(options, networks, store, ends)
    finally:
        pool.is_over[0] = 1
        report(options, networks, store, ends - options.seconds)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
