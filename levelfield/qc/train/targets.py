"""The targets that the verdict is held to, what was measured, and by how much a miss misses."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from levelfield.qc.train.plates import DIFFERING
from levelfield.qc.train.segmentations import KINDS

Figures = Any
"""A DataFrame of figures; its types do not say that its cells are numbers."""
_DISJOINT = tuple(name for name in DIFFERING if not name.endswith("same images"))


@dataclass(frozen=True)
class Target:
    """One target.

    Attributes
    ----------
    target, asked, measured : str
        What is asked, how much of it, and what was measured.
    met : bool
        Whether it is reached.
    missed_by : str
        By how much it is not; empty where it is.
    """

    target: str
    asked: str
    measured: str
    met: bool
    missed_by: str


def _at_least(what: str, value: float, least: float, unit: str, note: str = "") -> Target:
    met = bool(np.isfinite(value) and value >= least)
    missed = "" if met else _amount(least - value, unit)
    return Target(what, f"≥ {_amount(least, unit)}", _amount(value, unit) + note, met, missed)


def _at_most(what: str, value: float, most: float, unit: str, note: str = "") -> Target:
    met = bool(np.isfinite(value) and value <= most)
    missed = "" if met else _amount(value - most, unit)
    return Target(what, f"≤ {_amount(most, unit)}", _amount(value, unit) + note, met, missed)


def _amount(value: float, unit: str) -> str:
    if unit == "%":
        return f"{100 * value:.1f} %"
    return f"{value:.2f} {unit}".strip()


def target_table(tables: Mapping[str, Figures]) -> pd.DataFrame:
    """Hold the tables of `levelfield.qc.train.tables` against the targets.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        By name, without ``qc_``.
    """
    found = [
        *_phenotypes(tables["phenotypes"]),
        *_coverage(tables["coverage"]),
        *_rule(tables["rule"]),
        *_missed(tables["missed"], tables["agreement"]),
        *_planted(tables["planted"], tables["gross"]),
    ]
    return pd.DataFrame([asdict(target) for target in found])


def _phenotypes(table: Figures) -> list[Target]:
    own = table[~table["paired"]].set_index(["phenotype", "kind"])
    every = own.loc[("all but extreme", "all")]
    beyond = table[table["paired"]].set_index(["phenotype", "kind"]).loc[("all but extreme", "all")]
    worst = min(KINDS, key=lambda kind: own.loc[("all but extreme", kind), "answered_split_merge"])
    of_worst = own.loc[("all but extreme", worst), "answered_split_merge"]
    note = f" ({worst}: {100 * of_worst:.0f} %)"
    low, high = beyond["rms_balance_low"], beyond["rms_balance_high"]
    alone = f" ({low:.1f} to {high:.1f}; with that of the halves {every['rms_balance']:.1f})"
    return [
        _at_least(
            "phenotype plates whose splits and merges are answered, not undecided",
            every["answered_split_merge"],
            0.60,
            "%",
            note,
        ),
        _at_most(
            "RMS error of the balance difference by phenotypes, beyond that of the same images "
            "without, strong speckle left out",
            beyond["rms_balance"],
            2.8,
            "pp",
            alone,
        ),
    ]


def _coverage(table: Figures) -> list[Target]:
    own = table[(table["scope"] == "difference") & table["differing"].isin(_DISJOINT)]
    own = own[own["kind"].isin(KINDS)]
    lowest = own.loc[own["coverage"].idxmin()]
    bound = own.loc[own["coverage_low"].idxmin()]

    def where(row: Figures) -> str:
        return f" ({row['measure']}, {row['differing']}, {row['kind']})"

    return [
        _at_least(
            "90 % intervals of differences cover, in every kind of plate and segmenter",
            lowest["coverage"],
            0.88,
            "%",
            where(lowest),
        ),
        _at_least(
            "lower bound of that coverage over groups",
            bound["coverage_low"],
            0.80,
            "%",
            where(bound),
        ),
        _at_least(
            "share of kinds of plates, measures and segmenters covered by 88 %",
            float((own["coverage"] >= 0.88).mean()),
            1.0,
            "%",
        ),
    ]


def _rule(table: Figures) -> list[Target]:
    own = table[(table["scope"] == "difference") & (table["kind"] == "all")]
    alike = own[own["plates"] != "all"].set_index("measure")
    own = own[own["plates"] == "all"].set_index("measure")
    balance = own.loc["balance"]
    found = []
    for name, text, limit in (
        ("false_pass", "passes although the error is beyond the margin", 0.03),
        ("false_fail_at_half", "fails although the error is half the margin", 0.03),
    ):
        note = f" (worst measure: {own[name].idxmax()}, {100 * own[name].max():.1f} %)"
        found.append(_at_most(f"balance {text}", balance[name], limit, "%", note))
    note = (
        f" (where classes look alike {100 * alike.loc['balance', 'fails_at_1.4']:.0f} %, "
        f"splits {100 * alike.loc['splits', 'fails_at_1.4']:.0f} %, "
        f"merges {100 * alike.loc['merges', 'fails_at_1.4']:.0f} %, "
        f"threshold {100 * alike.loc['bias', 'fails_at_1.4']:.0f} %)"
    )
    found.append(
        _at_least("balance fails at 1.4 margins", balance["fails_at_1.4"], 0.90, "%", note)
    )
    least = min(balance["fails_beyond_1.6"] - balance["fails_at_1.4"], 0.0)
    found.append(_at_least("and never less beyond", least, 0.0, "%"))
    return found


def _missed(table: Figures, agreement: Figures) -> list[Target]:
    own = table[table["kind"] == "all"].set_index("case")
    read = agreement[(agreement["measure"] == "missed") & (agreement["kind"] == "all")].iloc[0]
    fewer = own.loc["truly fewer cells, loses less than 2.5 %"]
    whole = f" (the whole question, for what its classes truly miss: {100 * fewer['fails']:.0f} %)"
    return [
        _at_least("missed rate of wells against the truth, r", read["r"], 0.9, ""),
        _at_most("its mean error", read["mean_absolute_error"], 3.0, "pp"),
        _at_least(
            "a class that loses 20 % of its objects fails *found*",
            own.loc["loses 20 % or more", "fails"],
            0.95,
            "%",
        ),
        _at_most(
            "the difference of a class with truly fewer cells fails *found*",
            fewer["difference_fails"],
            0.03,
            "%",
            whole,
        ),
    ]


def _planted(table: Figures, gross: Figures) -> list[Target]:
    cases = gross.set_index("case")
    both = cases.loc["both classes beyond 1.2 margins"]
    cancel = cases.loc["a rate beyond 1.2 margins, the balance within 0.8"]
    return [
        _at_least(
            "planted errors beyond 1.2 margins (18 pp) in both classes fail split_merge",
            both["fails"],
            0.95,
            "%",
            f" ({both['n']:.0f} plates)",
        ),
        _at_least(
            "planted splits and merges that cancel in the balance fail split_merge",
            cancel["fails"],
            0.90,
            "%",
            f" ({cancel['n']:.0f} plates)",
        ),
        _at_most(
            "largest fall of the share that fails from one planted dose to the next",
            _largest_fall(table),
            0.0,
            "%",
        ),
    ]


def _largest_fall(table: Figures) -> float:
    """Return how much the share of fails falls at most as a planted dose grows."""
    falls = [0.0]
    series = table[table["planted"].str.match(r"(splits|merges|drops) [0-9]")]
    for _, own in series.groupby([series["planted"].str.split(" ").str[0], "in", "kind"]):
        dose = own["planted"].str.split(" ").str[-1].astype(float)
        fails = own.assign(dose=dose).sort_values("dose")["fails"].to_numpy()
        falls.append(float(np.max(-np.diff(fails), initial=0.0)))
    return max(falls)
