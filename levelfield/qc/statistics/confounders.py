"""What else could explain the QC numbers: place on the plate, density, brightness.

Edge wells, rows and columns, and above all local density differ between control classes, and dense
fields under-report merges. This table says how strongly balance and threshold bias follow each;
the density-matched difference is part of the verdict (`levelfield.qc.statistics.density`).
"""

import numpy as np
import pandas as pd
from scipy import special

from levelfield.arrays import Floats
from levelfield.config.wells import row_column
from levelfield.qc.columns import OBJECT_SET

_HEAD = ("plate", "object_set", "measure", "unit", "confounder")
CONFOUNDER_COLUMNS = (*_HEAD, "n_wells", "contrast", "correlation", "p_value")
MEASURES = {"balance": ("pp", 100.0), "threshold_bias_px": ("px", 1.0)}
FEWEST_WELLS = 4


def confounder_table(plate: str, wells: pd.DataFrame, n_rows: int, n_columns: int) -> pd.DataFrame:
    """Relate balance and threshold bias of the wells to what may confound them.

    All wells with objects count, so that on plates with doses along the columns a correlation with
    the column is also one with the dose.

    Parameters
    ----------
    plate, wells : str, DataFrame
        Its name, and rates (`levelfield.qc.statistics.summary.rate_tables`).
    n_rows, n_columns : int
        Plate format, for the edge.

    Returns
    -------
    DataFrame
        `CONFOUNDER_COLUMNS`, a row per object set, measure and confounder (row, column, edge,
        density, intensity): ``contrast`` is the measure's mean in the upper third of the wells
        minus that in the lower third (edge: edge wells minus inner wells), in ``unit``;
        ``correlation`` is Spearman's, with its p value. NaN for fewer than 4 wells or a confounder
        that does not vary.
    """
    rows = []
    for object_set, own in wells.groupby(OBJECT_SET, sort=True):
        own = own[own["n_objects"] > 0]
        values = _confounder_values(own, n_rows, n_columns)
        for measure, (unit, scale) in MEASURES.items():
            for confounder, found in values.items():
                head = (plate, object_set, measure, unit, confounder)
                rows.append((*head, *_relation(found, own[measure] * scale)))
    return pd.DataFrame(rows, columns=list(CONFOUNDER_COLUMNS))


def rank_correlation(x: Floats, y: Floats) -> tuple[float, float]:
    """Return Spearman's correlation and its p value by Student's t; NaN where `y` does not vary.

    As `scipy.stats.spearmanr`, to the last digit.
    """
    if np.ptp(y) == 0:
        return float("nan"), float("nan")
    # By hand, as `scipy.stats` takes a second to import, and every plate would wait for it.
    found = float(np.corrcoef(_ranks(x), _ranks(y))[1, 0])
    freedom = len(x) - 2
    with np.errstate(divide="ignore"):
        t = found * np.sqrt((freedom / np.float64((found + 1) * (1 - found))).clip(0))
    return found, float(2 * special.stdtr(freedom, -abs(t)))


def _ranks(values: Floats) -> Floats:
    """Return ranks from 1; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[place]


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
