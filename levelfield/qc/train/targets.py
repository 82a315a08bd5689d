"""The targets that the verdict is held to, what was measured, and by how much a miss misses."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from levelfield.qc.train.plates import DIFFERING
from levelfield.qc.train.segmentations import KINDS

Figures = Any
"""A DataFrame of figures; its types do not say that its cells are numbers."""
DISJOINT = tuple(name for name in DIFFERING if not name.endswith("same images"))
"""What differs between classes that are made of different images."""


def target_table(tables: Mapping[str, Figures]) -> pd.DataFrame:
    """Hold the tables of `levelfield.qc.train.tables`, by name, against the targets.

    ``target, asked, measured``: what is asked, how much of it, and what was measured; ``met``, and
    ``missed_by``: by how much it is not, empty where it is.
    """
    found = [
        *_phenotypes(tables["phenotypes"]),
        *_coverage(tables["coverage"]),
        *_rule(tables["rule"]),
        *_missed(tables["missed"], tables["agreement"]),
        *_planted(tables["planted"], tables["gross"]),
    ]
    return pd.DataFrame(found)


def _held(
    what: str, sign: str, value: float, limit: float, unit: str = "%", note: str = ""
) -> dict[str, Any]:
    lacking = limit - value if sign == "≥" else value - limit
    met = bool(np.isfinite(value) and lacking <= 0)
    return {
        "target": what,
        "asked": f"{sign} {_amount(limit, unit)}",
        "measured": _amount(value, unit) + note,
        "met": met,
        "missed_by": "" if met else _amount(lacking, unit),
    }


def _amount(value: float, unit: str) -> str:
    return f"{100 * value:.1f} %" if unit == "%" else f"{value:.2f} {unit}".strip()


def _phenotypes(table: Figures) -> Iterator[dict[str, Any]]:
    usual = table[table["phenotype"] == "all but extreme"]
    halves = usual[~usual["paired"]].set_index("kind")
    same_images = usual[usual["paired"]].set_index("kind").loc["all"]
    answered = halves["answered_split_merge"]
    worst = answered[list(KINDS)].idxmin()
    what = "phenotype plates whose splits and merges are answered, not undecided"
    note = f" ({worst}: {100 * answered[worst]:.0f} %)"
    yield _held(what, "≥", answered["all"], 0.60, note=note)
    what = "RMS error of the balance difference by phenotypes, beyond that of the same images "
    what += "without, strong speckle left out"
    low, high = same_images["rms_balance_low"], same_images["rms_balance_high"]
    all_halves = halves.loc["all", "rms_balance"]
    note = f" ({low:.1f} to {high:.1f}; with that of the halves {all_halves:.1f})"
    yield _held(what, "≤", same_images["rms_balance"], 2.8, "pp", note)


def _coverage(table: Figures) -> Iterator[dict[str, Any]]:
    own = table[(table["scope"] == "difference") & table["differing"].isin(DISJOINT)]
    own = own[own["kind"].isin(KINDS)]
    every = "90 % intervals of differences cover, in every kind of plate and segmenter"
    for what, column, least in (
        (every, "coverage", 0.88),
        ("lower bound of that coverage over groups", "coverage_low", 0.80),
    ):
        row = own.loc[own[column].idxmin()]
        note = f" ({row['measure']}, {row['differing']}, {row['kind']})"
        yield _held(what, "≥", row[column], least, note=note)
    what = "share of kinds of plates, measures and segmenters covered by 88 %"
    yield _held(what, "≥", float((own["coverage"] >= 0.88).mean()), 1.0)


def _rule(table: Figures) -> Iterator[dict[str, Any]]:
    own = table[(table["scope"] == "difference") & (table["kind"] == "all")]
    alike = own[own["plates"] != "all"].set_index("measure")["fails_at_1.4"]
    own = own[own["plates"] == "all"].set_index("measure")
    balance = own.loc["balance"]
    for name, text in (
        ("false_pass", "passes although the error is beyond the margin"),
        ("false_fail_at_half", "fails although the error is half the margin"),
    ):
        note = f" (worst measure: {own[name].idxmax()}, {100 * own[name].max():.1f} %)"
        yield _held(f"balance {text}", "≤", balance[name], 0.03, note=note)
    names = {"balance": "where classes look alike", "bias": "threshold"}
    shares = [
        f"{names.get(measure, measure)} {100 * alike[measure]:.0f} %"
        for measure in ("balance", "splits", "merges", "bias")
    ]
    note = f" ({', '.join(shares)})"
    yield _held("balance fails at 1.4 margins", "≥", balance["fails_at_1.4"], 0.90, note=note)
    least = min(balance["fails_beyond_1.6"] - balance["fails_at_1.4"], 0.0)
    yield _held("and never less beyond", "≥", least, 0.0)


def _missed(table: Figures, agreement: Figures) -> Iterator[dict[str, Any]]:
    own = table[table["kind"] == "all"].set_index("case")
    read = agreement[(agreement["measure"] == "missed") & (agreement["kind"] == "all")].iloc[0]
    yield _held("missed rate of wells against the truth, r", "≥", read["r"], 0.9, "")
    yield _held("its mean error", "≤", read["mean_absolute_error"], 3.0, "pp")
    what = "a class that loses 20 % of its objects fails *found*"
    yield _held(what, "≥", own.loc["loses 20 % or more", "fails"], 0.95)
    what = "the difference of a class with truly fewer cells fails *found*"
    fewer = own.loc["truly fewer cells, loses less than 2.5 %"]
    note = f" (the whole question, for what its classes truly miss: {100 * fewer['fails']:.0f} %)"
    yield _held(what, "≤", fewer["difference_fails"], 0.03, note=note)


def _planted(table: Figures, gross: Figures) -> Iterator[dict[str, Any]]:
    cases = gross.set_index("case")
    both = cases.loc["both classes beyond 1.2 margins"]
    what = "planted errors beyond 1.2 margins (18 pp) in both classes fail split_merge"
    yield _held(what, "≥", both["fails"], 0.95, note=f" ({both['n']:.0f} plates)")
    cancel = cases.loc["a rate beyond 1.2 margins, the balance within 0.8"]
    what = "planted splits and merges that cancel in the balance fail split_merge"
    yield _held(what, "≥", cancel["fails"], 0.90, note=f" ({cancel['n']:.0f} plates)")
    what = "largest fall of the share that fails from one planted dose to the next"
    yield _held(what, "≤", _largest_fall(table), 0.0)


def _largest_fall(table: Figures) -> float:
    """Return how much the share of fails falls at most as a planted dose grows."""
    falls = [0.0]
    series = table[table["planted"].str.match(r"(splits|merges|drops) [0-9]")]
    for _, own in series.groupby([series["planted"].str.split(" ").str[0], "in", "kind"]):
        dose = own["planted"].str.split(" ").str[-1].astype(float)
        fails = own.assign(dose=dose).sort_values("dose")["fails"].to_numpy()
        falls.append(float(np.max(-np.diff(fails), initial=0.0)))
    return max(falls)
