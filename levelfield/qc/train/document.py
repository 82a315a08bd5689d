"""Write the figures of the tables into the documentation, so that it says these and no others.

    python -m levelfield.qc.train.document --results benchmarks/results docs/qc.md README.md

Between ``<!-- figures: NAME -->`` and ``<!-- end of figures -->`` stands the table NAME of
`PARTS`; all else is left as it is.
"""

import argparse
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from levelfield.qc.measures import MEASURES
from levelfield.qc.train.plates import DIFFERING
from levelfield.qc.train.segmentations import KINDS
from levelfield.qc.train.targets import Figures

Tables = Mapping[str, Figures]
NAMES = {"classical": "classical", "network": "network", "cellpose": "Cellpose-like", "all": "all"}
WORDS = {
    "agreement": "agreement",
    "missed": "missed",
    "invented": "invented",
    "bias": "threshold bias",
    "balance": "balance",
    "splits": "splits",
    "merges": "merges",
}
DISJOINT = [name for name in DIFFERING if not name.endswith("same images")]
_BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)


def percent(value: float, low: float | None = None, high: float | None = None) -> str:
    """Write a share as percent, with its interval in brackets."""
    if not np.isfinite(value):
        return "–"
    text = f"{100 * value:.0f} %"
    if low is None or high is None or not np.isfinite([low, high]).all():
        return text
    return f"{text} ({100 * low:.0f}–{100 * high:.0f})"


def number(value: float, digits: int = 2) -> str:
    """Write a number; a dash where there is none."""
    return f"{value:.{digits}f}" if np.isfinite(value) else "–"


