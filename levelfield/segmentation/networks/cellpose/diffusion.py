"""How far objects disagree with the flow that the network predicted.

Heat spreads from each object's centre; its gradient is the flow that an object of this shape
should have (Stringer et al. 2021). The steps are those of `cellpose.dynamics.masks_to_flows_gpu`,
for many images at once.
"""

import torch
from torch import Tensor

# The pixel itself and its eight neighbours.
_NEIGHBOURS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))
Pixels = tuple[Tensor, ...]  # image, row and column
_UP, _DOWN, _LEFT, _RIGHT = 1, 2, 3, 4


def flow_errors(labels: Tensor, flow: Tensor) -> Tensor:
    """Return each object's mean squared difference between its own and the predicted flow.

    Parameters
    ----------
    labels : (N, Y, X) int64
        The objects of all images have numbers of their own, 1 to n.
    flow : (N, 2, Y, X)
        Along y and x, of length 1.

    Returns
    -------
    (n + 1,) float64
        The first is that of the background, 0.
    """
    n_objects = int(labels.max())
    if not n_objects:
        return torch.zeros(1, dtype=torch.float64, device=labels.device)
    sizes = _object_sizes(labels, n_objects)
    # The images that need most steps come first: those that are done are always the last ones.
    order = sizes.argsort(descending=True, stable=True)
    own, pixels = _own_flow(labels[order], 2 * sizes[order])
    image, row, column = pixels
    predicted = flow[order[image], :, row, column].double()
    squared = (own - predicted).square().sum(1)
    number = labels[order[image], row, column]
    # Sums in a fixed order: atomic additions would differ from run to run.
    by_object = number.argsort(stable=True)
    lengths = number.bincount(minlength=n_objects + 1)
    return torch.segment_reduce(squared[by_object], "mean", lengths=lengths).nan_to_num(0.0)


def _object_sizes(labels: Tensor, n_objects: int) -> Tensor:
    """Return height + width + 2 of each image's largest object: (N,)."""
    image, row, column = labels.nonzero(as_tuple=True)
    number = labels[image, row, column]
    extent = torch.full((n_objects + 1,), 2, dtype=torch.int64, device=labels.device)
    for place in (row, column):
        extent = extent + 1 + _extreme(place, number, n_objects, "amax")
        extent = extent - _extreme(place, number, n_objects, "amin")
    largest = torch.zeros(len(labels), dtype=torch.int64, device=labels.device)
    return largest.scatter_reduce_(0, image, extent[number], reduce="amax")


def _extreme(values: Tensor, number: Tensor, n_objects: int, reduce: str) -> Tensor:
    start = torch.zeros(n_objects + 1, dtype=torch.int64, device=values.device)
    return start.scatter_reduce_(0, number, values, reduce=reduce, include_self=False)


def _own_flow(labels: Tensor, steps: Tensor) -> tuple[Tensor, Pixels]:
    """Return the flow (P, 2) float64 of the objects' pixels, and the pixels."""
    pixels = labels.nonzero(as_tuple=True)
    neighbours, same = _neighbours(labels, pixels)
    n_pixels = len(pixels[0])
    # Where no heat comes from there is a place that is always cold, after the last pixel.
    sources = torch.where(same, neighbours, n_pixels)
    centres, centre_images = _centres(labels, pixels)
    heat = torch.zeros(n_pixels + 1, dtype=torch.float64, device=labels.device)
    ends = pixels[0].bincount(minlength=len(labels)).cumsum(0).tolist()
    centre_ends = centre_images.bincount(minlength=len(labels)).cumsum(0).tolist()
    wanted: list[int] = steps.tolist()
    done = 0
    for last in reversed(range(len(labels))):
        # Images 0 to `last` still take part until the last of them has had its steps.
        active, hot = sources[:, : ends[last]], centres[: centre_ends[last]]
        for _ in range(wanted[last] - done):
            heat[hot] += 1
            heat[: ends[last]] = heat[active].sum(0) / len(_NEIGHBOURS)
        done = max(done, wanted[last])
    around = heat[neighbours]
    slope = torch.stack([around[_DOWN] - around[_UP], around[_RIGHT] - around[_LEFT]], 1)
    return slope / (1e-60 + slope.square().sum(1, keepdim=True).sqrt()), pixels


def _neighbours(labels: Tensor, pixels: Pixels) -> tuple[Tensor, Tensor]:
    """Return the neighbours (9, P) of the objects' pixels, and whether they are of the same object.

    Pixels are named by their position among `pixels`; the background is what comes after the last.
    """
    image, row, column = pixels
    n_images, height, width = labels.shape
    framed = torch.full(
        (n_images, height + 2, width + 2), len(image), dtype=torch.int64, device=labels.device
    )
    framed[image, row + 1, column + 1] = torch.arange(len(image), device=labels.device)
    neighbours = torch.stack(
        [framed[image, row + 1 + down, column + 1 + across] for down, across in _NEIGHBOURS]
    )
    number = torch.cat([labels[pixels], labels.new_zeros(1)])
    return neighbours, number[neighbours] == number[:-1]


def _centres(labels: Tensor, pixels: Pixels) -> tuple[Tensor, Tensor]:
    """Return the pixel of each object that is nearest to its centre of mass, and its image."""
    image, row, column = pixels
    number = labels[pixels]
    n_objects = int(number.max())
    area = number.bincount(minlength=n_objects + 1)
    distance = torch.zeros_like(number)
    for place in (row, column):
        first = _extreme(place, number, n_objects, "amin")
        inner = place - first[number]  # Cellpose rounds within the object's box
        total = torch.zeros_like(area).scatter_add_(0, number, inner)
        mean = (total.double() / area.clamp(min=1)).round().long()
        distance = distance + (inner - mean[number]).square()
    # Of equally near pixels, the first.
    position = torch.arange(len(number), device=labels.device)
    key = distance * len(number) + position
    nearest = _extreme(key, number, n_objects, "amin")[1:] % len(number)
    nearest = nearest[area[1:] > 0].sort().values
    return nearest, image[nearest]
