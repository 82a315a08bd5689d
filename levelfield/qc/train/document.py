"""Write the figures of the tables into the documentation, so that it says these and no others.

    python -m levelfield.qc.train.document --results benchmarks/results docs/qc.md README.md

Between ``<!-- figures: NAME -->`` and ``<!-- end of figures -->`` stands the table NAME of
`PARTS`; all else is left as it is.
"""

import argparse
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from levelfield.qc.train.segmentations import KINDS
from levelfield.qc.train.targets import DISJOINT, Figures
from levelfield.questions import CALIBRATED

Tables = Mapping[str, Figures]
Row = Mapping[str, Any]
Column = Callable[[Row], str]
_WORDS = {"bias": "threshold bias", "cellpose": "Cellpose-like"}
_BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)


def percent(value: float, low: float = np.nan, high: float = np.nan) -> str:
    """Write a share as percent, with its interval in brackets; a dash where there is none."""
    if not np.isfinite(value):
        return "–"
    interval = f" ({100 * low:.0f}–{100 * high:.0f})" if np.isfinite([low, high]).all() else ""
    return f"{100 * value:.0f} %{interval}"


def number(value: float, digits: int = 2) -> str:
    """Write a number; a dash where there is none."""
    return f"{value:.{digits}f}" if np.isfinite(value) else "–"


