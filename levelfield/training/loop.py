"""The training loop: deterministic, resumable, and the same on a CPU and a GPU."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
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
    """What training leaves: the best weights (a running mean), on the CPU, and how it went.

    The history has a row per check: ``step``, ``learning_rate``, mean loss of each head since the
    last check, ``training``, and, with validation images, ``validation``.
    """

    weights: dict[str, Tensor]
    history: pd.DataFrame
    stopped_early: bool  # patience ended before the steps did


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


class Training:
    """A network that learns, and all that changes while it does.

    Parameters
    ----------
    settings, device, recipe : TrainingSettings, str, Recipe
        How to train, where, and what is particular to the kind of network.
    start : mapping of str to Tensor, optional
        Weights to start from (fine-tuning); None for random ones.

    Attributes
    ----------
    step : int
        Batches learned from.
    rows : list of dict
        The history so far, see `TrainingResult`.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        start: Mapping[str, Tensor] | None = None,
        device: str = "cpu",
        recipe: Recipe = UNET,
    ) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.device, self.recipe = settings, device, recipe
        network, average = recipe.build(settings), recipe.build(settings)
        if start is not None:
            recipe.start(network, start)
        average.load_state_dict(network.state_dict())
        self.network, self.average = network.to(device), average.to(device).eval()
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=settings.learning_rate, weight_decay=1e-3
        )
        self.step = 0
        self.rows: list[dict[str, float]] = []
        self.best: dict[str, Tensor] | None = None
        self.best_loss, self.n_worse = float("inf"), 0
        self._losses: list[dict[str, Tensor]] = []  # since the last check

    @property
    def learning_rate(self) -> float:
        """That of the next batch: it rises quickly and falls slowly."""
        steps = self.settings.steps
        fall = 0.5 * (1 + np.cos(np.pi * self.step / steps))
        warm_up = min(_WARM_UP, max(1, steps // 10))
        share = min(1, (self.step + 1) / warm_up) * (fall * (1 - _LAST_RATE) + _LAST_RATE)
        return float(self.settings.learning_rate * share)

    @property
    def is_exhausted(self) -> bool:
        """Whether the validation loss has not fallen for as long as patience lasts."""
        return bool(self.settings.patience) and self.n_worse >= self.settings.patience

    @property
    def weights(self) -> dict[str, Tensor]:
        """The running mean of the weights, copied to the CPU."""
        state = self.average.state_dict()
        return {name: kept.detach().cpu().clone() for name, kept in state.items()}

    @property
    def result(self) -> TrainingResult:
        """What is left if it ends now."""
        weights = self.best if self.best is not None else self.weights
        return TrainingResult(weights, pd.DataFrame(self.rows), self.is_exhausted)

    def learn(self, batch: Any) -> None:
        """Learn from one batch of the recipe's samples."""
        # Some networks draw numbers while they learn: the same ones, resumed or not.
        torch.manual_seed(self.settings.seed + self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate
        self.network.train()
        losses = self.recipe.losses(self.network, batch, self.settings, self.device)
        self.optimiser.zero_grad(set_to_none=True)
        total: Any = sum(losses.values())
        total.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self._follow()
        self.step += 1
        self._losses.append({name: loss.detach() for name, loss in losses.items()})

    @torch.no_grad()
    def _follow(self) -> None:
        """Let the running mean follow: at first quickly, or it would remember the first weights."""
        share = max(1 - _AVERAGE, 9 / (10 + self.step))
        states = self.average.state_dict().values(), self.network.state_dict().values()
        pairs = list(zip(*states, strict=True))
        floating = [pair for pair in pairs if pair[0].dtype.is_floating_point]
        kept_ones, new_ones = (list(each) for each in zip(*floating, strict=True))
        torch._foreach_lerp_(kept_ones, new_ones, share)
        for kept, new in pairs:
            if not kept.dtype.is_floating_point:
                kept.copy_(new)

    def check(self, batches: Sequence[Any]) -> dict[str, float]:
        """Add a row to the history, judged by batches of validation samples if there are any."""
        means = pd.DataFrame([{k: float(v) for k, v in row.items()} for row in self._losses]).mean()
        self._losses = []
        row = {"step": float(self.step), "learning_rate": self.learning_rate}
        row |= {str(name): float(mean) for name, mean in means.items()}
        row["training"] = sum(float(mean) for mean in means)
        if batches:
            row["validation"] = self._validation_loss(batches)
            if row["validation"] < self.best_loss:
                self.best, self.best_loss, self.n_worse = self.weights, row["validation"], 0
            else:
                self.n_worse += 1
        self.rows.append(row)
        return row

    @torch.no_grad()
    def _validation_loss(self, batches: Sequence[Any]) -> float:
        torch.manual_seed(self.settings.seed)
        losses = [
            self.recipe.losses(self.average, batch, self.settings, self.device) for batch in batches
        ]
        return float(np.mean([float(sum(each.values())) for each in losses]))

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        content = {name: getattr(self, name) for name in _CHANGING}
        content |= {name: getattr(self, name).state_dict() for name in _WITH_STATE}
        beside = path.with_suffix(".partial")
        torch.save(content | {"settings": repr(asdict(self.settings))}, beside)
        beside.replace(path)

    def resume(self, path: Path) -> None:
        """Read a checkpoint.

        Raises
        ------
        ValueError
            If it is of a training with other settings.
        """
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content["settings"] != repr(asdict(self.settings)):
            raise ValueError(
                f"{path} is the checkpoint of a training with other settings "
                f"({content['settings']}). Delete it to start again, or go on with its settings."
            )
        for name in _WITH_STATE:
            getattr(self, name).load_state_dict(content[name])
        for name in _CHANGING:
            setattr(self, name, content[name])
        log.info("training resumes at step %d of %d", self.step, self.settings.steps)


_WITH_STATE = ("network", "average", "optimiser")
_CHANGING = ("step", "rows", "best", "best_loss", "n_worse")


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
    images, validation : sequence of TrainingImage
        To learn from; of other groups, to decide which weights to keep: without any, the last.
    settings, start, machine, recipe : TrainingSettings, mapping, Machine, Recipe
        How to train, where to begin, where to train, and what; see `Training`.
    checkpoint : path, optional
        File that is written at each check and resumed from if it is there; None for no file.
    on_check : callable, optional
        Called with each row of the history and the remaining seconds.

    Raises
    ------
    ValueError
        If there are no images, or the checkpoint is of another training.
    """
    if not images:
        raise ValueError("there are no images to train on")
    training = Training(settings, start, machine.device, recipe)
    if checkpoint is not None and checkpoint.is_file():
        training.resume(checkpoint)
    # Drawn once, for all checks, and by a seed of its own: validation must not see the training's.
    judged = range(_VALIDATION_SAMPLES)
    checks = list(_batches(training, validation, judged, settings.seed + 1)) if validation else []
    started, first_step = time.monotonic(), training.step
    numbers = range(first_step * settings.batch, settings.steps * settings.batch)
    waiting = iter(_batches(training, images, numbers, settings.seed, machine.workers))
    while training.step < settings.steps and not training.is_exhausted:
        training.learn(next(waiting))
        if training.step % settings.check_every and training.step < settings.steps:
            continue
        row = training.check(checks)
        if checkpoint is not None:
            training.save(checkpoint)
        if on_check is not None:
            rate = (time.monotonic() - started) / (training.step - first_step)
            on_check(row, rate * (settings.steps - training.step))
    return training.result


def _batches(
    training: Training, images: Sequence[TrainingImage], numbers: range, seed: int, workers: int = 0
) -> DataLoader[Any]:
    """Make the samples of these numbers, batch by batch."""
    return DataLoader(
        _Samples(training.recipe, images, training.settings, seed),
        batch_size=training.settings.batch,
        collate_fn=training.recipe.batch,
        sampler=numbers,
        num_workers=workers,
        worker_init_fn=_one_thread,
        prefetch_factor=4 if workers else None,
    )


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)
