"""A second opinion on every object and seam: what the small network says of the same pixels.

The image features of `levelfield.qc.evidence.features` depend on how an object looks; the network
has seen sizes, textures and noise in training, and its boundaries depend on them less. What it says
is evidence like any other, and not the truth.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from levelfield.arrays import Floats, Image, Labels
from levelfield.execution.memory import give_back_memory
from levelfield.images.resampling import resized
from levelfield.images.smoothing import gaussian
from levelfield.labels.contacts import Contacts
from levelfield.labels.labelwise import (
    areas,
    median_diameter,
    percentiles_per_group,
    sums_per_label,
)
from levelfield.qc.columns import NUMBER
from levelfield.qc.evidence.cuts import best_cuts
from levelfield.qc.evidence.jury import jury, opinions
from levelfield.qc.evidence.opinion_network import load_opinion
from levelfield.segmentation.small_network.prediction import Prediction

OPINIONS_ON_OBJECTS = (
    *("network_foreground", "cut_network_saddle", "jury_agreement", "jury_lowest"),
    *("jury_splitting", "jury_merging", "jury_missing"),
)
OPINIONS_ON_SEAMS = ("seam_network_separation", "seam_network_boundary")
# Who of `levelfield.segmentation.decoders.DECODERS` is asked, and whose objects are the network's.
JURY = ("flow", "affinity", "three_class", "components")
_OWN = "flow"
_SMOOTHING_PX = 0.7  # nothing of a network's map is finer than a pixel or two
_BEST_DIAMETER = 20.0  # px; what the opinion is calibrated for
_FEWEST = 5  # with fewer objects, a field does not say how large its objects are
# Labels whose median diameter is another than that of the network's objects by more than this
# factor are merged, in pieces, or something else: the network's own diameter counts then.
_OTHER_SIZE = 2.0
_ROUNDS = 3  # of asking; the scales from 1 to 1/4 are reached from any of them


@dataclass(frozen=True)
class SecondOpinion:
    """What the network says of one field, in the field's own pixels (Y, X).

    ``separation``: probability that a pixel and its neighbour above or to the left are of different
    objects, the larger of the two. ``boundary``: probability of a boundary between object and
    anything else. ``depth``: predicted distance to the edge, 1 at an object's centre.
    ``foreground``: probability of being part of an object. ``given``: objects by each member of the
    `JURY`.
    """

    separation: Image
    boundary: Image
    depth: Image
    foreground: Image
    given: dict[str, Labels]

    @property
    def labels(self) -> Labels:
        """The network's own objects (Y, X), numbered 1..n."""
        return self.given[_OWN]


def ask_second_opinion(plane: Image, labels: Labels) -> SecondOpinion:
    """Ask the small network, which knows nuclei, about one field; there may be no labels.

    The field is scaled by what its labels are wide. Where there are few, or the network sees
    objects of another size altogether, the network's own objects say how wide: the labels that are
    to be judged may be what is wrong.
    """
    return opinion_for(labels, partial(_opinion_at, plane))


def opinions_by_scale(plane: Image) -> Callable[[float], SecondOpinion]:
    """Return what reads a field for `opinion_for`, and remembers what it read at every scale.

    For several segmentations of one field, which should be small.
    """
    return cache(partial(_opinion_at, plane))


def _opinion_at(plane: Image, scale: float) -> SecondOpinion:
    prediction = load_opinion().predict(plane, scale)
    give_back_memory()  # the decoders need the memory that the tiles took
    return second_opinion(prediction, plane.shape)


def opinion_for(labels: Labels, read: Callable[[float], SecondOpinion]) -> SecondOpinion:
    """Read a field at the scale that suits its objects; see `ask_second_opinion`.

    `read` gives from a scale what the network says at it.
    """
    diameter = median_diameter(labels) if _enough(labels) else None
    scale = 1.0 if diameter is None else _scale_for(diameter)
    for asked in range(_ROUNDS):
        opinion = read(scale)
        wanted = _wanted_scale(opinion.labels, diameter, scale)
        if wanted == scale:
            break
        scale, diameter = wanted, None
        if asked < _ROUNDS - 1:
            del opinion  # two at a time would take twice the memory
    return opinion


def _enough(labels: Labels) -> bool:
    return bool(np.count_nonzero(areas(labels)) >= _FEWEST)


