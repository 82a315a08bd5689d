"""How far the evidence itself errs: slope, floor, and a variance that grows with every doubt.

Nothing withholds an answer: what makes the evidence doubtful adds to the variance of the estimate,
by an amount that was learned on plates whose truth is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

import numpy as np

from levelfield.arrays import ordered_sum
from levelfield.qc.statistics.estimates import Estimate


@dataclass(frozen=True)
class Doubts:
    """What speaks against trusting the evidence of one row; 0 where nothing does.

    Attributes
    ----------
    variants : float
        Range of the estimate over the variants of the evidence, in the unit of the estimate.
    size, sharpness, contrast, grain, saturation : float
        Appearance shift against the negative wells that the class is held against
        (`levelfield.qc.statistics.appearance.appearance_shift`); 0 for negative wells.
    outside : float
        Share of images out of the calibrated distribution; of a difference that of the class that
        has more.
    """

    variants: float = 0.0
    size: float = 0.0
    sharpness: float = 0.0
    contrast: float = 0.0
    grain: float = 0.0
    saturation: float = 0.0
    outside: float = 0.0


DOUBTS = tuple(each.name for each in fields(Doubts))
NO_DOUBTS = Doubts()


@dataclass(frozen=True)
class ErrorModel:
    """Standard deviation of the evidence's own error: a constant, and what each doubt adds.

    Attributes
    ----------
    constant : float
        Where nothing is doubtful; fraction of objects, or px.
    of_value : float
        Per size of the corrected value.
    of_doubts : mapping of str to float
        Per unit of each doubt, by the names of `Doubts`; 0 for those not named.
    """

    constant: float
    of_value: float = 0.0
    of_doubts: Mapping[str, float] = field(default_factory=dict)

    def parts(self, value: float, doubts: Doubts) -> dict[str, float]:
        """Return the variance that each source adds, by name; they sum to the whole."""
        found = {"constant": self.constant**2, "value": (self.of_value * value) ** 2}
        for name, weight in self.of_doubts.items():
            size = getattr(doubts, name)
            found[name] = (weight * size) ** 2 if np.isfinite(size) else 0.0
        return found

    def sigma(self, value: float, doubts: Doubts) -> float:
        """Return one standard deviation, in the unit of the estimate."""
        return float(np.sqrt(ordered_sum(self.parts(value, doubts).values())))


@dataclass(frozen=True)
class Constants:
    """What is known of the evidence's error for one measure, kind of object and segmenter.

    Attributes
    ----------
    calibrated : bool
        False: nothing passes, and only gross failures fail.
    slope, floor : float
        True value per value read, after the floor is taken off: what faultless labels of one class
        read. It cancels in a difference.
    error_class, error_difference : ErrorModel
        Error of the corrected value.
    degrees_of_freedom : float
        Degrees of freedom of the errors: groups of images they were learned on, less one.
    between_wells : float
        Usual scatter between wells of one class (one standard deviation), which stands in where no
        class has two wells.
    of_right : bool
        Whether a class's value is a share of right objects: its error grows with what is wrong.
    """

    calibrated: bool
    slope: float = 1.0
    floor: float = 0.0
    error_class: ErrorModel = ErrorModel(0.0)
    error_difference: ErrorModel = ErrorModel(0.0)
    degrees_of_freedom: float = float("inf")
    between_wells: float = 0.0
    of_right: bool = False

    def error_model(self, scope: str) -> ErrorModel:
        """Return how the evidence errs of a class or of a difference."""
        return self.error_difference if scope == "difference" else self.error_class

    def error_size(self, value: float, scope: str) -> float:
        """Return the size that the error grows with: of a share of right objects the rest."""
        return 1 - value if self.of_right and scope != "difference" else value

    def value(self, read: float, scope: str) -> float:
        """Correct a value: of a class less the floor, times the slope."""
        if scope == "difference":
            return read * self.slope
        value = (read - self.floor) * self.slope
        return min(value, 1.0) if self.of_right else value

    def correct(self, estimate: Estimate, scope: str, doubts: Doubts | None = None) -> Estimate:
        """Correct an estimate of a scope, and add the variance of its systematic error."""
        model, value = self.error_model(scope), self.value(estimate.value, scope)
        sigma = model.constant
        if np.isfinite(value):
            sigma = model.sigma(self.error_size(value, scope), doubts or NO_DOUBTS)
        return replace(
            estimate,
            value=value,
            variance=estimate.variance * self.slope**2,
            systematic_variance=sigma**2,
            systematic_degrees_of_freedom=self.degrees_of_freedom,
        )
