"""Does the rule keep its promises? Coverage, passes, failures and power by simulation.

Wells with 200 objects on average, 5 % of them split and 5 % merged, rates scattering by 3 pp
between wells. The evidence errs by the same amount in all wells of a class or difference; how
large that error is was learned on 13 groups of images, so it is itself known from 12 degrees of
freedom. *One row* is a difference held against 10 pp. *Family* is the question for splits and
merges: balance, splits and merges of two classes (margin 15 pp) and their difference (10 pp), raw
and density-matched, 18 estimates that share their wells. The error, in sizes of the margin, is one
of merges in the positive class. The functions are those of `levelfield.qc.statistics`.

    python benchmarks/qc_statistics.py [--runs 300]

Writes benchmarks/results/qc_statistics.csv: a row per study, number of wells, error and figure.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from simulated_tables import write_table

from levelfield.qc.statistics.decision import Bound, bound_of, decide
from levelfield.qc.statistics.estimates import (
    FAIL_LEVEL,
    PASS_LEVEL,
    Estimate,
    difference,
    ratio_estimate,
)
from levelfield.qc.statistics.family import failure_level
from levelfield.questions import MEASURES, SPLIT_MERGE, measures_of

WELLS = (2, 4, 8, 16, 32)
SIZES = (0.0, 0.5, 1.0, 1.4, 2.0)
"""True errors over the margin."""
SIGMAS = (0.01, 0.025, 0.05)
"""The evidence's own error, one standard deviation."""
GROUPS_FREEDOM = 12
OF_VALUE = 0.15
"""What that error grows by per size of the true value."""
MARGINS = {"negcon": 0.15, "poscon": 0.15, "difference": 0.10}
RATE, SPREAD, MATCHED_SPREAD = 0.05, 0.03, 0.01


class Judged(NamedTuple):
    """An estimate with the one that it would be without a true error, its margin and its truth."""

    estimate: Estimate
    without_error: Estimate
    bound: Bound
    truth: float


