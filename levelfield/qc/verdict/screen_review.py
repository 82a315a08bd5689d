"""A screen by the review of a few of its plates: which are looked at, and what follows for all.

Plates are drawn by chance, with a fixed seed, and a few crops of each class are looked at on every
one: 20 plates with 5 crops of two classes are 200 crops, for a screen of any size. The evidence of
all plates takes part, corrected by what the reviewed ones say of it, with the error V = S²_b / m +
V_w / m: how far the plates differ, and what the few crops leave open on each, over m plates.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from levelfield.arrays import Floats
from levelfield.qc.statistics.estimates import Estimate
from levelfield.qc.verdict.rows import ReviewedRow
from levelfield.qc.verdict.steps import SECONDS_PER_CROP
from levelfield.questions import n_classes

PLATES, CROPS_PER_CLASS = 20, 5
"""That are looked at: plates of a screen, and crops of each class on a plate."""
FEWEST_PLATES = 6
"""Below which a review of some plates says nothing of the screen."""
SEED = 1
_TRUST = 4.0


@dataclass(frozen=True)
class PlannedPlate:
    """A plate that people should look at for the screen: a row of ``screen/review_plan.csv``.

    Attributes
    ----------
    order : int
        From 1; plates count in this order, without a gap.
    plate, object_set, state : str
        Which; done, or open.
    crops_per_class, n_reviewed, minutes : int
        Crops of each class that are needed, crops of all classes that have answers, and a person's
        time for those that are needed.
    """

    order: int
    plate: str
    object_set: str
    state: str
    crops_per_class: int
    n_reviewed: int
    minutes: int


def screen_order(plates: Iterable[str]) -> list[str]:
    """Return plates in the order in which they are looked at: by chance, by their names alone."""

    def chance(plate: str) -> bytes:
        return hashlib.blake2b(f"{SEED}\n{plate}".encode(), digest_size=16).digest()

    return sorted(set(plates), key=lambda plate: (chance(plate), plate))


def crops_wanted(n_plates: int) -> int:
    """Return the crops of each class that are looked at on a plate; more where plates are few."""
    return max(CROPS_PER_CLASS, -(-PLATES * CROPS_PER_CLASS // max(n_plates, 1)))


def is_reviewed(row: ReviewedRow | None, n_plates: int) -> bool:
    """Whether enough crops of a row's classes have answers for the screen."""
    if row is None or not np.isfinite(row.these_wells.value):
        return False
    wanted = crops_wanted(n_plates) * n_classes(row.scope)
    return row.counts.n_reviewed >= min(wanted, row.counts.n_drawn)


def review_plan(reviewed: Sequence[Sequence[ReviewedRow]]) -> list[PlannedPlate]:
    """Say which plates people should look at, and how far they are.

    Parameters
    ----------
    reviewed : sequence of sequence of ReviewedRow
        The rows of every plate.
    """
    by_plate = {rows[0].plate: rows for rows in reviewed if rows}
    wanted, found = crops_wanted(len(by_plate)), []
    for order, plate in enumerate(screen_order(by_plate)[:PLATES], start=1):
        for name in dict.fromkeys(row.object_set for row in by_plate[plate]):
            own = [r for r in by_plate[plate] if r.object_set == name and r.measure == "balance"]
            classes = {r.key: r for r in own if r.scope != "difference"}.values()
            done = all(is_reviewed(row, len(by_plate)) for row in classes)
            crops = sum(min(wanted, row.counts.n_drawn) for row in classes)
            minutes = -(-crops * SECONDS_PER_CROP // 60)
            seen = sum(row.counts.n_reviewed for row in classes)
            state = "done" if done and classes else "open"
            found.append(PlannedPlate(order, plate, name, state, wanted, seen, minutes))
    return found


def estimate_of_screen(
    rows: Sequence[tuple[str, float, ReviewedRow | None]],
) -> tuple[Estimate, int] | None:
    """Estimate one row of a screen from the plates that were looked at.

    Parameters
    ----------
    rows : sequence of (str, float, ReviewedRow or None)
        Every plate that has the row, with what its evidence says, corrected, and its review.

    Returns
    -------
    Estimate, int
        About the plates of the screen, and how many were looked at; None with fewer than
        `FEWEST_PLATES`.
    """
    known = {plate: (read, row) for plate, read, row in rows}
    order = screen_order(known)
    seen = []
    for plate in order:
        row = known[plate][1]
        if row is None or not is_reviewed(row, len(order)):
            break
        seen.append((known[plate][0], row.these_wells.value, row.these_wells.n_wells))
    if len(seen) < min(FEWEST_PLATES, len(order)) or len(seen) < 2:
        return None
    read, said = np.array([own[0] for own in seen]), np.array([own[1] for own in seen])
    every = np.array([own[0] for own in known.values()], float)
    every = np.where(np.isfinite(every), every, np.nan)
    trust = _trusts(read, said) if np.isfinite(every).all() else np.zeros(len(seen))
    moved = said - trust * np.nan_to_num(read)
    mean = float(np.mean(trust)) * float(np.nan_to_num(every).mean())
    variance = float(np.var(moved, ddof=1)) / len(seen)
    n_wells = sum(own[2] for own in seen)
    estimate = Estimate(mean + float(moved.mean()), variance, len(seen) - 1.0, n_wells)
    return estimate, len(seen)


def _trusts(read: Floats, said: Floats) -> Floats:
    """Return how far the evidence of each plate is trusted, learned on half of the others."""
    even = np.arange(len(read)) % 2 == 0
    of_even, of_odd = (_slope(read[own], said[own]) for own in (~even, even))
    return np.where(even, of_even, of_odd)


def _slope(read: Floats, said: Floats) -> float:
    if len(read) < 2:
        return 1.0
    away = read - read.mean()
    square = float(np.sum(away**2))
    begin = _TRUST * square / len(read) + 1e-12
    return float(np.clip((np.sum(away * said) + begin) / (square + begin), 0, 1))
