"""One owner for every pixel, where a method predicts objects that overlap.

Star-convex polygons, region proposals and prompted masks may claim the same pixel several times;
labels, and all that is measured on them, need one owner. The claim with the best score has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from levelfield.labels import objects
from levelfield.labels.filtering import filter_objects
from levelfield.segmentation.result import Segmentation

Labels = NDArray[np.int32]


@dataclass(frozen=True)
class Claim:
    """An object as a method predicts it.

    Attributes
    ----------
    score : float
        How sure the method is.
    pixels : (n,) int64
        Flat indices of the object's pixels, each once.
    """

    score: float
    pixels: NDArray[np.int64]


def claim(score: float, mask: NDArray[np.bool_], width: int, top: int = 0, left: int = 0) -> Claim:
    """Make a claim of a mask (y, x) whose corner lies at `top`, `left` of an image `width` wide."""
    rows, columns = np.nonzero(mask)
    return Claim(float(score), (rows + top) * width + columns + left)


def resolve_overlaps(
    claims: Sequence[Claim], shape: tuple[int, int], minimum_kept: float = 0.0
) -> tuple[Labels, dict[str, float]]:
    """Give every pixel to the best claim on it.

    Parameters
    ----------
    claims
        Predicted objects, in any order; of equal scores the first is better.
    shape
        (Y, X) of the image.
    minimum_kept
        A claim of whose pixels better ones have taken so much that less than this fraction is left
        is a duplicate, and is dropped whole; 0 keeps whatever has a pixel left.

    Returns
    -------
    labels, record
        (Y, X) int32 with the number i + 1 for `claims[i]`; and, as facts, the `OverlappedFraction`:
        the share of all claimed pixels that several of the objects that stay had claimed; and how
        many `Duplicates` were dropped.
    """
    owner = np.zeros(shape[0] * shape[1], np.int32)
    n_claims = np.zeros(owner.size, np.int32)
    order = np.argsort([-candidate.score for candidate in claims], kind="stable")
    n_dropped = 0
    for number in order:
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


def finished(
    labels: Labels,
    record: dict[str, float],
    minimum_diameter: float,
    maximum_diameter: float | None,
    border: str,
    keep_numbers: bool = False,
) -> Segmentation:
    """Keep each object's largest part, filter by size and border, and number again.

    What a better object has taken may have cut another in two; an object is one piece.
    Parameters and errors are those of `levelfield.labels.filtering.filter_objects`; with
    `keep_numbers` objects stay numbered like the objects they come from.
    """
    kept, removed = filter_objects(
        objects.largest_parts(labels).astype(np.int32), minimum_diameter, maximum_diameter, border
    )
    return Segmentation(kept if keep_numbers else objects.renumber(kept), record | removed)
