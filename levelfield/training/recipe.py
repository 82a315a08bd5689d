"""What a kind of network has to say of itself before `loop` can train it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from levelfield.arrays import Image, Labels
from levelfield.training.losses import HEADS


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
        Which of `levelfield.training.losses.HEADS` learn (U-Net).
    threshold_bias, split_merge : float
        Weights of the losses that ask the QC's questions (U-Net).
    backbone : str
        A name in `levelfield.segmentation.networks.mask_rcnn.BACKBONES` (Mask R-CNN).
    patience : int
        Stop after so many checks without a better validation loss; 0: never.
    check_every : int
        Steps between two checks.
    seed : int
        Seed of the first weights and of all samples.
    """

    steps: int = 12_000
    batch: int = 16
    side: int = 128
    learning_rate: float = 3e-3
    heads: tuple[str, ...] = HEADS
    threshold_bias: float = 0.0
    split_merge: float = 0.0
    backbone: str = "small"
    patience: int = 0
    check_every: int = 250
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = set(self.heads) - set(HEADS)
        if unknown:
            raise ValueError(f"no heads {sorted(unknown)}; there are {', '.join(HEADS)}")


@dataclass(frozen=True)
class Machine:
    """Where to train: a device of torch, and processes that make samples beside it (0: none).

    On a GPU, and on a CPU that has it, the U-Net's products are computed in bfloat16. The result
    does not depend on the number of processes.
    """

    device: str = "cpu"
    workers: int = 0


@dataclass(frozen=True)
class Recipe:
    """How one kind of network is built, what a sample of it is, and what it loses.

    Attributes
    ----------
    build, start : callable
        Settings to a network with random weights; put given weights into it as far as they fit.
    sample, batch : callable
        A crop and its labels (`levelfield.training.samples.draw_crop`) to one sample; a list of
        samples to what `losses` takes.
    losses : callable
        Network, batch, settings and device to a loss by name, all of which are added up. Called
        with the network in training mode to learn, and in evaluation mode to judge.
    """

    build: Callable[[TrainingSettings], nn.Module]
    start: Callable[[nn.Module, Mapping[str, Tensor]], None]
    sample: Callable[[Image, Labels], Any]
    batch: Callable[[list[Any]], Any]
    losses: Callable[[nn.Module, Any, TrainingSettings, str], dict[str, Tensor]]
