"""The training loop: deterministic, resumable, and the same on a CPU and a GPU."""

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

from levelfield.training.recipe import Machine, Recipe, TrainingSettings
from levelfield.training.samples import TrainingImage, draw_crop, sampling_weights
from levelfield.training.unet import UNET

log = logging.getLogger("levelfield")

THIS_CPU = Machine()
_WARM_UP = 100  # steps until the learning rate is full; a tenth of short trainings
_LAST_RATE = 0.01  # of the full learning rate, at the end
_VALIDATION_SAMPLES = 64
_AVERAGE = 0.995  # of the running mean of the weights, which is what is kept


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


class _Samples(Dataset[Any]):
    """Samples by number, so that any worker makes the same."""

    def __init__(
        self, recipe: Recipe, images: Sequence[TrainingImage], settings: TrainingSettings, seed: int
    ) -> None:
        self.recipe, self.images, self.settings, self.seed = recipe, images, settings, seed
        self.weights = sampling_weights(images)

    def __getitem__(self, number: int) -> Any:
        side = self.settings.side
        return self.recipe.sample(*draw_crop(self.images, self.weights, side, self.seed, number))


@dataclass
class _State:
    """All that changes while training, and what a checkpoint holds."""

    network: nn.Module
    average: nn.Module
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
    machine: Machine = THIS_CPU,
    checkpoint: Path | None = None,
    on_check: Callable[[dict[str, float], float], None] | None = None,
    recipe: Recipe = UNET,
) -> TrainingResult:
    """Train a network on annotated images.

    Parameters
    ----------
    images : sequence of TrainingImage
        To learn from.
    validation : sequence of TrainingImage
        Images of other groups, which decide when to stop and which weights to keep; without any,
        the last weights are kept.
    settings : TrainingSettings
        See `levelfield.training.recipe.TrainingSettings`.
    start : mapping of str to Tensor, optional
        Weights to start from (fine-tuning); None for random ones.
    machine : Machine, optional
        See `levelfield.training.recipe.Machine`.
    checkpoint : path, optional
        File that is written at each check and resumed from if it is there; None for no file.
    on_check : callable, optional
        Called with each row of the history and the remaining seconds.
    recipe : Recipe, optional
        What is particular to the kind of network.

    Raises
    ------
    ValueError
        If there are no images, or the checkpoint is of another training.
    """
    if not images:
        raise ValueError("there are no images to train on")
    device = machine.device
    state = _new_state(settings, start, device, recipe)
    if checkpoint is not None and checkpoint.is_file():
        _resume(state, checkpoint, settings)
    checks = _validation_batches(validation, settings, recipe)
    losses: list[dict[str, float]] = []
    started, first_step = time.monotonic(), state.step
    stopped = _is_exhausted(state, settings)
    for batch in () if stopped else _batches(images, settings, state.step, machine.workers, recipe):
        losses.append(_learn(state, batch, settings, device, recipe))
        state.step += 1
        if state.step % settings.check_every and state.step < settings.steps:
            continue
        row = _check(state, losses, checks, settings, device, recipe)
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
    settings: TrainingSettings, start: Mapping[str, Tensor] | None, device: str, recipe: Recipe
) -> _State:
    torch.manual_seed(settings.seed)
    network, average = recipe.build(settings), recipe.build(settings)
    if start is not None:
        recipe.start(network, start)
    average.load_state_dict(network.state_dict())
    network, average = network.to(device), average.to(device)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=1e-3
    )
    return _State(network, average.eval(), optimiser)


def _batches(
    images: Sequence[TrainingImage],
    settings: TrainingSettings,
    done: int,
    workers: int,
    recipe: Recipe,
) -> DataLoader[Any]:
    numbers = range(done * settings.batch, settings.steps * settings.batch)
    return DataLoader(
        _Samples(recipe, images, settings, settings.seed),
        batch_size=settings.batch,
        collate_fn=recipe.batch,
        sampler=numbers,
        num_workers=workers,
        worker_init_fn=_one_thread,
        prefetch_factor=4 if workers else None,
    )


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)


def _validation_batches(
    validation: Sequence[TrainingImage], settings: TrainingSettings, recipe: Recipe
) -> list[Any]:
    """Draw the samples once: every check judges by the same ones."""
    if not validation:
        return []
    # A seed of its own: validation must not see the augmentations of the training.
    samples = _Samples(recipe, validation, settings, settings.seed + 1)
    numbers = range(_VALIDATION_SAMPLES)
    return list(DataLoader(samples, settings.batch, sampler=numbers, collate_fn=recipe.batch))


def _learn(
    state: _State, batch: Any, settings: TrainingSettings, device: str, recipe: Recipe
) -> dict[str, float]:
    # Some networks draw numbers while they learn: the same ones, resumed or not.
    torch.manual_seed(settings.seed + state.step)
    for group in state.optimiser.param_groups:
        group["lr"] = _learning_rate(state.step, settings)
    state.network.train()
    losses = recipe.losses(state.network, batch, settings, device)
    state.optimiser.zero_grad(set_to_none=True)
    total: Any = sum(losses.values())
    total.backward()
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


def _check(
    state: _State,
    losses: Sequence[Mapping[str, float]],
    checks: Sequence[Any],
    settings: TrainingSettings,
    device: str,
    recipe: Recipe,
) -> dict[str, float]:
    row: dict[str, float] = {
        "step": state.step,
        "learning_rate": _learning_rate(state.step, settings),
        **{str(name): float(mean) for name, mean in pd.DataFrame(losses).mean().items()},
    }
    row["training"] = sum(float(mean) for mean in pd.DataFrame(losses).mean())
    if checks:
        row["validation"] = _validation_loss(state.average, checks, settings, device, recipe)
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
    network: nn.Module,
    checks: Sequence[Any],
    settings: TrainingSettings,
    device: str,
    recipe: Recipe,
) -> float:
    torch.manual_seed(settings.seed)
    with torch.no_grad():
        totals = [
            float(sum(recipe.losses(network, batch, settings, device).values())) for batch in checks
        ]
    return float(np.mean(totals))


def _is_exhausted(state: _State, settings: TrainingSettings) -> bool:
    return bool(settings.patience) and state.n_worse >= settings.patience


def _weights(network: nn.Module) -> dict[str, Tensor]:
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
            "Delete it to start again, or go on with its settings."
        )
    state.network.load_state_dict(content["network"])
    state.average.load_state_dict(content["average"])
    state.optimiser.load_state_dict(content["optimiser"])
    state.step, state.rows = content["step"], content["rows"]
    state.best, state.best_loss = content["best"], content["best_loss"]
    state.n_worse = content["n_worse"]
    log.info("training resumes at step %d of %d", state.step, settings.steps)
