"""Lay donors on emptied fields: images with known truth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from levelfield.arrays import Floats, Image, Integers, Labels
from levelfield.labels.contacts import contacts
from levelfield.labels.labelwise import areas, coordinate_sums
from levelfield.labels.objects import expand, renumber
from levelfield.qc.collage.background import Emptied
from levelfield.qc.collage.donors import Donor
from levelfield.qc.collage.pieces import N_WAYS, Piece, Pieces, Place, place_of
from levelfield.qc.collage.seen_field import SeenField
from levelfield.qc.collage.settling import Spot, settle

_TOUCHING_PX = 1.5
"""Objects that meet once each has grown by it are kept touching."""
_SMALLEST = 0.1
"""Area of the smallest object that gets a donor, in squared diameters."""
_DRAWN, _TRIED, _WAYS = 20, 6, 4
"""Donors that are drawn for an object, those of them of its size that are tried, each in so many
orientations."""
_OVERLAP = 0.05
_FEWEST_OBJECTS = 3
_BRIGHTNESS = 0.05
"""By how much a donor is made brighter or darker at most, so that no two copies are alike."""


@dataclass(frozen=True)
class Collage:
    """An image (C, Y, X) of known truth.

    ``truth`` (Y, X) holds its objects, from 1; ``n_lost`` objects of the arrangement found no room.
    """

    image: Image
    truth: Labels
    n_lost: int


def worth_arranging(fields: Sequence[SeenField]) -> list[SeenField]:
    """Leave out fields with far fewer objects than others of their class; the sparsest come first.

    Nearly empty parts of fields show little but background. In this order an arrangement gets the
    background of a field that is about as dense: between many cells it is brighter.
    """
    counts = [int(field.arrangement.max(initial=0)) for field in fields]
    least = max(_FEWEST_OBJECTS, float(np.median(counts)) / 2) if counts else 0
    order = np.argsort(counts, kind="stable")
    return [fields[place] for place in order if counts[place] >= least]


def compose(
    fields: Sequence[SeenField], donors: Sequence[Donor], number: int, names: Sequence[int]
) -> list[Collage]:
    """Compose collages of one control class.

    Each has the background of one field and the arrangement of another; with more collages than
    fields, arrangements come again, turned by half.

    Parameters
    ----------
    fields : sequence of SeenField
        Of the class, one at least, alike in size.
    donors : sequence of Donor
        Of the class, one at least.
    number : int
        Of collages.
    names : sequence of int
        The state of what is random: the same numbers give the same collages.

    Raises
    ------
    ValueError
        Without any field or donor.
    """
    if not fields or not donors:
        raise ValueError(
            f"a collage needs fields and donors of the class, and there are {len(fields)} and "
            f"{len(donors)}"
        )
    pieces = Pieces(donors)
    found = []
    for k in range(number):
        random = np.random.default_rng([*names, k])
        arranged = fields[k % len(fields)]
        ground = fields[(k + 1 + k // len(fields)) % len(fields)]
        if ground.image.shape != arranged.image.shape:
            ground = arranged
        flips = tuple(slice(None, None, int(side)) for side in random.choice([-1, 1], 2))
        plan = np.rot90(arranged.arrangement, 2 * (k // len(fields)))
        emptied = Emptied(*(part[:, *flips] for part in ground.emptied))
        darkest = ground.image.min(axis=(1, 2), keepdims=True)
        table = _Table(np.ascontiguousarray(plan), emptied, darkest, arranged.diameter)
        found.append(table.filled(pieces, random))
    return found


class _Table:
    """An emptied field (C, Y, X) on which donors are laid, one for each object of a plan (Y, X).

    `darkest` (C, 1, 1) are the darkest pixels of the real field.
    """

    def __init__(self, plan: Labels, ground: Emptied, darkest: Image, diameter: float) -> None:
        self.plan, self.ground, self.darkest, self.diameter = plan, ground, darkest, diameter
        self.truth = np.zeros(plan.shape, np.int32)
        self.signal = np.zeros(ground.smooth.shape, np.float32)
        self.cover = np.zeros(plan.shape, np.float32)
        self.clipped = np.zeros(plan.shape, bool)
        self.laid: dict[int, tuple[int, Floats]] = {}  # number in the truth, and middle

    def filled(self, pieces: Pieces, random: np.random.Generator) -> Collage:
        """Lay a donor in the place of every object of the plan."""
        sums = coordinate_sums(self.plan)
        boxes, lost = ndimage.find_objects(self.plan), 0
        for number, before in _touching_order(self.plan):
            area = int(sums[number - 1, 0])
            if area < _SMALLEST * self.diameter**2:
                continue
            spot = self._spot(sums[number - 1], boxes[number - 1], before)
            piece = self._best_piece(number, spot, pieces, random)
            at = settle(piece, spot, self.truth, _OVERLAP, self.diameter, random)
            found = None if at is None else place_of(piece.mask.shape, at, self.plan.shape)
            if at is None or found is None:
                lost += 1
                continue
            strength = 1 + _BRIGHTNESS * float(random.uniform(-1, 1))
            self._lay(piece, found, strength)
            self.laid[number] = len(self.laid) + 1, np.asarray(at, np.float64)
        return Collage(self._image(), renumber(self.truth), lost)

    def _spot(self, sums: Floats, box: tuple[slice, ...], before: Sequence[int]) -> Spot:
        touching = [self.laid[number] for number in before if number in self.laid]
        sides = zip(box, self.plan.shape, strict=True)
        outward = [float(side.stop == n) - float(side.start == 0) for side, n in sides]
        centre = sums[1:3] / sums[0] + 0.5
        return Spot(
            centre=centre,
            area=int(sums[0]),
            outward=np.array(outward),
            neighbours=[number for number, _ in touching],
            neighbours_centre=np.mean([at for _, at in touching] or [centre], axis=0),
        )

    def _best_piece(
        self, number: int, spot: Spot, pieces: Pieces, random: np.random.Generator
    ) -> Piece:
        """Of donors of about the size, return the one, and its orientation, that fits best."""
        wanted = max(spot.area, float(np.median(pieces.areas)) * spot.outward.any())
        few = random.choice(len(pieces.areas), min(_DRAWN, len(pieces.areas)), replace=False)
        order = np.argsort(np.abs(np.log(pieces.areas[few] / wanted)), kind="stable")
        tried = [
            pieces.turned(int(index), int(way))
            for index in few[order[:_TRIED]]
            for way in random.choice(N_WAYS, _WAYS, replace=False)
        ]
        fits = [self._overlap(number, spot, piece) for piece in tried]
        return tried[int(np.argmax(fits))]

    def _overlap(self, number: int, spot: Spot, piece: Piece) -> float:
        found = place_of(piece.mask.shape, spot.centre, self.plan.shape)
        if found is None:
            return 0.0
        both = np.count_nonzero((self.plan[found[0]] == number) & piece.mask[found[1]])
        return both / (spot.area + piece.area - both)

    def _lay(self, piece: Piece, found: Place, strength: float) -> None:
        on, of = found
        new = piece.mask[of] & (self.truth[on] == 0)
        self.truth[on][new] = len(self.laid) + 1
        # Light adds: where two objects meet, both are seen.
        self.signal[:, *on] += strength * piece.weight[of] * piece.signal[:, *of]
        self.cover[on] = np.maximum(self.cover[on], piece.weight[of])
        self.clipped[on] |= piece.clipped[of]

    def _image(self) -> Image:
        """Add up background and donors, which bring their own noise."""
        smooth, noise = self.ground
        image = smooth + noise * (1 - self.cover) + self.signal
        image[0][self.clipped] = np.maximum(image[0][self.clipped], np.float32(1))
        # Nothing is darker than what the camera showed.
        return np.maximum(image, self.darkest).astype(np.float32)


def _touching_order(plan: Labels) -> list[tuple[int, list[int]]]:
    """List all objects with those that they touch and that come before them.

    From one object on its neighbours follow, then theirs: so a clump is built from within.
    """
    near: dict[int, list[int]] = {int(n): [] for n in np.flatnonzero(areas(plan)) + 1}
    for one, other in _pairs(plan).tolist():
        near[one].append(other)
        near[other].append(one)
    order: list[tuple[int, list[int]]] = []
    seen: set[int] = set()
    for start in near:
        queue = [start]
        while queue:
            number = queue.pop(0)
            if number in seen:
                continue
            order.append((number, [other for other in near[number] if other in seen]))
            seen.add(number)
            queue += near[number]
    return order


def _pairs(plan: Labels) -> Integers:
    return contacts(expand(plan, _TOUCHING_PX)).pairs
