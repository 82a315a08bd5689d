"""What else could explain the QC numbers: place on the plate, density, brightness.

Edge wells, rows and columns, and above all local density differ between control classes, and dense
fields under-report merges. This table says how strongly balance and threshold bias follow each;
the density-matched difference is part of the verdict (`levelfield.qc.statistics.density`).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from levelfield.config.wells import row_column
from levelfield.qc.columns import OBJECT_SET
from levelfield.qc.judged import JudgedPlate, PlateTable
from levelfield.qc.statistics.correlation import rank_correlation

MEASURES = {"balance": ("pp", 100.0), "threshold_bias_px": ("px", 1.0)}
FEWEST_WELLS = 4


@dataclass(frozen=True)
class Confounder:
    """How one measure follows what may confound it, over the wells with objects.

    Attributes
    ----------
    plate, object_set, measure, unit : str
        Whose, and of what: a column of ``qc/wells.csv``, and its unit.
    confounder : str
        row, column, edge, density or intensity.
    n_wells : int
        In which both are known.
    contrast : float
        Mean of the measure in the upper third of the wells minus that in the lower third (edge:
        edge wells minus inner wells), in ``unit``.
    correlation, p_value : float
        Spearman's. NaN, as the contrast, for fewer than 4 wells or a confounder that does not vary.
    """

    plate: str
    object_set: str
    measure: str
    unit: str
    confounder: str
    n_wells: int
    contrast: float
    correlation: float
    p_value: float


def confounders(judged: JudgedPlate) -> list[Confounder]:
    """Relate balance and threshold bias of the wells to what may confound them.

    All wells with objects count, so that on plates with doses along the columns a correlation with
    the column is also one with the dose.
    """
    found = []
    for object_set, own in judged.wells.groupby(OBJECT_SET, sort=True):
        own = own[own["n_objects"] > 0]
        values = _confounder_values(own, *judged.shape)
        for measure, (unit, scale) in MEASURES.items():
            for name, value in values.items():
                relation = _relation(value, own[measure] * scale)
                found.append(
                    Confounder(judged.plate, str(object_set), measure, unit, name, *relation)
                )
    return found


def _confounder_values(wells: pd.DataFrame, n_rows: int, n_columns: int) -> dict[str, pd.Series]:
    row, column = (
        wells["Metadata_Well"].map(lambda name, part=part: row_column(name)[part]).astype(float)
        for part in (0, 1)
    )
    edge = row.isin([1, n_rows]) | column.isin([1, n_columns])
    return {
        "row": row,
        "column": column,
        "edge": edge.astype(float),
        "density": wells["local_density"],
        "intensity": wells["mean_intensity"],
    }


def _relation(confounder: pd.Series, measure: pd.Series) -> tuple[int, float, float, float]:
    known = (confounder.notna() & measure.notna()).to_numpy()
    x, y = confounder.to_numpy(float)[known], measure.to_numpy(float)[known]
    if len(x) < FEWEST_WELLS or np.ptp(x) == 0:
        return len(x), float("nan"), float("nan"), float("nan")
    low, high = np.quantile(x, [1 / 3, 2 / 3])
    if low == high:  # a flag such as edge, or nearly one
        low, high = x.min(), x.max()
    contrast = float(y[x >= high].mean() - y[x <= low].mean())
    return len(x), contrast, *rank_correlation(x, y)


TABLE = PlateTable(Confounder, confounders)
