"""Does a measure follow the dose of a control? ``qc/trend.csv``."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from levelfield.arrays import Floats
from levelfield.qc.columns import OBJECT_SET
from levelfield.qc.judged import JudgedPlate, PlateTable
from levelfield.qc.statistics.comparison import text_of
from levelfield.qc.statistics.correlation import rank_correlation
from levelfield.qc.statistics.summary import RATES
from levelfield.questions import MEASURES, Measure

FEWEST_DOSES = 3


@dataclass(frozen=True)
class Trend:
    """How one measure follows the doses of one positive control, over wells.

    Attributes
    ----------
    plate, object_set, measure, perturbation : str
        Whose, and of what.
    n_doses, n_wells : int
        Distinct doses, and wells of any dose.
    spearman, p_value : float
        Rank correlation with the dose; NaN where the measure does not vary.
    slope : float or None
        In ``unit`` per tenfold dose; None where fewer than two doses are above 0.
    unit : str
        pp or px.
    """

    plate: str
    object_set: str
    measure: str
    perturbation: str
    n_doses: int
    n_wells: int
    spearman: float
    slope: float | None
    unit: str
    p_value: float


def dose_trends(judged: JudgedPlate) -> list[Trend]:
    """Relate every measure to the dose of every positive control that has several.

    Controls have at least `FEWEST_DOSES` doses that are numbers. Treated wells of the same
    perturbation (in `levelfield.qc.statistics.summary.RateTables.wells`) count with those of the
    control.
    """
    wells = judged.wells
    dose = pd.to_numeric(text_of(wells, "Metadata_Concentration"), errors="coerce")
    table = wells.assign(dose=dose, name=text_of(wells, "Metadata_Perturbation"))
    kinds = table["Metadata_ControlType"]
    controls = sorted(set(table.loc[kinds == "poscon", "name"]) - {""})
    table = table[kinds.isin(["poscon", "trt"]) & table["dose"].notna()]
    found = []
    for (object_set, name), own in table.groupby([OBJECT_SET, "name"], sort=True):
        if name not in controls or own["dose"].nunique() < FEWEST_DOSES:
            continue
        for measure, column in RATES.items():
            known = own[own[column].notna()]
            if known["dose"].nunique() >= FEWEST_DOSES:
                values = known[column].to_numpy(float) * MEASURES[measure].scale
                trend = _trend(known["dose"].to_numpy(float), values, MEASURES[measure])
                found.append(Trend(judged.plate, str(object_set), measure, str(name), *trend))
    return found


def _trend(
    dose: Floats, values: Floats, measure: Measure
) -> tuple[int, int, float, float | None, str, float]:
    """Return the numbers of a `Trend`, in its order."""
    spearman, p_value = rank_correlation(dose, values)
    above, slope = dose > 0, None
    if len(np.unique(dose[above])) > 1:
        slope = float(np.polyfit(np.log10(dose[above]), values[above], 1)[0])
    unit = measure.unit_of("difference")
    return len(np.unique(dose)), len(dose), spearman, slope, unit, p_value


TABLE = PlateTable(Trend, dose_trends)
