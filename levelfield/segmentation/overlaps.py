"""One owner for every pixel, where a method predicts objects that overlap.

Star-convex polygons, region proposals and prompted masks may claim the same pixel several times;
labels, and all that is measured on them, need one owner. The claim with the best score has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from levelfield.arrays import Integers, Labels, Mask
from levelfield.labels.objects import largest_parts
from levelfield.segmentation.options import SizeFilter
from levelfield.segmentation.result import Segmentation, filtered


@dataclass(frozen=True)
class Claim:
    """An object as a method predicts it: how sure that is, and the pixels (n,) as flat indices."""

    score: float
    pixels: Integers


def claim(score: float, mask: Mask, width: int, top: int = 0, left: int = 0) -> Claim:
    """Make a claim of a mask (y, x) whose corner lies at `top`, `left` of an image `width` wide."""
    rows, columns = np.nonzero(mask)
    return Claim(float(score), (rows + top) * width + columns + left)


def resolve_overlaps(
    claims: Sequence[Claim], shape: tuple[int, ...], minimum_kept: float = 0.0
) -> tuple[Labels, dict[str, float]]:
    """Give every pixel to the best claim on it.

    Parameters
    ----------
    claims : sequence of Claim
        In any order; of equal scores the first is better.
    shape : (int, int)
        Shape of the image.
    minimum_kept : float
        A claim of whose pixels better ones leave less than this fraction is a duplicate, and is
        dropped whole; 0 keeps whatever has a pixel left.

    Returns
    -------
    labels : (Y, X) int32
        The number i + 1 for `claims[i]`.
    record : dict of str to float
        The `OverlappedFraction`, the share of all claimed pixels that several of the objects that
        stay had claimed; and how many `Duplicates` were dropped.
    """
    owner = np.zeros(shape[0] * shape[1], np.int32)
    n_claims = np.zeros(owner.size, np.int32)
    n_dropped = 0
    for number in np.argsort([-candidate.score for candidate in claims], kind="stable"):
        pixels = claims[number].pixels
        free = pixels[owner[pixels] == 0]
        if not len(free) or len(free) < minimum_kept * len(pixels):
            n_dropped += 1
            continue
        owner[free] = number + 1
        n_claims[pixels] += 1
    claimed = int(np.count_nonzero(n_claims))
    overlapped = int(np.count_nonzero(n_claims > 1)) / max(claimed, 1)
    return owner.reshape(shape), {"OverlappedFraction": overlapped, "Duplicates": float(n_dropped)}


def without_overlaps(
    claims: Sequence[Claim], shape: tuple[int, ...], options: SizeFilter, minimum_kept: float = 0.0
) -> Segmentation:
    """Make objects of claims: one owner for every pixel, one piece of every object.

    What a better object has taken may have cut another in two; its largest part stays.
    """
    labels, record = resolve_overlaps(claims, shape, minimum_kept)
    return filtered(largest_parts(labels), options, record)
