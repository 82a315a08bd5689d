"""Objects from flows, for many images at once: Cellpose's own steps (Stringer et al. 2021).

Every pixel of the foreground follows the flow; where many end, there is an object; an object whose
shape disagrees with the flow is removed. cellpose does each step for one image; on a GPU that
leaves most of it idle.
"""

import torch
from torch import Tensor
from torch.nn import functional

from levelfield.segmentation.methods.cellpose import CellposeOptions
from levelfield.segmentation.networks.cellpose.diffusion import flow_errors

_FLOW_SCALE = 5.0  # the network's flow has about this length
_MARGIN = 20  # px around the image in which pixels may end
_LEAST_ARRIVALS = 10  # a pixel that more pixels end on may be the centre of an object
_REACH = 5  # px from a centre that its object's pixels may end at


@torch.inference_mode()
def find_objects(outputs: Tensor, options: CellposeOptions) -> Tensor:
    """Find the objects of images of one size.

    Parameters
    ----------
    outputs : (N, 3, Y, X) float32
        Flow along y and x, logit of the probability.
    options : CellposeOptions
        Thresholds, and how many steps.

    Returns
    -------
    (N, Y, X) int64
        On the same device; each image's objects are numbered on from those of the image before.
    """
    flow, inside = outputs[:, :2], outputs[:, 2] > options.cell_probability
    image, row, column = inside.nonzero(as_tuple=True)
    if not len(image):
        return torch.zeros(inside.shape, dtype=torch.int64, device=outputs.device)
    ends = _follow(flow, inside, image, row, column, options.steps)
    numbers = _gather_ends(image, ends, inside.shape)
    labels = torch.zeros(inside.shape, dtype=torch.int64, device=outputs.device)
    labels[image, row, column] = numbers
    areas = labels.flatten().bincount()
    labels = _keep(labels, areas <= options.maximum_fraction * labels[0].numel())
    if options.flow_threshold:
        errors = flow_errors(labels, flow / _FLOW_SCALE)
        labels = _keep(labels, errors <= options.flow_threshold)
    return labels


def _keep(labels: Tensor, keep: Tensor) -> Tensor:
    """Remove the objects that are not to be kept (by number), and number the others again."""
    present = labels.flatten().bincount(minlength=len(keep)) > 0
    keep = keep & present
    keep[0] = False
    return (keep.cumsum(0) * keep)[labels]


def _follow(
    flow: Tensor, inside: Tensor, image: Tensor, row: Tensor, column: Tensor, steps: int
) -> Tensor:
    """Return where the pixels (image, row, column) end: (P, 2) int64, row and column."""
    n_images, _, height, width = flow.shape
    last = torch.tensor([width - 1.0, height - 1.0], device=flow.device)
    # grid_sample wants x before y, and the image between -1 and 1.
    field = (flow * inside[:, None] / _FLOW_SCALE).flip(1) * (2 / last)[:, None, None]
    counts = image.bincount(minlength=n_images)
    place = torch.arange(len(image), device=flow.device) - (counts.cumsum(0) - counts)[image]
    points = flow.new_zeros((n_images, 1, int(counts.max()), 2))
    points[image, 0, place] = torch.stack([column, row], 1) / last * 2 - 1
    for _ in range(steps):
        moved = functional.grid_sample(field, points, align_corners=False)
        points.add_(moved.permute(0, 2, 3, 1)).clamp_(-1, 1)
    ends = (points[image, 0, place] + 1) * 0.5 * last
    return ends.flip(1).long()


def _gather_ends(image: Tensor, ends: Tensor, shape: torch.Size) -> Tensor:
    """Return for every pixel the number of the object it belongs to by where it ended, or 0."""
    n_images, height, width = shape
    framed = (n_images, height + 2 * _MARGIN, width + 2 * _MARGIN)
    flat = (image * framed[1] + ends[:, 0] + _MARGIN) * framed[2] + ends[:, 1] + _MARGIN
    size = n_images * framed[1] * framed[2]
    arrivals = flat.bincount(minlength=size).view(framed).float()
    highest = functional.max_pool2d(arrivals[:, None], 5, stride=1, padding=2)[:, 0]
    centres = ((arrivals == highest) & (arrivals > _LEAST_ARRIVALS)).flatten().nonzero()[:, 0]
    # Where two reach, the one with more arrivals takes the pixel.
    centres = centres[arrivals.flatten()[centres].argsort(stable=True)]
    near = torch.arange(-_REACH, _REACH + 1, device=flat.device)
    offsets = near[:, None] * framed[2] + near
    around = centres[:, None, None] + offsets
    reached = _grow(arrivals.flatten()[around] > 2)
    objects = torch.zeros(size, dtype=torch.int64, device=flat.device)
    numbers = torch.arange(1, len(centres) + 1, device=flat.device)
    numbers = numbers[:, None, None].expand_as(around)
    objects.scatter_reduce_(0, around[reached], numbers[reached], reduce="amax")
    return objects[flat]


def _grow(allowed: Tensor) -> Tensor:
    """Grow from the middle of each window (S, 11, 11), a pixel at a time, where it is allowed."""
    grown = torch.zeros_like(allowed, dtype=torch.float32)
    grown[:, _REACH, _REACH] = 1
    for _ in range(_REACH):
        grown = functional.max_pool2d(grown[:, None], 3, stride=1, padding=1)[:, 0] * allowed
    return grown > 0