def markdown(rows: list[dict[str, str]]) -> str:
    """Write rows as a table; a dash for what a row lacks."""
    names = max((list(row) for row in rows), key=len)
    lines = [names, ["---"] * len(names)]
    lines += [[row.get(name, "–") for name in names] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _listed(table: Figures, columns: Mapping[str, Column]) -> str:
    """Write every row of a table, each column as a function writes it."""
    rows = table.to_dict("records")
    return markdown([{name: write(row) for name, write in columns.items()} for row in rows])


def _word(name: str) -> str:
    return _WORDS.get(name, name)


def _plain(name: str) -> Column:
    return lambda row: _word(row[name])


def _share(name: str) -> Column:
    return lambda row: percent(row[name])


def _interval(name: str) -> Column:
    return lambda row: percent(row[name], row[f"{name}_low"], row[f"{name}_high"])


def _number(name: str, digits: int) -> Column:
    return lambda row: number(row[name], digits)


def _count(row: Row) -> str:
    return f"{row['n']:,}"


def agreement(tables: Tables) -> str:
    """Return correlation and mean error per measure and segmenter."""
    table = tables["qc_agreement"].set_index(["measure", "kind"])
    rows = []
    for name in CALIBRATED:
        row = {"measure": _word(name), "unit": table.loc[(name, "all"), "unit"].replace("%", "pp")}
        for kind in (*KINDS, "all"):
            own = table.loc[(name, kind)]
            figures = f"{number(own['r'])} / {number(own['mean_absolute_error'])}"
            row[f"{_word(kind)}: r / mean error"] = figures
        rows.append(row)
    return markdown(rows)


def coverage(tables: Tables) -> str:
    """Return how often intervals of differences cover, by kind of plate, worst segmenter beside."""
    table = tables["qc_coverage"]
    table = table[table["scope"] == "difference"].set_index(["differing", "measure"])
    rows = []
    for differing in DISJOINT:
        row = {"what differs": differing}
        for name in CALIBRATED:
            row[_word(name)] = "–"
            if (differing, name) in table.index:
                own = table.loc[[(differing, name)]].set_index("kind")["coverage"]
                worst = own[own.index.isin(KINDS)].min()
                row[_word(name)] = f"{percent(own['all'])} / {percent(worst)}"
        rows.append(row)
    return markdown(rows)


def rule(tables: Tables) -> str:
    """Return false passes, false fails and power of single rows of all segmenters."""
    table = tables["qc_rule"]
    scopes = {"difference": "difference", "poscon": "class"}
    own = table[(table["kind"] == "all") & table["scope"].isin(scopes)]
    names = (*CALIBRATED, *scopes, *sorted(own["plates"]))
    order = {name: place for place, name in enumerate(names)}
    own = own.sort_values(["measure", "scope", "plates"], key=lambda column: column.map(order))
    columns = {
        "measure": _plain("measure"),
        "row": lambda row: scopes[row["scope"]],
        "plates": _plain("plates"),
        "passes below a fifth of the margin": _interval("passes_below_a_fifth"),
        "passes beyond the margin": _interval("false_pass"),
        "fails at half of it": _interval("false_fail_at_half"),
        "fails at 1.4 of it": _interval("fails_at_1.4"),
        "fails beyond 1.6": _interval("fails_beyond_1.6"),
    }
    return _listed(own, columns)


_OF_PHENOTYPE: dict[str, Column] = {
    "RMS error of the balance (pp)": _number("rms_balance", 1),
    "splits": _number("rms_splits", 1),
    "merges": _number("rms_merges", 1),
    "missed": _number("rms_missed", 1),
    "threshold (px)": _number("rms_bias", 2),
    "interval covers": _share("coverage_balance"),
    "answered: split_merge": _share("answered_split_merge"),
    "threshold": _share("answered_threshold"),
    "found": _share("answered_found"),
    "false pass": _share("false_pass_balance"),
}


def phenotypes(tables: Tables) -> str:
    """Return errors and answers by phenotype, disjoint halves, all segmenters."""
    table = tables["qc_phenotypes"]
    own = table[(table["kind"] == "all") & ~table["paired"]]
    return _listed(
        own, {"phenotype": lambda row: row["phenotype"].replace("_", " ")} | _OF_PHENOTYPE
    )


def segmenters(tables: Tables) -> str:
    """Return the same over all phenotypes but the extreme, by segmenter, disjoint and paired."""

    def name(row: Row) -> str:
        return f"{_word(row['kind'])}, {'the same images' if row['paired'] else 'disjoint halves'}"

    table = tables["qc_phenotypes"]
    own = table[table["phenotype"] == "all but extreme"]
    return _listed(own, {"phenotype": name} | _OF_PHENOTYPE)


def planted(tables: Tables) -> str:
    """Return planted errors: what is read and how often the question fails."""
    rows = []
    for (what, where), own in tables["qc_planted"].groupby(["planted", "in"], sort=False):
        unit = "px" if what.startswith("moved") else "pp"
        row = {"planted": what, "in": where, "measure": _word(own["measure"].iloc[0])}
        for figures in own.to_dict("records"):
            kind = _word(figures["kind"])
            read = f"{figures['truth']:+.1f}, {figures['estimate']:+.1f} {unit}"
            row |= {f"{kind}: true, read": read, f"{kind}: fails": percent(figures["fails"])}
        rows.append(row)
    return markdown(rows)


def ranks(tables: Tables) -> str:
    """Return the mean AUC over groups of each ensemble."""
    table = tables["qc_ranks"]
    own = table[table["variant"] == "all"].pivot_table("mean", "evidence", "kind")
    order = ["merge", "seam", "missed", "invented", "right"]
    columns = {"evidence": _plain("evidence")} | {_word(kind): _number(kind, 3) for kind in KINDS}
    return _listed(own.loc[order].reset_index(), columns)


def headline(tables: Tables) -> str:
    """Return one line per segmenter, over all phenotypes but strong speckle, disjoint halves."""
    table = tables["qc_phenotypes"]
    own = table[(table["phenotype"] == "all but extreme") & ~table["paired"]].set_index("kind")
    read = tables["qc_agreement"].pivot_table("r", "kind", "measure")
    columns = {
        "segmenter": _plain("kind"),
        "balance of wells: r": _number("balance", 2),
        "missed: r": _number("missed", 2),
        "error of the balance difference under phenotypes (pp)": _number("rms_balance", 1),
        "90 % interval covers": _share("coverage_balance"),
        "splits and merges answered": _share("answered_split_merge"),
        "false passes": _share("false_pass_balance"),
    }
    return _listed(own.join(read).loc[list(KINDS)].reset_index(), columns)


def _verdict(row: Row) -> str:
    return "met" if row["met"] else f"**missed by {row['missed_by']}**"


_ROW_BY_ROW: dict[str, dict[str, Column]] = {
    "targets": {name: _plain(name) for name in ("target", "asked", "measured")} | {"": _verdict},
    "missed": {
        "class": _plain("case"),
        "segmenter": _plain("kind"),
        "*found* fails": _interval("fails"),
        "its difference fails": _share("difference_fails"),
        "plates": _count,
    },
    "gross": {
        "planted errors": _plain("case"),
        "*split_merge* fails": _interval("fails"),
        "said to be shared": _share("shared"),
        "said to cancel": _share("cancelling"),
        "plates": _count,
    },
    "range": {
        "images": _plain("change"),
        "segmenter": _plain("kind"),
        "flagged": _share("flagged"),
        "images judged": _count,
    },
}
"""Tables that are written as they are: heading and contents of each column."""


def _row_by_row(name: str, tables: Tables) -> str:
    return _listed(tables[f"qc_{name}"], _ROW_BY_ROW[name])


PARTS: dict[str, Callable[[Tables], str]] = {
    **{name: partial(_row_by_row, name) for name in _ROW_BY_ROW},
    **{
        part.__name__: part
        for part in (headline, agreement, ranks, coverage, rule, phenotypes, segmenters, planted)
    },
}


def fill(text: str, tables: Tables) -> str:
    """Put the figures into a page; KeyError for a name that is not in `PARTS`."""
    return _BLOCK.sub(lambda found: found[1] + PARTS[found[2]](tables) + found[3], text)


def read_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """Read all ``qc_*.csv`` of a folder, by name."""
    return {path.stem: pd.read_csv(path, comment="#") for path in sorted(folder.glob("qc_*.csv"))}


def main() -> None:
    """Fill pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("pages", type=Path, nargs="+")
    chosen = parser.parse_args()
    tables = read_tables(chosen.results)
    for page in chosen.pages:
        page.write_text(fill(page.read_text(), tables))


if __name__ == "__main__":
    main()
