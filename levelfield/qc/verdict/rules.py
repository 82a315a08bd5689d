"""What turns estimates into verdicts: margins, calibration constants, methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from levelfield.qc.statistics.estimates import Estimate, with_systematic_error


@dataclass(frozen=True)
class Margins:
    """Largest harmless size of each question, as ``qc.margins`` of the configuration.

    Attributes
    ----------
    split_merge : float
        Balance, percentage points.
    threshold : float
        Threshold bias, px.
    agreement : float
        Smallest acceptable share of right objects, percent.
    """

    split_merge: float = 10.0
    threshold: float = 0.5
    agreement: float = 90.0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("split_merge", 0, 100),
            ("threshold", 0, 50),
            ("agreement", 0, 100),
        ):
            value = getattr(self, name)
            if not low < value < high:
                raise ValueError(
                    f"qc.margins.{name} is {value}; it must lie between {low} and {high}. "
                    "Defaults: split_merge 10 (pp), threshold 0.5 (px), agreement 90 (%)."
                )


@dataclass(frozen=True)
class Constants:
    """How an estimate's own error behaves: slope and systematic error of one question.

    Attributes
    ----------
    slope : float
        True difference of classes over the difference read.
    sigma_class, sigma_difference : float
        Systematic error (one standard deviation) of a class and of a difference of classes, in
        fractions or px.
    calibrated : bool
        False: nothing passes, and only gross failures fail.
    slope_class : float, optional
        The slope for one class by itself; that of a difference by default.
    floor_class : float
        What faultless labels of one class read. It cancels in a difference.
    sigma_outside : float, optional
        Systematic error where images are outside of what was calibrated; by default that within.
    share_difference : float
        Systematic error of a difference per size of the difference; added as variances.
    range_weight : float
        Systematic error per range of the estimate over the variants of the evidence; likewise.
    """

    slope: float
    sigma_class: float
    sigma_difference: float
    calibrated: bool
    slope_class: float | None = None
    floor_class: float = 0.0
    sigma_outside: float | None = None
    share_difference: float = 0.0
    range_weight: float = 0.5

    def correct(
        self,
        estimate: Estimate,
        *,
        is_difference: bool,
        variants: float = 0.0,
        outside: bool = False,
    ) -> Estimate:
        """Correct an estimate, and add its systematic error.

        Parameters
        ----------
        estimate : Estimate
            As the evidence reads it.
        is_difference : bool
            Between two classes, or of one.
        variants : float
            Range of the estimate over the variants of the evidence.
        outside : bool
            Whether the images are outside of what was calibrated.
        """
        slope = self.slope
        if not is_difference and self.slope_class is not None:
            slope = self.slope_class
        sigma = self.sigma_class
        if is_difference:
            grows = self.share_difference * slope * estimate.value
            sigma = float(np.hypot(self.sigma_difference, grows))
        if outside and self.sigma_outside is not None:
            # That of a difference holds all its errors, that of a class also what people agree on.
            widen = max if is_difference else np.hypot
            sigma = float(widen(sigma, self.sigma_outside))
        floor = 0.0 if is_difference else self.floor_class
        sigma = float(np.hypot(sigma, self.range_weight * variants))
        return with_systematic_error(estimate, slope, sigma, floor)


EXACT = Constants(1.0, 0.0, 0.0, calibrated=True)
"""Of an estimate that people have reviewed: it errs by its sampling alone."""


# For objects and segmenters that nothing is known of: about three times the errors that are known
# for nuclei (benchmarks/results/qc_differences.csv). A class by itself also carries the conventions
# of those who draw outlines (0.5 px).
UNCALIBRATED: Mapping[str, Constants] = {
    "split_merge": Constants(1.0, 0.15, 0.14, calibrated=False),
    "threshold": Constants(1.0, 0.60, 0.30, calibrated=False),
}


@dataclass(frozen=True)
class Rules:
    """What turns estimates into verdicts.

    Attributes
    ----------
    margins : Margins
        Largest harmless sizes.
    methods : mapping of str to str
        Segmentation method of each object set, for the advice.
    constants : mapping of str to Constants
        Per question, for objects and segmenters that nothing more specific is known of;
        uncalibrated by default.
    calibrations : mapping of (str, str, str) to Constants
        Per question, kind of object and kind of segmenter; these come before `constants`.
    kinds : mapping of str to (str, str)
        Kind of object and kind of segmenter of each object set, as in `calibrations`.
    withheld : str
        When not empty, the reason why the plate gets no verdict (too many excluded sites): every
        row is undecided and says so.
    """

    margins: Margins = field(default_factory=Margins)
    methods: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, Constants] = field(default_factory=lambda: dict(UNCALIBRATED))
    calibrations: Mapping[tuple[str, str, str], Constants] = field(default_factory=dict)
    kinds: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    withheld: str = ""

    def constants_of(self, question: str, object_set: str) -> Constants:
        """Return the constants of the object set's kind if they were calibrated, else the rest."""
        kinds = self.kinds.get(object_set, ("", ""))
        return self.calibrations.get((question, *kinds), self.constants[question])