def _wanted_scale(own: Labels, diameter: float | None, scale: float) -> float:
    """Return the scale at which to ask, given the network's objects and the labels' diameter."""
    seen = median_diameter(own)
    if np.isnan(seen):
        return scale
    if diameter is not None:
        alike = max(seen / diameter, diameter / seen) <= _OTHER_SIZE
        if alike or not _enough(own):
            return scale
    return _scale_for(seen)


def _scale_for(diameter: float) -> float:
    """Return by what a field is scaled before the network sees it: 1, 1/2, 1/4, ..."""
    # Larger objects are halved until the network knows them best, which also makes the opinion
    # cheaper. A scale that followed every field's objects would make its own differences between
    # fields.
    if not diameter > _BEST_DIAMETER:
        return 1.0
    return float(2.0 ** -np.round(np.log2(diameter / _BEST_DIAMETER)))


def second_opinion(prediction: Prediction, shape: tuple[int, int]) -> SecondOpinion:
    """Prepare a prediction, made at whatever scale, for a field of a given shape (Y, X)."""
    separation = 1 - prediction.affinities.min(axis=0)
    maps = [separation, prediction.classes[2], prediction.distance, prediction.foreground]
    given: dict[str, Labels] = {}
    for member in JURY:
        given |= opinions(prediction, [member])
        give_back_memory()
    if separation.shape != shape:
        maps = [resized(each, shape) for each in maps]
        given = {name: _nearest(labels, shape) for name, labels in given.items()}
    # Copies: a view would keep all that the network said, several times as much.
    separation, boundary, depth, foreground = (
        np.array(each, np.float32, order="C") for each in maps
    )
    return SecondOpinion(separation, boundary, depth, foreground, given)


def _nearest(labels: Labels, shape: tuple[int, int]) -> Labels:
    y, x = (
        ((np.arange(length) + 0.5) * (given / length)).astype(int)
        for length, given in zip(shape, labels.shape, strict=True)
    )
    return labels[y[:, None], x]


def opinions_on_seams(touching: Contacts, opinion: SecondOpinion | None) -> dict[str, Floats]:
    """Tell what the network sees along each seam: `OPINIONS_ON_SEAMS`, (p,) each.

    Medians along each seam of the probabilities of a separation and of a boundary; NaN without an
    opinion.
    """
    count = len(touching.pairs)
    if opinion is None or count == 0:
        return _unknown(OPINIONS_ON_SEAMS, count)
    return {
        # The likelier of two facing pixels; signs, so that of two middle ones the lower counts.
        name: -percentiles_per_group(
            -touching.higher(probability), touching.pair_of_contact, count, (50,)
        )[0]
        for name, probability in zip(
            OPINIONS_ON_SEAMS, (opinion.separation, opinion.boundary), strict=True
        )
    }


def opinions_on_objects(
    labels: Labels, opinion: SecondOpinion | None, smallest_part: float
) -> dict[str, Floats]:
    """Tell what the network makes of each object: `OPINIONS_ON_OBJECTS`; NaN without an opinion.

    ``network_foreground``: mean probability of being part of an object. ``cut_network_saddle``: the
    best cut through the predicted distance (`levelfield.qc.evidence.cuts.best_cuts`; parts below
    `smallest_part` px are noise). ``jury_agreement, jury_lowest``: mean and lowest overlap of the
    object with those of the jury's members. ``jury_splitting, jury_merging, jury_missing``: shares
    of the members that split it, merge it with a neighbour, or have too little there.
    """
    count = int(labels.max(initial=0))
    found = _unknown(OPINIONS_ON_OBJECTS, count)
    if opinion is None:
        return found
    depth = np.maximum(gaussian(opinion.depth, _SMOOTHING_PX), 1e-3)
    found["cut_network_saddle"] = best_cuts(labels, depth, smallest_part).saddle
    total = sums_per_label(labels, opinion.foreground, count)
    found["network_foreground"] = total / np.maximum(areas(labels), 1)
    table = jury(labels, opinion.given)
    row = table[NUMBER].to_numpy() - 1
    found["jury_agreement"][row] = table["agreement"]
    found["jury_lowest"][row] = table["lowest_agreement"]
    for name in ("splitting", "merging", "missing"):
        found[f"jury_{name}"][row] = table[f"n_{name}"] / table["n_members"]
    return found


def _unknown(names: tuple[str, ...], count: int) -> dict[str, Floats]:
    return {name: np.full(count, np.nan) for name in names}
