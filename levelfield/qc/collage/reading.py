"""What the evidence reads of collages, held against what is true of them: ``qc/collages.csv``."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from levelfield.arrays import Floats, Integers
from levelfield.qc.statistics.field_sums import measure_terms
from levelfield.qc.statistics.summary import ConstantsOf, corrected
from levelfield.questions import MEASURES, Scope

MEASURES_READ = ("balance", "splits", "merges", "missed", "invented")
"""Not the threshold: the outlines of donors are drawn by the rule that the evidence judges by."""


@dataclass(frozen=True)
class CollageLine:
    """A measure of a control class on collages of its own objects: a row of ``qc/collages.csv``.

    Attributes
    ----------
    plate, object_set, scope, perturbation, measure : str
        Whose, and of what; scope is negcon or poscon.
    n_windows, n_donors : int
        Parts of the class's fields that were looked at, and donors that they hold.
    donor_yield : float
        Donors per object of these windows.
    n_collages, n_objects, n_labels : int
        Made; true objects in them; objects by the segmenter.
    n_lost : int
        Objects that found no room.
    reading, truth, error, error_se : float
        By the evidence, as in the verdict; by what was composed; the former less the latter, and
        its standard error by the scatter between collages. In percentage points; NaN where no
        collage was made, or the measure says nothing.
    is_enough : bool
        Whether there are donors enough for the collages to stand for the class.
    note : str
        Why there is no collage, or why they do not stand for the class.
    """

    plate: str
    object_set: str
    scope: Scope
    perturbation: str
    measure: str
    n_windows: int
    n_donors: int
    donor_yield: float
    n_collages: int
    n_objects: int
    n_labels: int
    n_lost: int
    reading: float
    truth: float
    error: float
    error_se: float
    is_enough: bool
    note: str


@dataclass(frozen=True)
class Reading:
    """A measure as the evidence reads it and as it is, in fractions of objects.

    ``error_se`` is the standard error of their difference; NaN with a single image.
    """

    reading: float
    truth: float
    error_se: float


def read_collages(
    sums: pd.DataFrame,
    images: pd.DataFrame,
    object_set: str,
    constants_of: ConstantsOf,
    measures: Sequence[str] = MEASURES_READ,
) -> dict[str, Reading]:
    """Hold what the evidence reads against what is true, by measure.

    Parameters
    ----------
    sums : DataFrame
        A row per collage: `levelfield.qc.statistics.field_sums.field_sums`.
    images : DataFrame
        The same collages, in the same order, against their truth: scores as in
        ``evaluation/images.csv``.
    object_set, constants_of : str, callable
        By whose constants readings are corrected, as those of the plate are.
    """
    found = {}
    for name in measures:
        terms, table = measure_terms(sums, name), true_terms(images, name)
        of_set = object_set, name, constants_of
        errors = [
            class_reading(terms.iloc[part], *of_set) - ratio(table.iloc[part])
            for part in left_out(len(terms))
        ]
        error_se = jackknife_error(np.array(errors))
        found[name] = Reading(class_reading(terms, *of_set), ratio(table), error_se)
    return found


def true_terms(images: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return numerator and denominator of a measure's truth for every image: ``top, bottom``."""
    truth = MEASURES[measure].truth
    if truth is None:
        raise ValueError(f"nothing says what is true of {measure}: its question has no truth")
    top, bottom = truth(images)
    return pd.DataFrame({"top": top.fillna(0.0), "bottom": bottom}).astype(float)


def class_reading(
    terms: pd.DataFrame, object_set: str, measure: str, constants_of: ConstantsOf
) -> float:
    """Read a measure of all images together, from its terms of each, corrected as the plate's."""
    total = terms.sum().to_frame().T
    return float(corrected(total, [object_set], measure, constants_of).iloc[0])


def ratio(terms: pd.DataFrame) -> float:
    """Return the ratio of the sums of ``top`` and ``bottom``; NaN of nothing."""
    top, bottom = terms["top"].sum(), terms["bottom"].sum()
    return float(top / bottom) if bottom > 0 else float("nan")


def left_out(count: int) -> list[Integers]:
    """Return all places but one, for every one of them."""
    return [np.delete(np.arange(count), k) for k in range(count)]


def jackknife_error(values: Floats) -> float:
    """Return the standard error of a value, from the values with one unit left out each."""
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return float("nan")
    return float(np.sqrt((len(known) - 1) * np.mean((known - known.mean()) ** 2)))


@dataclass(frozen=True)
class ClassFacts:
    """What a control class gave for its collages; see `CollageLine`."""

    plate: str
    object_set: str
    scope: Scope
    perturbation: str
    n_windows: int = 0
    n_donors: int = 0
    donor_yield: float = float("nan")
    n_collages: int = 0
    n_objects: int = 0
    n_labels: int = 0
    n_lost: int = 0


@dataclass(frozen=True)
class Enough:
    """How many donors a class must have for its collages to stand for it.

    ``donors`` altogether, and ``donor_yield`` of them per object.
    """

    donors: int
    donor_yield: float

    def missing(self, facts: ClassFacts) -> str:
        """Say what is missing; nothing where there is enough."""
        if facts.donor_yield < self.donor_yield:
            return (
                f"only {facts.n_donors} of the objects of {facts.n_windows} windows stand alone "
                f"and are convex: {facts.donor_yield:.2f} per object, and {self.donor_yield:g} are "
                "needed. The others look or lie in other ways, so that collages do not stand for "
                "them: review this class"
            )
        if facts.n_donors < self.donors:
            return (
                f"{facts.n_donors} donors, and {self.donors} are needed: raise "
                "qc.collages.windows_per_class where the plate is large enough, or review this "
                "class"
            )
        return ""


def collage_lines(
    facts: ClassFacts, readings: dict[str, Reading], enough: Enough, note: str = ""
) -> list[CollageLine]:
    """Make the rows of a control class; a `note` says why there are no readings."""
    lacking = note or enough.missing(facts)
    nothing = Reading(float("nan"), float("nan"), float("nan"))
    lines = []
    for measure in MEASURES_READ:
        own, scale = readings.get(measure, nothing), MEASURES[measure].scale
        values = {"reading": own.reading, "truth": own.truth, "error": own.reading - own.truth}
        values |= {"error_se": own.error_se}
        scaled = {name: value * scale for name, value in values.items()}
        shared = vars(facts) | scaled
        lines.append(CollageLine(measure=measure, **shared, is_enough=not lacking, note=lacking))
    return lines
