"""What turns estimates into verdicts: margins, calibration constants, methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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
        True value over estimate.
    sigma_class, sigma_difference : float
        Systematic error (one standard deviation) of a class and of a difference of classes, in
        fractions or px.
    calibrated : bool
        False: nothing passes, and only gross failures fail.
    """

    slope: float
    sigma_class: float
    sigma_difference: float
    calibrated: bool


# Systematic errors about twice what benchmarks/qc_heuristic.py finds on groups of nuclei that the
# evidence did not see (differences: 7 pp and 0.13 px): other cells, stains and phenotypes will be
# harder. A class by itself also carries the conventions of those who draw outlines (0.5 px).
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
        Per question; uncalibrated by default.
    withheld : str
        When not empty, the reason why the plate gets no verdict (too many excluded sites): every
        row is undecided and says so.
    """

    margins: Margins = field(default_factory=Margins)
    methods: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, Constants] = field(default_factory=lambda: dict(UNCALIBRATED))
    withheld: str = ""
