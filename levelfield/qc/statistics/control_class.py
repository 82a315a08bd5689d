"""One control class of one object set, and its estimates with the well as the unit."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from levelfield.qc.statistics.estimates import Estimate, ratio_estimate
from levelfield.qc.statistics.field_sums import measure_terms


@dataclass(frozen=True)
class ControlClass:
    """One control class of one object set.

    Attributes
    ----------
    kind : str
        negcon or poscon.
    wells : tuple of str
        That the layout declares.
    objects, sums : DataFrame
        Scored objects and the sums of their fields, of these wells.
    """

    kind: str
    wells: tuple[str, ...]
    objects: pd.DataFrame
    sums: pd.DataFrame

    def estimate(self, measure: str) -> Estimate:
        """Estimate a measure, with the well as the unit."""
        terms = measure_terms(self.sums, measure)
        return estimate_by_well(self.sums["Metadata_Well"], terms["top"], terms["bottom"])

    @property
    def out_of_distribution(self) -> float:
        """Share of images out of the distribution that the evidence was calibrated on."""
        return float((self.sums["outside_calibration"] != "").mean()) if len(self.sums) else 0.0


def estimate_by_well(wells: pd.Series, top: pd.Series, bottom: pd.Series) -> Estimate:
    """Estimate a ratio of sums over objects or fields (n rows each), with the well as the unit."""
    table = pd.DataFrame(
        {"well": wells.to_numpy(), "top": np.asarray(top), "bottom": np.asarray(bottom)}
    )
    sums = table.groupby("well", sort=True)[["top", "bottom"]].sum()
    return ratio_estimate(sums["top"], sums["bottom"])


def with_scatter_of(estimate: Estimate, other: Estimate) -> Estimate:
    """Give an estimate from one well the variance between the wells of another estimate."""
    if estimate.n_wells != 1:
        return estimate
    return replace(
        estimate,
        variance=other.variance * other.n_wells,
        degrees_of_freedom=other.degrees_of_freedom,
    )
