"""Tables beside the verdict: a file for each, which is written as ``qc/<name>.csv``."""

from importlib import import_module
from pkgutil import iter_modules

import pandas as pd

from levelfield.qc.judged import JudgedPlate, PlateTable

TABLES: dict[str, PlateTable] = {
    module.name: import_module(f"{__name__}.{module.name}").TABLE
    for module in iter_modules(__path__)
}
"""All of them by name."""


def tables_of(judged: JudgedPlate) -> dict[str, pd.DataFrame]:
    """Return all tables of a plate by name."""
    return {name: table.of(judged) for name, table in TABLES.items()}
