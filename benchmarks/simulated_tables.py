"""Tables of simulations, with what they rest on."""

import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path

import pandas as pd

RESULTS = Path(__file__).parent / "results"


def write_table(
    name: str, table: pd.DataFrame, what: str, shown: pd.DataFrame | None = None
) -> None:
    """Print a table, or what is `shown` of it, and write it with what was simulated on what."""
    about = (
        f"{what}; levelfield {version('levelfield')}, numpy {version('numpy')}, "
        f"Python {platform.python_version()}, {platform.machine()}, {date.today()}"
    )
    print(about)
    print(table.round(3).to_string(index=False) if shown is None else shown.round(3).to_string())
    with (RESULTS / f"{name}.csv").open("w") as file:
        file.write(f"# {about}\n")
        table.round(4).to_csv(file, index=False, lineterminator="\n")
