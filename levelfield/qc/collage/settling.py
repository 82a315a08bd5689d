"""Where a donor comes to lie: touching those that it should touch, and no others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from levelfield.arrays import AnyFloats, Floats, Integers, Labels
from levelfield.qc.collage.pieces import Piece, place_of

_STEP_PX = 0.5
_NEARER, _FARTHER = 0.35, 0.6
"""How far a piece is moved to and from its neighbours, in diameters."""
_NO_CONTACT = 0.5
"""What it costs not to touch a neighbour, in diameters moved."""
_ATTEMPTS = 25
_LEAST_SEEN = 0.15
"""Share of an object that the border of an image must leave."""


@dataclass(frozen=True)
class Spot:
    """What an object of the arrangement asks for.

    Attributes
    ----------
    centre : (float, float)
        Middle of the object, px.
    area : int
        What is seen of it, px.
    outward : (2,) float
        Which border of the image cuts it; 0 where none does.
    neighbours : sequence of int
        Objects of the truth, laid before, that it touches.
    neighbours_centre : (2,) float
        Middle of these; without any, that of the object.
    """

    centre: Floats
    area: int
    outward: Floats
    neighbours: Sequence[int]
    neighbours_centre: Floats


def settle(
    piece: Piece,
    spot: Spot,
    truth: Labels,
    overlap: float,
    diameter: float,
    random: np.random.Generator,
) -> AnyFloats | None:
    """Find where the middle of a piece goes, or None where there is no room.

    A piece covers at most the share `overlap` of itself with what lies there already; where it
    should touch nobody, a background of 2 px stays around it.
    """
    centre: AnyFloats | None = spot.centre
    if spot.outward.any():
        centre = _across_border(piece, spot, truth.shape, diameter)
    if centre is None:
        return None
    if spot.neighbours:
        return _beside(piece, spot, centre, truth, overlap, diameter, random)
    return _alone(piece, centre, truth, diameter, random)


def _across_border(
    piece: Piece, spot: Spot, shape: tuple[int, ...], diameter: float
) -> AnyFloats | None:
    """Push a piece out of the image until no more is seen of it than of what it stands for."""
    for step in np.arange(0, diameter, 1.0):
        found = place_of(piece.mask.shape, spot.centre + step * spot.outward, shape)
        seen = np.count_nonzero(piece.mask[found[1]]) if found else 0
        if seen < _LEAST_SEEN * piece.area:
            return None
        if seen <= 1.1 * spot.area:
            return np.asarray(spot.centre + step * spot.outward)
    return spot.centre


def _beside(
    piece: Piece,
    spot: Spot,
    centre: AnyFloats,
    truth: Labels,
    overlap: float,
    diameter: float,
    random: np.random.Generator,
) -> AnyFloats | None:
    """Move a piece to or from its neighbours until it touches one, by as little as will do."""
    away = centre - spot.neighbours_centre
    distance = float(np.hypot(*away))
    away = away / distance if distance > 0.5 else random.normal(size=2)
    best = None
    for step in _by_size(np.arange(-_NEARER * diameter, _FARTHER * diameter, _STEP_PX)):
        if best is not None and abs(step) >= best[0]:
            break  # moving farther costs more than the best place does
        at = centre + step * away
        share = _covered_share(piece, at, truth)
        if share is None or share > overlap:
            continue
        contact = np.isin(_around(piece, at, truth, 1), spot.neighbours).any()
        cost = abs(step) + (0 if contact else _NO_CONTACT * diameter)
        if best is None or cost < best[0]:
            best = cost, at
    return None if best is None else best[1]


def _by_size(steps: Floats) -> Iterator[float]:
    return iter(steps[np.argsort(np.abs(steps), kind="stable")].tolist())


def _alone(
    piece: Piece, centre: AnyFloats, truth: Labels, diameter: float, random: np.random.Generator
) -> AnyFloats | None:
    for attempt in range(_ATTEMPTS):
        spread = 0.04 * diameter * np.sqrt(attempt)
        at = centre + (random.normal(0, spread, 2) if attempt else 0)
        if _covered_share(piece, at, truth) is not None and not _around(piece, at, truth, 2).any():
            return np.asarray(at)
    return None


def _covered_share(piece: Piece, at: AnyFloats, truth: Labels) -> float | None:
    """Return which share of what is seen of a piece lies on other objects; None for nothing."""
    found = place_of(piece.mask.shape, at, truth.shape)
    if found is None:
        return None
    own = piece.mask[found[1]]
    seen = np.count_nonzero(own)
    return float(np.count_nonzero(truth[found[0]][own]) / seen) if seen else None


def _around(piece: Piece, at: AnyFloats, truth: Labels, reach: int) -> Integers | Labels:
    """Return the truth in a piece and up to so many px around it."""
    around = piece.neighbourhoods[reach]
    found = place_of(around.shape, at, truth.shape)
    return np.zeros(0, np.int32) if found is None else truth[found[0]][around[found[1]]]
