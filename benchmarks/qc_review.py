"""What does a review of k objects per class buy? Coverage, false passes and power by simulation.

Simulated classes of 2, 4, 8 or 32 wells that differ by 3 pp, with 800 objects in all (3,200 in 32
wells), true balance differences from 0 to 2 margins, and three kinds of evidence: as good as
measured (merges ranked with an AUC of about .95), blind to half of the merges in the positive class
only (a phenotype that hides them), and without any meaning. Some objects are invented, some
outlines off. The draw, the estimator and the rule are those of `levelfield.qc`; *balance only*
draws by what an object may change of the balance alone, *plain* by chance and without evidence.

    python benchmarks/qc_review.py [--runs 400]

Writes benchmarks/results/qc_review.csv: a row per kind of evidence, wells, objects, margin, method.
"""

import argparse
import platform
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from levelfield.qc.review.sampling import (
    RISK_CUTS,
    allocate,
    foreseen_variance,
    object_risk,
    risk_strata,
)
from levelfield.qc.review.stratified import Reviewed, objects_sample, stratified_mean
from levelfield.qc.statistics.decision import bound_of, decide
from levelfield.qc.statistics.estimates import Estimate, difference
from levelfield.questions import MEASURES

RESULTS = Path(__file__).parent / "results"
EVIDENCE = ("as measured", "blind in one class", "meaningless")
MARGINS = (0.05, 0.10)
BINS = ((0.0, 0.5), (0.5, 1.0), (1.0, 1.5), (1.5, 2.0))
SCATTER = 0.03
MEASURED = ("balance", "agreement", "invented")


class Objects(NamedTuple):
    """One class: what every object adds to the balance, and what the evidence says."""

    truth: NDArray[np.float64]
    evidence: NDArray[np.float64]
    risk: NDArray[np.float64]
    merged: NDArray[np.bool_]


class Class(NamedTuple):
    """One class with the truth and the evidence of several measures, and what wells show at large.

    ``truth`` and ``evidence`` are by measure, ``control`` is the true balance of the control.
    """

    truth: dict[str, NDArray[np.float64]]
    evidence: dict[str, NDArray[np.float64]]
    risks: dict[str, NDArray[np.float64]]
    merged: NDArray[np.bool_]
    wells: NDArray[np.object_]
    control: float


