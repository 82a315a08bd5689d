"""Consensus: of all objects of all decoders, those that the decoders agree most about.

Every object of every decoder is a candidate, supported by each decoder as far as that one has an
object like it (the best intersection over union). Candidates are taken in the order of their
support: the object that most decoders see, with the outline that is nearest to all of theirs.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from levelfield.arrays import Labels
from levelfield.labels.objects import largest_parts
from levelfield.labels.overlap import count_overlap, number_labels
from levelfield.segmentation.decoder_options import DecodingOptions
from levelfield.segmentation.decoders.finishing import finish
from levelfield.segmentation.options import Share
from levelfield.segmentation.small_network.prediction import Prediction

_FREE = 0.5  # A candidate of which less than this is left is another view of what was taken.


class ConsensusOptions(DecodingOptions):
    """Options of the decoder `consensus`; those that it shares with the decoders are theirs too."""

    minimum_agreement: Share = 0.5
    """Objects that the decoders agree less about are left out: the mean, over the decoders, of the
    best intersection over union with any of a decoder's objects; higher finds fewer."""


def consensus(
    members: Mapping[str, Callable[..., Labels]], prediction: Prediction, options: ConsensusOptions
) -> Labels:
    """Take the objects that the decoders, the members, agree most about."""
    shared = options.model_dump(include=set(DecodingOptions.model_fields))
    given = {name: decode(prediction, **shared) for name, decode in members.items()}
    labels = largest_parts(agreed(given, options.minimum_agreement))
    return finish(labels, prediction.foreground, options)


def agreed(given: Mapping[str, Labels], minimum_agreement: float) -> Labels:
    """Choose objects from the opinions of a jury.

    Each has labels (Y, X), numbered 1..n; the result is numbered by falling support.
    """
    support = _support(list(given.values()))
    members = np.repeat(np.arange(len(support)), [len(shares) for shares in support])
    numbers = np.concatenate([np.arange(len(shares)) for shares in support])
    support = np.concatenate(support)
    order = np.argsort(-support, kind="stable")
    order = order[support[order] >= minimum_agreement]
    images = list(given.values())
    boxes = [ndimage.find_objects(labels) for labels in images]
    chosen = np.zeros_like(images[0])
    for rank, (member, number) in enumerate(zip(members[order], numbers[order], strict=True), 1):
        box = boxes[member][number]
        _take(chosen[box], images[member][box] == number + 1, rank)
    return chosen


def _support(images: Sequence[Labels]) -> list[NDArray[np.float64]]:
    """Return how far all members agree about each object of each; see `jury`."""
    objects = [number_labels(labels, "opinion") for labels in images]
    support = [np.ones(len(found.labels)) for found in objects]  # each agrees with itself
    for first, second in combinations(range(len(objects)), 2):
        overlap = count_overlap(objects[first], objects[second])
        for member, number in ((first, overlap.prediction), (second, overlap.reference)):
            best = np.zeros(len(support[member]))
            np.maximum.at(best, number, overlap.iou)
            support[member] += best
    return [total / len(objects) for total in support]


def _take(chosen: Labels, mask: NDArray[np.bool_], number: int) -> None:
    """Add an object to what was chosen, if enough of it is still free."""
    free = mask & (chosen == 0)
    if free.sum() > _FREE * mask.sum():
        chosen[free] = number