def class_counts(
    random: np.random.Generator, n_wells: int, rate: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Wrong objects and all objects of every well; rates scatter between wells."""
    objects = random.poisson(180, n_wells) + 20
    rates = np.clip(rate + SPREAD * random.standard_normal(n_wells), 0, 1)
    return random.binomial(objects, rates), objects


def mean_rate(rate: float) -> float:
    """Return the mean of the rates of all wells: those below 0 were cut to 0."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    return float(np.sum(weights * np.clip(rate + SPREAD * nodes, 0, 1)) / weights.sum())


def with_own_error(
    random: np.random.Generator, found: Estimate, truth: float, sigma: float, drawn: float
) -> tuple[Estimate, Estimate]:
    """Add the evidence's own error: the estimate, and what it would be without a true error.

    Parameters
    ----------
    random : Generator
        For how well the size of the error is known.
    found : Estimate
        From wells that err by chance alone.
    truth, sigma : float
        True value, and the error's standard deviation where that is 0.
    drawn : float
        The error, in standard deviations.
    """
    known = np.sqrt(random.chisquare(GROUPS_FREEDOM) / GROUPS_FREEDOM)
    value = found.value + drawn * np.hypot(sigma, OF_VALUE * truth)
    now, null = (
        replace(
            found,
            value=value,
            systematic_variance=known**2 * (sigma**2 + (OF_VALUE * size) ** 2),
            systematic_degrees_of_freedom=GROUPS_FREEDOM,
        )
        for size in (value, 0.0)
    )
    return now, null


def covers(estimate: Estimate, truth: float) -> bool:
    """Whether the 90 % interval holds the truth."""
    low, high = estimate.interval(PASS_LEVEL)
    return low <= truth <= high


# ------------------------------------------------------------------ one row


def one_row(random: np.random.Generator, runs: int) -> Iterator[dict]:
    """Judge a single difference, over wells, true errors and errors of the evidence."""
    margin = MARGINS["difference"]
    for n_wells in WELLS:
        for sigma in SIGMAS:
            for size in SIZES:
                cells = [_difference(random, n_wells, size * margin, sigma) for _ in range(runs)]
                head = {"study": "one row", "n_wells": n_wells, "sigma_pp": 100 * sigma}
                head["true_over_margin"] = size
                verdicts = [
                    decide(cell.estimate, cell.bound, without_error=cell.without_error)
                    for cell in cells
                ]
                yield from _figures(
                    head,
                    {
                        "coverage": [covers(cell.estimate, cell.truth) for cell in cells],
                        "coverage_sampling_only": [
                            covers(replace(cell.estimate, systematic_variance=0.0), cell.truth)
                            for cell in cells
                        ],
                        "pass": [verdict == "pass" for verdict in verdicts],
                        "fail": [verdict == "fail" for verdict in verdicts],
                    },
                )


def _difference(random: np.random.Generator, n_wells: int, shift: float, sigma: float) -> Judged:
    truth = mean_rate(RATE + shift) - mean_rate(RATE)
    read = difference(
        ratio_estimate(*class_counts(random, n_wells, RATE + shift)),
        ratio_estimate(*class_counts(random, n_wells, RATE)),
    )
    own = with_own_error(random, read, truth, sigma, random.standard_normal())
    return Judged(*own, Bound(MARGINS["difference"]), truth)


# ------------------------------------------------------------------ a family of rows


def family(random: np.random.Generator, runs: int) -> Iterator[dict]:
    """Judge the whole question, with and without raising the level for many rows."""
    sigma = SIGMAS[1]
    for n_wells in WELLS:
        for size in SIZES:
            found = [_question(random, n_wells, size, sigma) for _ in range(runs)]
            head = {"study": "family", "n_wells": n_wells, "sigma_pp": 100 * sigma}
            names = ("coverage", "level", "fail", "fail_uncorrected", "pass")
            figures = dict(zip(names, zip(*found, strict=True), strict=True))
            yield from _figures(head | {"true_over_margin": size}, figures)


def _question(
    random: np.random.Generator, n_wells: int, size: float, sigma: float
) -> tuple[float, float, bool, bool, bool]:
    """Coverage, level, failure with and without correction, and pass of one simulated plate."""
    rows = list(_rows(random, n_wells, size * MARGINS["difference"], sigma))
    level = failure_level(
        [row.bound.limit for row in rows],
        [row.without_error.standard_error for row in rows],
        [row.without_error.all_degrees_of_freedom for row in rows],
    )
    whole, plain = (
        [decide(row.estimate, row.bound, without_error=row.without_error, level=z) for row in rows]
        for z in (level, FAIL_LEVEL)
    )
    covered = float(np.mean([covers(row.estimate, row.truth) for row in rows]))
    return covered, level, "fail" in whole, "fail" in plain, set(whole) == {"pass"}


def _rows(
    random: np.random.Generator, n_wells: int, shift: float, sigma: float
) -> Iterator[Judged]:
    """Give all rows of the question: three measures, three scopes, raw and density-matched."""
    rates = {"negcon": (RATE, RATE), "poscon": (RATE, RATE + shift)}
    counts, truths = {}, {}
    for scope, (splits, merges) in rates.items():
        split, objects = class_counts(random, n_wells, splits)
        merged = random.binomial(
            objects, np.clip(merges + SPREAD * random.standard_normal(n_wells), 0, 1)
        )
        counts[scope] = {"splits": split, "merges": merged, "balance": split - merged}, objects
        truths[scope] = {"splits": mean_rate(splits), "merges": mean_rate(merges)}
        truths[scope]["balance"] = truths[scope]["splits"] - truths[scope]["merges"]
    for measure in measures_of(SPLIT_MERGE):
        drawn = dict(zip(MARGINS, random.standard_normal(3), strict=True))
        for moved in (0.0, MATCHED_SPREAD):  # density-matched: the same wells, weighted otherwise
            found, truth = {}, {}
            for scope, (tops, objects) in counts.items():
                change = moved * objects * random.standard_normal(n_wells)
                found[scope] = ratio_estimate(tops[measure.name] + change, objects)
                truth[scope] = truths[scope][measure.name]
            found["difference"] = difference(found["poscon"], found["negcon"])
            truth["difference"] = truth["poscon"] - truth["negcon"]
            for scope, margin in MARGINS.items():
                own = with_own_error(random, found[scope], truth[scope], sigma, drawn[scope])
                yield Judged(*own, bound_of(MEASURES[measure.name], scope, margin), truth[scope])


def _figures(head: dict, figures: dict) -> Iterator[dict]:
    for name, values in figures.items():
        yield head | {"figure": name, "value": float(np.mean(values))}


def main() -> None:
    """Simulate, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    runs = parser.parse_args().runs
    random, begin = np.random.default_rng(6), time.process_time()
    table = pd.DataFrame([*one_row(random, runs), *family(random, runs)])
    keys = ["study", "figure", "sigma_pp", "n_wells"]
    wide = table.pivot_table("value", keys, "true_over_margin", sort=False)
    write_table(
        "qc_statistics",
        table,
        f"{runs} runs a row, {time.process_time() - begin:.0f} s of one thread",
        wide,
    )


if __name__ == "__main__":
    main()