def simulate(
    random: np.random.Generator, n_wells: int, merge_rate: float, kind: str, hidden: float
) -> Class:
    """Objects of one class; the merge rate scatters between wells."""
    wells = np.repeat(np.arange(n_wells), max(100, 800 // n_wells))
    size = len(wells)
    rates = merge_rate + SCATTER * random.standard_normal(n_wells)
    merged = random.random(size) < rates[wells]
    fragment = ~merged & (random.random(size) < 0.05)
    invented = ~merged & ~fragment & (random.random(size) < 0.03)
    off = random.random(size) < 0.1
    lacking = merged * np.where(random.random(size) < 0.15, 2.0, 1.0)
    suspects = [merged & (random.random(size) >= hidden), fragment, invented]
    if kind == "meaningless":
        suspects = [random.permutation(each) for each in suspects]
    merge, seam, empty = (_evidence(random, each) for each in suspects)
    right = (1 - merge) * (1 - seam) * (1 - empty) * ~(off ^ (random.random(size) < 0.05))
    objects = pd.DataFrame(
        {
            "merge_evidence": merge,
            "fragment_evidence": seam,
            "invented_evidence": empty,
            "right_evidence": right,
        }
    )
    balance_only = objects.assign(invented_evidence=0.0, right_evidence=1.0)
    return Class(
        {
            "balance": 0.5 * fragment - lacking,
            "agreement": 1.0 * ~(merged | fragment | invented | off),
            "invented": 1.0 * invented,
        },
        {"balance": 0.5 * seam - 1.25 * merge, "agreement": right, "invented": empty},
        {
            "stratified": object_risk(objects),
            "balance only": object_risk(balance_only),
            "plain": np.zeros(size),
        },
        merged,
        wells.astype(str).astype(object),
        # A negative rate makes no merge: what the clipping adds is part of the control.
        _balance_of_control(merge_rate),
    )


def _balance_of_control(merge_rate: float) -> float:
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    rates = np.clip(merge_rate + SCATTER * nodes, 0, 1)
    return float(np.sum(weights * (0.5 * 0.05 * (1 - rates) - 1.15 * rates)) / weights.sum())


def _evidence(random: np.random.Generator, wrong: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Probabilities that are near 0 for most right and high for most wrong objects."""
    return np.where(wrong, random.beta(1.6, 1.2, len(wrong)), random.beta(0.25, 4.5, len(wrong)))


def draw(random: np.random.Generator, risk: NDArray[np.float64], number: int) -> NDArray[np.bool_]:
    """Draw objects as the product does."""
    strata = risk_strata(risk)
    members = [np.flatnonzero(strata == stratum) for stratum in range(len(RISK_CUTS) + 1)]
    variances = [foreseen_variance(risk[each]) if len(each) else 0.0 for each in members]
    chosen = np.zeros(len(risk), bool)
    numbers = allocate(list(map(len, members)), variances, number)
    for each, many in zip(members, numbers, strict=True):
        chosen[random.choice(each, many, replace=False)] = True
    return chosen


def stratified(random: np.random.Generator, own: Objects, number: int) -> Estimate:
    """Review some objects as the product does; about these objects."""
    seen = draw(random, own.risk, number)
    answers = np.where(seen, own.truth, np.nan)
    strata, wells = risk_strata(own.risk), np.zeros(len(seen), int).astype(str)
    return stratified_mean(objects_sample(answers, own.evidence, strata, wells)).these_wells()


def review(
    random: np.random.Generator, own: Class, method: str, number: int
) -> dict[str, Reviewed]:
    """Review some objects of a class for every measure."""
    risk = own.risks[method]
    seen, strata = draw(random, risk, number), risk_strata(risk)
    found = {}
    for name in MEASURED:
        evidence = np.zeros(len(seen)) if method == "plain" else own.evidence[name]
        answers = np.where(seen, own.truth[name], np.nan)
        found[name] = stratified_mean(objects_sample(answers, evidence, strata, own.wells))
    return found


def study(
    random: np.random.Generator, kind: str, n_wells: int, number: int, margin: float, runs: int
) -> list[dict]:
    """Judge many plates, and count by the size of the true difference."""
    found: dict[str, list[tuple]] = {"stratified": [], "balance only": [], "plain": []}
    auc = []
    bound = bound_of(MEASURES["balance"], "difference", margin)
    for _ in range(runs):
        true = random.uniform(0, 2) * margin
        hidden = 0.5 if kind == "blind in one class" else 0.0
        negative = simulate(random, n_wells, 0.06, kind, 0.0)
        positive = simulate(random, n_wells, 0.06 + true / 1.15, kind, hidden)
        auc.append(_auc(-negative.evidence["balance"], negative.merged))
        of_wells = positive.truth["balance"].mean() - negative.truth["balance"].mean()
        of_control = positive.control - negative.control
        for method, rows in found.items():
            sides = [review(random, each, method, number) for each in (positive, negative)]
            control = _both(sides, "balance", Reviewed.this_control)
            wells = _both(sides, "balance", Reviewed.these_wells)
            verdict = decide(control, bound)
            rows.append(
                (
                    abs(of_control) / margin,
                    _covers(control, of_control),
                    _covers(wells, of_wells),
                    control.value - of_control,
                    control.reach(0.9),
                    *(_both(sides, name, Reviewed.these_wells).reach(0.9) for name in MEASURED),
                    verdict == "pass",
                    verdict == "fail",
                )
            )
    head = {
        "evidence": kind,
        "auc": np.nanmean(auc),
        "n_wells": n_wells,
        "k": number,
        "margin_pp": 100 * margin,
    }
    return [
        head | {"method": name} | _figures(np.array(rows, float)) for name, rows in found.items()
    ]


def _both(
    sides: list[dict[str, Reviewed]], measure: str, target: Callable[[Reviewed], Estimate]
) -> Estimate:
    return difference(*(target(each[measure]) for each in sides))


def _covers(estimate: Estimate, true: float) -> bool:
    low, high = estimate.interval(0.9)
    return low <= true <= high


def _auc(score: NDArray[np.float64], wrong: NDArray[np.bool_]) -> float:
    ranks, number = rankdata(score), wrong.sum()
    return (ranks[wrong].sum() - number * (number + 1) / 2) / (number * (len(wrong) - number))


def _figures(rows: NDArray[np.float64]) -> dict:
    size, control, wells, error, reach, *reaches, passed, failed = rows.T
    shares = {
        f"pass_{low:g}_{high:g}": passed[(size >= low) & (size < high)].mean() for low, high in BINS
    }
    return {
        "coverage_control": control.mean(),
        "coverage_wells": wells.mean(),
        "bias_pp": 100 * error.mean(),
        "half_width_pp": 100 * np.median(reach),
        **{
            f"half_width_{name}_wells_pp": 100 * np.median(each)
            for name, each in zip(MEASURED, reaches, strict=True)
        },
        **shares,
        "false_pass": passed[size >= 1].mean(),
        "false_fail_half": failed[size <= 0.5].mean(),
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
        for n_wells in (2, 4, 8, 32):
            for number in (50, 100, 200):
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
