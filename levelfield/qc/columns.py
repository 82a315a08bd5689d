"""Names of the columns by which the tables of the QC are joined, and tables without rows."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

SITE = ["Metadata_Plate", "Metadata_Well", "Metadata_Site"]
"""A site of a well."""
WELL = ["Metadata_Plate", "Metadata_Well"]
OBJECT_SET = "object_set"
FIELD = [*SITE, OBJECT_SET]
"""One object set of one site."""
NUMBER = "Metadata_ObjectNumber"
NEIGHBOUR = "Metadata_NeighbourNumber"


def empty_table(columns: Iterable[str], types: Mapping[str, type] | None = None) -> pd.DataFrame:
    """Return a table without rows; its columns are float64, but for those whose type is named."""
    known = types or {}
    return pd.DataFrame({name: np.empty(0, known.get(name, np.float64)) for name in columns})