def markdown(rows: list[dict[str, str]]) -> str:
    """Write rows with the same keys as a table."""
    names = list(rows[0])
    lines = [names, ["---"] * len(names), *([row[name] for name in names] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


Column = Callable[[Mapping[str, Any]], str]


def _listed(table: Figures, columns: Mapping[str, Column]) -> str:
    """Write every row of a table, each column as a function writes it."""
    rows: list[dict[str, Any]] = table.to_dict("records")
    return markdown([{name: write(row) for name, write in columns.items()} for row in rows])


def _plain(name: str) -> Column:
    return lambda row: row[name]


def _share(name: str) -> Column:
    return lambda row: percent(row[name])


def _segmenter(row: Mapping[str, Any]) -> str:
    return NAMES.get(row["kind"], row["kind"])


def _fails(row: Mapping[str, Any]) -> str:
    return percent(row["fails"], row["fails_low"], row["fails_high"])


def _count(row: Mapping[str, Any]) -> str:
    return f"{row['n']:,}"


def agreement(tables: Tables) -> str:
    """Return correlation and mean error per measure and segmenter."""
    table = tables["qc_agreement"].set_index(["measure", "kind"])
    rows = []
    for name in MEASURES:
        unit = table.loc[(name, "all"), "unit"].replace("%", "pp")
        row = {"measure": WORDS[name], "unit": unit}
        for kind in (*KINDS, "all"):
            own = table.loc[(name, kind)]
            row[f"{NAMES[kind]}: r / mean error"] = (
                f"{number(own['r'])} / {number(own['mean_absolute_error'])}"
            )
        rows.append(row)
    return markdown(rows)


def coverage(tables: Tables) -> str:
    """Return how often intervals of differences cover, by kind of plate, worst segmenter beside."""
    table = tables["qc_coverage"]
    table = table[table["scope"] == "difference"]
    rows = []
    for differing in DISJOINT:
        own = table[table["differing"] == differing]
        row = {"what differs": differing}
        for name in MEASURES:
            mine = own[own["measure"] == name].set_index("kind")
            if "all" not in mine.index:
                row[WORDS[name]] = "–"
                continue
            worst = mine.loc[[kind for kind in KINDS if kind in mine.index], "coverage"].min()
            row[WORDS[name]] = f"{percent(mine.loc['all', 'coverage'])} / {percent(worst)}"
        rows.append(row)
    return markdown(rows)


def rule(tables: Tables) -> str:
    """Return false passes, false fails and power of single rows of all segmenters."""
    table = tables["qc_rule"]
    table = table[table["kind"] == "all"].sort_values("plates")
    figures = {
        "passes_below_a_fifth": "passes below a fifth of the margin",
        "false_pass": "passes beyond the margin",
        "false_fail_at_half": "fails at half of it",
        "fails_at_1.4": "fails at 1.4 of it",
        "fails_beyond_1.6": "fails beyond 1.6",
    }
    rows = []
    for name in MEASURES:
        for scope, word in (("difference", "difference"), ("poscon", "class")):
            own = table[(table["measure"] == name) & (table["scope"] == scope)]
            for row in own.to_dict("records"):
                shares = {
                    text: percent(row[key], row[f"{key}_low"], row[f"{key}_high"])
                    for key, text in figures.items()
                }
                rows.append({"measure": WORDS[name], "row": word, "plates": row["plates"]} | shares)
    return markdown(rows)


def phenotypes(tables: Tables) -> str:
    """Return errors and answers by phenotype, disjoint halves, all segmenters."""
    table = tables["qc_phenotypes"]
    own = table[(table["kind"] == "all") & ~table["paired"]]
    return markdown([_phenotype_row(row, row["phenotype"]) for row in own.to_dict("records")])


def segmenters(tables: Tables) -> str:
    """Return the same over all phenotypes but the extreme, by segmenter, disjoint and paired."""
    table = tables["qc_phenotypes"]
    own = table[table["phenotype"] == "all but extreme"]
    rows = []
    for row in own.to_dict("records"):
        classes = "the same images" if row["paired"] else "disjoint halves"
        rows.append(_phenotype_row(row, f"{NAMES[row['kind']]}, {classes}"))
    return markdown(rows)


def _phenotype_row(row: Mapping[str, Any], name: str) -> dict[str, str]:
    return {
        "phenotype": name.replace("_", " "),
        "RMS error of the balance (pp)": number(row["rms_balance"], 1),
        "splits": number(row["rms_splits"], 1),
        "merges": number(row["rms_merges"], 1),
        "missed": number(row["rms_missed"], 1),
        "threshold (px)": number(row["rms_bias"]),
        "interval covers": percent(row["coverage_balance"]),
        "answered: split_merge": percent(row["answered_split_merge"]),
        "threshold": percent(row["answered_threshold"]),
        "found": percent(row["answered_found"]),
        "false pass": percent(row["false_pass_balance"]),
    }


def planted(tables: Tables) -> str:
    """Return planted errors: what is read and how often the question fails."""
    table = tables["qc_planted"]
    rows = []
    for (what, where), own in table.groupby(["planted", "in"], sort=False):
        mine = own.set_index("kind")
        unit = "px" if what.startswith("moved") else "pp"
        first = mine.iloc[0]
        row = {"planted": what, "in": where, "measure": WORDS[first["measure"]]}
        for kind in mine.index:
            figures = mine.loc[kind]
            row[f"{NAMES[kind]}: true, read"] = (
                f"{figures['truth']:+.1f}, {figures['estimate']:+.1f} {unit}"
            )
            row[f"{NAMES[kind]}: fails"] = percent(figures["fails"])
        rows.append(row)
    names = max((list(row) for row in rows), key=len)
    return markdown([{name: row.get(name, "–") for name in names} for row in rows])


def missed(tables: Tables) -> str:
    """Return what *found* says of classes that lose objects, and of those that have fewer."""
    columns = {
        "class": _plain("case"),
        "segmenter": _segmenter,
        "*found* fails": _fails,
        "its difference fails": _share("difference_fails"),
        "plates": _count,
    }
    return _listed(tables["qc_missed"], columns)


def gross(tables: Tables) -> str:
    """Return how often errors in both classes, and errors that cancel, fail."""
    columns = {
        "planted errors": _plain("case"),
        "*split_merge* fails": _fails,
        "said to be shared": _share("shared"),
        "said to cancel": _share("cancelling"),
        "plates": _count,
    }
    return _listed(tables["qc_gross"], columns)


def ranks(tables: Tables) -> str:
    """Return the mean AUC over groups of each ensemble."""
    table = tables["qc_ranks"]
    own = table[table["variant"] == "all"].pivot_table(
        index="evidence", columns="kind", values="mean"
    )
    order = ("merge", "seam", "missed", "invented", "right")
    return markdown(
        [
            {"evidence": name} | {NAMES[kind]: number(own.loc[name, kind], 3) for kind in KINDS}
            for name in order
        ]
    )


def out_of_distribution(tables: Tables) -> str:
    """Return how many images are recognised as out of distribution."""
    columns = {
        "images": _plain("change"),
        "segmenter": _segmenter,
        "flagged": _share("flagged"),
        "images judged": _count,
    }
    return _listed(tables["qc_range"], columns)


def targets(tables: Tables) -> str:
    """Return the targets, what was measured, and by how much a missed one is missed."""
    columns = {name: _plain(name) for name in ("target", "asked", "measured")}
    columns[""] = lambda row: "met" if row["met"] else f"**missed by {row['missed_by']}**"
    return _listed(tables["qc_targets"], columns)


def headline(tables: Tables) -> str:
    """Return one line per segmenter, over all phenotypes but strong speckle, disjoint halves."""
    table = tables["qc_phenotypes"]
    table = table[(table["phenotype"] == "all but extreme") & ~table["paired"]]
    table = table.set_index("kind")
    agreement_of = tables["qc_agreement"].set_index(["measure", "kind"])
    rows = []
    for kind in KINDS:
        own = table.loc[kind]
        rows.append(
            {
                "segmenter": NAMES[kind],
                "balance of wells: r": number(agreement_of.loc[("balance", kind), "r"]),
                "missed: r": number(agreement_of.loc[("missed", kind), "r"]),
                "error of the balance difference under phenotypes (pp)": number(
                    own["rms_balance"], 1
                ),
                "90 % interval covers": percent(own["coverage_balance"]),
                "splits and merges answered": percent(own["answered_split_merge"]),
                "false passes": percent(own["false_pass_balance"]),
            }
        )
    return markdown(rows)


PARTS: dict[str, Callable[[Tables], str]] = {
    "headline": headline,
    "targets": targets,
    "agreement": agreement,
    "ranks": ranks,
    "coverage": coverage,
    "rule": rule,
    "phenotypes": phenotypes,
    "segmenters": segmenters,
    "planted": planted,
    "missed": missed,
    "gross": gross,
    "outside": out_of_distribution,
}


def fill(text: str, tables: Tables) -> str:
    """Put the figures into a page.

    Raises
    ------
    KeyError
        For a name that is not in `PARTS`.
    """
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
