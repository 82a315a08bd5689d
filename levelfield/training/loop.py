"""The training loop: deterministic, resumable, and the same on a CPU and a GPU."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from levelfield.segmentation.network import UNet
from levelfield.training.losses import HEADS, head_losses, split_merge_loss, threshold_bias_loss
from levelfield.training.samples import TrainingImage, draw_sample, sampling_weights

log = logging.getLogger("levelfield")

_WARM_UP = 100  # steps until the learning rate is full; a tenth of short trainings
_LAST_RATE = 0.01  # of the full learning rate, at the end
_VALIDATION_SAMPLES = 64
_AVERAGE = 0.995  # of the running mean of the weights, which is what is kept


@dataclass(frozen=True)
class TrainingSettings:
    """How to train.

    Attributes
    ----------
    steps : int
        Batches to learn from; the learning rate falls to nearly 0 until then.
    batch, side : int
        Samples per batch, and their side in px (a multiple of 16).
    learning_rate : float
        The highest one.
    heads : tuple of str
        Which of `losses.HEADS` learn.
    threshold_bias, split_merge : float
        Weights of the losses that ask the QC's questions.
    patience : int
        Stop after so many checks without a better validation loss; 0: never.
    check_every : int
        Steps between two checks.
    seed : int
        Of the first weights and of all samples.
    """

    steps: int = 12_000
    batch: int = 16
    side: int = 128
    learning_rate: float = 3e-3
    heads: tuple[str, ...] = HEADS
    threshold_bias: float = 0.0
    split_merge: float = 0.0
    patience: int = 0
    check_every: int = 250
    seed: int = 0


@dataclass(frozen=True)
class TrainingResult:
    """What training leaves.

    Attributes
    ----------
    weights : dict of str to Tensor
        The best weights (running mean), on the CPU.
    history : DataFrame
        A row per check: ``step``, ``learning_rate``, mean loss of each head since the last check,
        ``training``, and, with validation images, ``validation``.
    stopped_early : bool
        Whether patience ended before the steps did.
    """

    weights: dict[str, Tensor]
    history: pd.DataFrame
    stopped_early: bool


class _Samples(Dataset):
    """Samples by number, so that any worker makes the same."""

    def __init__(self, images: Sequence[TrainingImage], side: int, seed: int) -> None:
        self.images, self.side, self.seed = images, side, seed
        self.weights = sampling_weights(images)

    def __getitem__(self, number: int) -> tuple[Tensor, dict[str, Tensor]]:
        image, targets = draw_sample(self.images, self.weights, self.side, self.seed, number)
        arrays = {name: torch.from_numpy(array) for name, array in vars(targets).items()}
        return torch.from_numpy(image)[None], arrays


@dataclass
class _State:
    """All that changes while training, and what a checkpoint holds."""

    network: UNet
    average: UNet
    optimiser: torch.optim.Optimizer
    step: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Tensor] | None = None
    best_loss: float = float("inf")
    n_worse: int = 0


def train(
    images: Sequence[TrainingImage],
    validation: Sequence[TrainingImage],
    settings: TrainingSettings,
    start: Mapping[str, Tensor] | None = None,
    device: str = "cpu",
    workers: int = 0,
    checkpoint: Path | None = None,
    on_check: Callable[[dict[str, float], float], None] | None = None,
) -> TrainingResult:
    """Train the network on annotated images.

    Parameters
    ----------
    images
        To learn from.
    validation
        Images of other groups, which decide when to stop and which weights to keep; without any,
        the last weights are kept.
    settings
        See `TrainingSettings`.
    start
        Weights to start from (fine-tuning); None for random ones.
    device
        Of torch. On a GPU, and on a CPU that has it, products are computed in bfloat16.
    workers
        Processes that make samples beside the training; 0: none. The result does not depend on it.
    checkpoint
        File that is written at each check and resumed from if it is there; None for no file.
    on_check
        Called with each row of the history and the remaining seconds.

    Raises
    ------
    ValueError
        If there are no images, or the checkpoint is of another training.
    """
    if not images:
        raise ValueError("there are no images to train on")
    unknown = set(settings.heads) - set(HEADS)
    if unknown:
        raise ValueError(f"no heads {sorted(unknown)}; there are {', '.join(HEADS)}")
    state = _new_state(settings, start, device)
    if checkpoint is not None and checkpoint.is_file():
        _resume(state, checkpoint, settings)
    checks = _validation_batches(validation, settings)
    losses: list[dict[str, float]] = []
    started, first_step = time.monotonic(), state.step
    stopped = _is_exhausted(state, settings)
    for image, targets in () if stopped else _batches(images, settings, state.step, workers):
        losses.append(_learn(state, image.to(device), _to(targets, device), settings))
        state.step += 1
        if state.step % settings.check_every and state.step < settings.steps:
            continue
        row = _check(state, losses, checks, settings, device)
        losses = []
        if checkpoint is not None:
            _save(state, checkpoint, settings)
        rate = (time.monotonic() - started) / (state.step - first_step)
        if on_check is not None:
            on_check(row, rate * (settings.steps - state.step))
        stopped = _is_exhausted(state, settings)
        if stopped:
            break
    weights = state.best if state.best is not None else _weights(state.average)
    return TrainingResult(weights, pd.DataFrame(state.rows), stopped)


def _new_state(
    settings: TrainingSettings, start: Mapping[str, Tensor] | None, device: str
) -> _State:
    torch.manual_seed(settings.seed)
    networks = []
    for _ in range(2):
        network = UNet()
        if start is not None:
            network.load_state_dict(dict(start))
        elif networks:
            network.load_state_dict(networks[0].state_dict())
        networks.append(network.to(device, memory_format=torch.channels_last))
    optimiser = torch.optim.AdamW(
        networks[0].parameters(), lr=settings.learning_rate, weight_decay=1e-3
    )
    return _State(networks[0], networks[1].eval(), optimiser)


def _batches(
    images: Sequence[TrainingImage], settings: TrainingSettings, done: int, workers: int
) -> DataLoader:
    numbers = range(done * settings.batch, settings.steps * settings.batch)
    return DataLoader(
        _Samples(images, settings.side, settings.seed),
        batch_size=settings.batch,
        sampler=numbers,
        num_workers=workers,
        worker_init_fn=_one_thread,
        prefetch_factor=4 if workers else None,
    )


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)


def _to(targets: Mapping[str, Tensor], device: str) -> dict[str, Tensor]:
    return {name: tensor.to(device) for name, tensor in targets.items()}


def _validation_batches(
    validation: Sequence[TrainingImage], settings: TrainingSettings
) -> list[tuple[Tensor, dict[str, Tensor]]]:
    """Draw the samples once: every check judges by the same ones."""
    if not validation:
        return []
    # A seed of its own: validation must not see the augmentations of the training.
    samples = _Samples(validation, settings.side, settings.seed + 1)
    loader = DataLoader(samples, batch_size=settings.batch, sampler=range(_VALIDATION_SAMPLES))
    return list(loader)


def _learn(
    state: _State, image: Tensor, targets: Mapping[str, Tensor], settings: TrainingSettings
) -> dict[str, float]:
    for group in state.optimiser.param_groups:
        group["lr"] = _learning_rate(state.step, settings)
    state.network.train()
    losses = _losses(state.network, image, targets, settings)
    state.optimiser.zero_grad(set_to_none=True)
    sum(losses.values()).backward()
    nn.utils.clip_grad_norm_(state.network.parameters(), 5.0)
    state.optimiser.step()
    # At first the running mean follows quickly, or it would remember the random weights.
    share = max(1 - _AVERAGE, 9 / (10 + state.step))
    with torch.no_grad():
        pairs = zip(
            state.average.state_dict().values(), state.network.state_dict().values(), strict=True
        )
        for kept, new in pairs:
            kept.lerp_(new, share) if kept.dtype.is_floating_point else kept.copy_(new)
    return {name: float(loss.detach()) for name, loss in losses.items()}


def _learning_rate(step: int, settings: TrainingSettings) -> float:
    fall = 0.5 * (1 + np.cos(np.pi * step / settings.steps))
    warm_up = min(_WARM_UP, max(1, settings.steps // 10))
    share = min(1, (step + 1) / warm_up) * (fall * (1 - _LAST_RATE) + _LAST_RATE)
    return float(settings.learning_rate * share)


def _losses(
    network: UNet, image: Tensor, targets: Mapping[str, Tensor], settings: TrainingSettings
) -> dict[str, Tensor]:
    kind = image.device.type
    with torch.autocast(kind, dtype=torch.bfloat16, enabled=_has_bfloat16(kind)):
        output, star = network(image.contiguous(memory_format=torch.channels_last))
    losses = head_losses(output, star, targets)
    losses = {head: losses[head] for head in settings.heads}
    if settings.threshold_bias:
        losses["threshold_bias"] = settings.threshold_bias * threshold_bias_loss(output, targets)
    if settings.split_merge:
        losses["split_merge"] = settings.split_merge * split_merge_loss(output, targets)
    return losses


def _has_bfloat16(kind: str) -> bool:
    """Without instructions for it, a CPU computes bfloat16 slower than float32."""
    if kind == "cuda":
        return torch.cuda.is_bf16_supported()
    return kind == "cpu" and torch.backends.mkldnn.is_available() and _cpu_has_bfloat16()


def _cpu_has_bfloat16() -> bool:
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(probe and probe())


def _check(
    state: _State,
    losses: Sequence[Mapping[str, float]],
    checks: Sequence[tuple[Tensor, dict[str, Tensor]]],
    settings: TrainingSettings,
    device: str,
) -> dict[str, float]:
    row: dict[str, float] = {
        "step": state.step,
        "learning_rate": _learning_rate(state.step, settings),
        **{name: float(mean) for name, mean in pd.DataFrame(losses).mean().items()},
    }
    row["training"] = sum(float(mean) for mean in pd.DataFrame(losses).mean())
    if checks:
        row["validation"] = _validation_loss(state.average, checks, settings, device)
        if row["validation"] < state.best_loss:
            state.best, state.best_loss, state.n_worse = (
                _weights(state.average),
                row["validation"],
                0,
            )
        else:
            state.n_worse += 1
    state.rows.append(row)
    return row


def _validation_loss(
    network: UNet,
    checks: Sequence[tuple[Tensor, dict[str, Tensor]]],
    settings: TrainingSettings,
    device: str,
) -> float:
    with torch.no_grad():
        totals = [
            float(sum(_losses(network, image.to(device), _to(targets, device), settings).values()))
            for image, targets in checks
        ]
    return float(np.mean(totals))


def _is_exhausted(state: _State, settings: TrainingSettings) -> bool:
    return bool(settings.patience) and state.n_worse >= settings.patience


def _weights(network: UNet) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}


def _save(state: _State, path: Path, settings: TrainingSettings) -> None:
    content: dict[str, Any] = {
        "settings": repr(asdict(settings)),
        "network": state.network.state_dict(),
        "average": state.average.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "step": state.step,
        "rows": state.rows,
        "best": state.best,
        "best_loss": state.best_loss,
        "n_worse": state.n_worse,
    }
    beside = path.with_suffix(".partial")
    torch.save(content, beside)
    beside.replace(path)


def _resume(state: _State, path: Path, settings: TrainingSettings) -> None:
    content = torch.load(path, map_location="cpu", weights_only=True)
    if content["settings"] != repr(asdict(settings)):
        raise ValueError(
            f"{path} is the checkpoint of a training with other settings ({content['settings']}). "
            "Delete it to start anew, or go on with its settings."
        )
    state.network.load_state_dict(content["network"])
    state.average.load_state_dict(content["average"])
    state.optimiser.load_state_dict(content["optimiser"])
    state.step, state.rows = content["step"], content["rows"]
    state.best, state.best_loss = content["best"], content["best_loss"]
    state.n_worse = content["n_worse"]
    log.info("training resumes at step %d of %d", state.step, settings.steps)
