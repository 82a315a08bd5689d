"""What does a review of k objects per class buy? Coverage, false passes and power by simulation.

Simulated classes of 8 or 32 wells with 100 objects each, true balance differences from 0 to 2
margins, and three kinds of evidence: as good as measured (merges ranked with an AUC of about .95),
blind to half of the merges in the positive class only (a phenotype that hides them), and without
any meaning. The draw, the estimator and the rule are those of `levelfield.qc`.

    python benchmarks/qc_review.py [--runs 400]

Writes benchmarks/results/qc_review.csv: a row per kind of evidence, wells, objects, method.
"""

from __future__ import annotations

import argparse
import platform
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from levelfield.qc.review.sampling import RISK_CUTS, allocate, foreseen_variance, risk_strata
from levelfield.qc.review.stratified import stratified_estimate
from levelfield.qc.statistics.estimates import Estimate, difference, equivalence_verdict

RESULTS = Path(__file__).parent / "results"
EVIDENCE = ("as measured", "blind in one class", "meaningless")
MARGINS = (0.05, 0.10)
BINS = ((0.0, 0.5), (0.5, 1.0), (1.0, 1.5), (1.5, 2.0))


class Objects(NamedTuple):
    """One class: what every object adds to the balance, and what the evidence says."""

    truth: NDArray[np.float64]
    evidence: NDArray[np.float64]
    risk: NDArray[np.float64]
    merged: NDArray[np.bool_]


def simulate(
    random: np.random.Generator, n_wells: int, merge_rate: float, kind: str, hidden: float
) -> Objects:
    """Objects of one class; the merge rate scatters between wells."""
    rates = np.clip(merge_rate + 0.02 * random.standard_normal(n_wells), 0, 0.6)
    merged = random.random(100 * n_wells) < np.repeat(rates, 100)
    fragment = ~merged & (random.random(len(merged)) < 0.05)
    lacking = merged * np.where(random.random(len(merged)) < 0.15, 2.0, 1.0)
    seen = merged & (random.random(len(merged)) >= hidden)
    if kind == "meaningless":
        seen, suspect = random.permutation(seen), random.permutation(fragment)
    else:
        suspect = fragment
    merge = _evidence(random, seen)
    seam = _evidence(random, suspect)
    return Objects(
        0.5 * fragment - lacking,
        0.5 * seam - 1.25 * merge,
        np.clip(np.maximum(0.5 * seam, 1.25 * merge), 0, 1),
        merged,
    )


def _evidence(random: np.random.Generator, wrong: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Probabilities that are near 0 for most right and high for most wrong objects."""
    return np.where(wrong, random.beta(1.6, 1.2, len(wrong)), random.beta(0.25, 4.5, len(wrong)))


def stratified(random: np.random.Generator, own: Objects, number: int) -> Estimate:
    """Review some objects as the product does."""
    strata = risk_strata(own.risk)
    members = [np.flatnonzero(strata == stratum) for stratum in range(len(RISK_CUTS) + 1)]
    variances = [foreseen_variance(own.risk[each]) if len(each) else 0.0 for each in members]
    answers = np.full(len(own.truth), np.nan)
    for each, many in zip(
        members, allocate(list(map(len, members)), variances, number), strict=True
    ):
        chosen = random.choice(each, many, replace=False)
        answers[chosen] = own.truth[chosen]
    return stratified_estimate(answers, own.evidence, own.risk)


def plain(random: np.random.Generator, own: Objects, number: int) -> Estimate:
    """Review a simple random sample, and leave the evidence out."""
    answers = np.full(len(own.truth), np.nan)
    chosen = random.choice(len(answers), number, replace=False)
    answers[chosen] = own.truth[chosen]
    nothing = np.zeros(len(answers))
    return stratified_estimate(answers, nothing, nothing)


def study(
    random: np.random.Generator, kind: str, n_wells: int, number: int, margin: float, runs: int
) -> list[dict]:
    """Judge many plates, and count by the size of the true difference."""
    found = {"stratified": [], "plain": []}
    auc = []
    for _ in range(runs):
        true = random.uniform(0, 2) * margin
        hidden = 0.5 if kind == "blind in one class" else 0.0
        negative = simulate(random, n_wells, 0.06, kind, 0.0)
        positive = simulate(random, n_wells, 0.06 + true / 1.15, kind, hidden)
        true = positive.truth.mean() - negative.truth.mean()
        auc.append(_auc(-negative.evidence, negative.merged))
        for method, review in (("stratified", stratified), ("plain", plain)):
            both = difference(review(random, positive, number), review(random, negative, number))
            low, high = both.interval(0.9)
            verdict = equivalence_verdict(both, margin)
            found[method].append(
                (
                    abs(true) / margin,
                    low <= true <= high,
                    both.value - true,
                    (high - low) / 2,
                    verdict == "pass",
                    verdict == "fail",
                )
            )
    head = {
        "evidence": kind,
        "auc": np.mean(auc),
        "n_wells": n_wells,
        "k": number,
        "margin_pp": 100 * margin,
    }
    return [
        head | {"method": name} | _figures(np.array(rows, float)) for name, rows in found.items()
    ]


def _auc(score: NDArray[np.float64], wrong: NDArray[np.bool_]) -> float:
    ranks, number = rankdata(score), wrong.sum()
    return (ranks[wrong].sum() - number * (number + 1) / 2) / (number * (len(wrong) - number))


def _figures(rows: NDArray[np.float64]) -> dict:
    size, covered, error, reach, passed, failed = rows.T
    shares = {
        f"pass_{low:g}_{high:g}": passed[(size >= low) & (size < high)].mean() for low, high in BINS
    }
    return {
        "coverage": covered.mean(),
        "bias_pp": 100 * error.mean(),
        "half_width_pp": 100 * reach.mean(),
        **shares,
        "false_pass": passed[size >= 1].mean(),
        "fail_1.5_2": failed[size >= 1.5].mean(),
    }


def main() -> None:
    """Simulate, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    runs = parser.parse_args().runs
    random, begin = np.random.default_rng(6), time.process_time()
    rows = []
    for kind in EVIDENCE:
        for n_wells in (8, 32):
            for number in (25, 50, 100, 200):
                for margin in MARGINS:
                    rows += study(random, kind, n_wells, number, margin, runs)
    table = pd.DataFrame(rows)
    about = (
        f"{runs} plates a row, {time.process_time() - begin:.0f} s of one thread; "
        f"levelfield {version('levelfield')}, numpy {np.__version__}, "
        f"Python {platform.python_version()}, {platform.machine()}, {date.today()}"
    )
    print(about)
    print(table.round(3).to_string(index=False))
    with (RESULTS / "qc_review.csv").open("w") as file:
        file.write(f"# {about}\n")
        table.round(4).to_csv(file, index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
