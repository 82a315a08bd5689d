"""The methods `segment_anything` (all there is) and `segment_anything_cells` (prompted by nuclei).

Kirillov et al., ICCV 2023. Masks may overlap; the better one has the pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from levelfield.config.parameters import require_choice, require_number
from levelfield.images.normalisation import normalise
from levelfield.labels import objects
from levelfield.segmentation.overlaps import Claim, claim, finished, resolve_overlaps
from levelfield.segmentation.result import Segmentation
from levelfield.segmentation.small_network.targets import distance_to_outside

if TYPE_CHECKING:  # the network's module needs torch, which nothing else does
    from levelfield.segmentation.networks.segment_anything import SegmentAnythingModel

Image = NDArray[np.float32]
Labels = NDArray[np.int32]

PROMPTS = ("boxes", "points", "both")


def segment_anything(
    image: Image,
    model: SegmentAnythingModel,
    *,
    points_per_side: int = 32,
    minimum_quality: float = 0.88,
    minimum_stability: float = 0.95,
    minimum_kept: float = 0.5,
    minimum_diameter: float = 6.0,
    maximum_diameter: float | None = None,
    border: str = "keep",
) -> Segmentation:
    """Segment whatever a grid of points finds.

    Parameters
    ----------
    image
        (C, Y, X), 1 to 3 channels, which become red, green and blue.
    model
        See `levelfield.segmentation.networks.segment_anything.load_segment_anything`.
    points_per_side
        Of the grid; the points should be closer than the objects.
    minimum_quality
        Masks that the network itself thinks worse of (predicted IoU) are dropped.
    minimum_stability
        Masks of which less stays the same when the cut-off is moved a little are dropped.
    minimum_kept
        Where masks overlap, the better one has the pixels. An object that keeps less than this
        fraction of its own was a duplicate, or a part or a group of others, and is dropped.
    minimum_diameter, maximum_diameter, border
        As in `levelfield.segmentation.methods.classical.classical`. Give a maximum: the background
        of a field often makes one of the best masks.
    """
    require_number("points_per_side", points_per_side, 1, 256)
    for name, value in (
        ("minimum_quality", minimum_quality),
        ("minimum_stability", minimum_stability),
        ("minimum_kept", minimum_kept),
    ):
        require_number(name, value, 0, 1)
    shape = image.shape[1:]
    found = model.all_masks(as_colours(image), points_per_side, minimum_quality, minimum_stability)
    claims = [claim(one.score, one.mask, shape[1]) for one in found]
    # A mask that is too large is no object: it must not take other objects' pixels first.
    largest = np.inf if maximum_diameter is None else np.pi * maximum_diameter**2 / 4
    fitting = [one for one in claims if len(one.pixels) <= largest]
    labels, record = resolve_overlaps(fitting, shape, minimum_kept)
    result = finished(labels, record, minimum_diameter, maximum_diameter, border)
    n_large = result.record["RemovedLarge"] + len(claims) - len(fitting)
    return Segmentation(result.labels, result.record | {"RemovedLarge": n_large})


def segment_anything_cells(
    image: Image,
    parent: Labels,
    model: SegmentAnythingModel,
    *,
    prompts: str = "boxes",
    margin: float = 0.5,
    minimum_quality: float = 0.0,
    border: str = "keep",
) -> Segmentation:
    """Segment one cell per nucleus.

    Every cell has the number of its nucleus, covers it, and keeps off the other nuclei.

    Parameters
    ----------
    image
        (C, Y, X), 1 to 3 channels, which become red, green and blue.
    parent
        (Y, X) int32, e.g. nuclei.
    model
        See `levelfield.segmentation.networks.segment_anything.load_segment_anything`.
    prompts
        What tells the network where a cell is: the `boxes` around the nuclei, widened by `margin`;
        `points`, one in the middle of each nucleus; or `both`.
    margin
        Widens each box on every side by so many times the nucleus' own side.
    minimum_quality
        A cell whose mask the network itself thinks worse of (predicted IoU) is its nucleus alone.
    border
        `keep` or `discard` cells that touch the border of the image.
    """
    require_choice("prompts", prompts, PROMPTS)
    require_number("margin", margin, 0, 10)
    require_number("minimum_quality", minimum_quality, 0, 1)
    numbers = objects.object_numbers(parent)
    if not len(numbers):
        labels, record = resolve_overlaps([], parent.shape)
        return finished(labels, record, 0, None, border)
    found = model.masks_of_prompts(
        as_colours(image),
        None if prompts == "points" else nucleus_boxes(parent, margin),
        None if prompts == "boxes" else nucleus_points(parent),
    )
    claims: list[Claim] = []
    for number, one in zip(numbers, found, strict=True):
        own = parent == number
        cell = (one.mask & (parent == 0)) | own if one.score >= minimum_quality else own
        claims.append(claim(one.score, cell, parent.shape[1]))
    labels, record = resolve_overlaps(claims, parent.shape)
    numbered = np.concatenate([[0], numbers]).astype(np.int32)[labels]
    return finished(numbered, record, 0, None, border, keep_numbers=True)


def nucleus_boxes(parent: Labels, margin: float) -> NDArray[np.float32]:
    """Return the boxes (n, 4) around objects, (x0, y0, x1, y1) px, widened and cut to the image."""
    boxes = []
    for found in ndimage.find_objects(parent):
        if found is None:
            continue
        rows, columns = found
        dy, dx = margin * (rows.stop - rows.start), margin * (columns.stop - columns.start)
        boxes.append((columns.start - dx, rows.start - dy, columns.stop + dx, rows.stop + dy))
    height, width = parent.shape
    return np.clip(boxes, 0, (width, height, width, height)).astype(np.float32)


def nucleus_points(parent: Labels) -> NDArray[np.float32]:
    """Return a point (n, 2) in each object, (x, y) px: the one that is farthest from its edge."""
    numbers = objects.object_numbers(parent)
    places = ndimage.maximum_position(distance_to_outside(parent), parent, numbers)
    return np.array(places, np.float32)[:, ::-1].copy()


def as_colours(image: Image) -> NDArray[np.uint8]:
    """Return an image (Y, X, 3) as a photograph would be: one channel is grey, two leave out blue.

    Raises
    ------
    ValueError
        If there are more than three channels.
    """
    if len(image) > 3:
        raise ValueError(
            f"Segment Anything sees at most 3 channels but was given {len(image)}; name fewer in "
            "'channels', or join some with the step combine_channels"
        )
    planes = [np.clip(normalise(plane), 0, 1) for plane in image]
    if len(planes) == 1:
        planes = planes * 3
    if len(planes) == 2:
        planes = [*planes, np.zeros_like(planes[0])]
    return np.round(255 * np.stack(planes, -1)).astype(np.uint8)
