"""Inputs of many images in full batches of one shape, on a device that several threads share."""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from levelfield.segmentation.networks.memory import Portion, fitting

Output = TypeVar("Output")
Network = TypeVar("Network", bound=nn.Module)


def exact(network: Network, device: torch.device) -> Network:
    """Put a network onto a device, ready to predict in single precision that deserves its name.

    On GPUs since Ampere, cuDNN rounds what convolutions multiply to 10 bits (TF32) unless it is
    told not to, and results differ from a CPU's by 1e-3 where 1e-5 is promised.
    """
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    return network.eval().requires_grad_(False).to(device)


class Batches(Generic[Output]):
    """Runs a network on inputs in batches, whose size follows the memory of the device.

    Parameters
    ----------
    run : callable
        From a batch (N, ...) on the device to what belongs to each of its inputs, at least N.
    device : torch.device
        Where batches are put.
    what : str
        What inputs are called in the log, ``"images"`` for instance.
    bytes_per_pixel : int
        What the network needs, about, for each pixel of an input.
    largest : int
        Inputs in a batch, at most.
    """

    def __init__(
        self,
        run: Callable[[Tensor], Sequence[Output]],
        device: torch.device,
        what: str,
        bytes_per_pixel: int,
        largest: int = 8,
    ) -> None:
        self._run, self._device, self._what = run, device, what
        self._bytes_per_pixel, self._largest = bytes_per_pixel, largest
        self._portions: dict[tuple[int, ...], Portion] = {}
        # One batch at a time: more would share the GPU's memory and be no faster. What comes
        # before and after goes on in the other threads meanwhile.
        self._lock = Lock()

    def __call__(self, inputs: Sequence[Tensor]) -> list[Output]:
        """Return what the network makes of each input (C, Y, X), in their order.

        Inputs of one shape are computed together. The last batch is filled up with blank ones, so
        that what comes out for an input does not depend on those beside it.

        Raises
        ------
        MachineFault
            If memory is too small even for one input.
        """
        found: dict[int, Output] = {}
        for shape in dict.fromkeys(tuple(each.shape) for each in inputs):
            numbers = [n for n, each in enumerate(inputs) if tuple(each.shape) == shape]
            chosen = [inputs[number] for number in numbers]
            outputs = self._portion(shape).run(self._compute, chosen)
            found.update(zip(numbers, outputs, strict=True))
        return [found[number] for number in range(len(inputs))]

    def _compute(self, some: Sequence[Tensor], size: int) -> Sequence[Output]:
        blank = [torch.zeros_like(some[0])] * (size - len(some))
        with self._lock, torch.inference_mode():
            batch = torch.stack([*some, *blank]).to(self._device)
            return list(self._run(batch))[: len(some)]

    def _portion(self, shape: tuple[int, ...]) -> Portion:
        with self._lock:
            if shape not in self._portions:
                each = self._bytes_per_pixel * shape[-2] * shape[-1]
                size = fitting(self._device, each, self._largest)
                self._portions[shape] = Portion(size, self._what)
            return self._portions[shape]
