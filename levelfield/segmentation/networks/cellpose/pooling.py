"""Tiles of many images in full batches of one shape."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from levelfield.segmentation.networks.cellpose.network import CellposeNetwork
from levelfield.segmentation.networks.cellpose.tiles import Canvas
from levelfield.segmentation.networks.memory import Portion

Place = tuple[Canvas, int]


@torch.inference_mode()
def predict_all(
    network: CellposeNetwork, canvases: Iterable[Canvas], portion: Portion
) -> Iterator[Tensor]:
    """Yield the network's outputs (3, Y, X) of each image, in order.

    The last batch is filled up with blank tiles: as every batch has the same shape, what comes out
    for a tile does not depend on which others it was computed with.

    The next image is asked for when there are not enough tiles for a batch of a `portion`.
    """
    open_canvases: deque[Canvas] = deque()
    waiting: deque[Place] = deque()
    for canvas in canvases:
        open_canvases.append(canvas)
        waiting.extend((canvas, number) for number in range(len(canvas.corners)))
        while len(waiting) >= (size := portion.size):
            _run(network, [waiting.popleft() for _ in range(size)], portion)
        while open_canvases and not open_canvases[0].missing:
            yield open_canvases.popleft().output()
    _run(network, list(waiting), portion)
    for canvas in open_canvases:
        yield canvas.output()


def _run(network: CellposeNetwork, places: Sequence[Place], portion: Portion) -> None:
    """Compute some tiles, and put what comes out where it belongs."""

    def outputs(some: Sequence[Place], size: int) -> Sequence[Tensor]:
        tiles = [canvas.tile(number) for canvas, number in some]
        tiles += [torch.zeros_like(tiles[0])] * (size - len(tiles))
        return network.run(torch.stack(tiles))[: len(some)].unbind(0)

    for (canvas, number), output in zip(places, portion.run(outputs, places), strict=True):
        canvas.add(number, output)
