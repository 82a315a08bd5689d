"""Does the rule keep its promises? Coverage, false passes, false failures and power by simulation.

Wells with 200 objects on average, whose balance scatters by 3 pp around that of their class; an
estimator that reads 1/1.13 of a difference and errs by 2.7 pp in every plate (QC.md's constants).
The functions are those of `levelfield.qc.statistics.estimates`.

    python benchmarks/qc_statistics.py [--runs 1000]

Writes benchmarks/results/qc_statistics.csv: a row per figure.
"""

from __future__ import annotations

import argparse
import platform
import time
from dataclasses import replace
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from levelfield.qc.statistics.estimates import (
    Estimate,
    combine_plates,
    difference,
    equivalence_verdict,
    failure_p_value,
    holm,
    ratio_estimate,
    with_systematic_error,
)

RESULTS = Path(__file__).parent / "results"
WELLS = (2, 4, 8, 16, 32)
SLOPE, SIGMA, WELL_SPREAD = 1.13, 0.027, 0.03
MARGINS = (0.05, 0.10)
TRUE_SHARES = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0)


def class_estimate(random: np.random.Generator, n_wells: int, balance: float) -> Estimate:
    """Balance of one class: splits minus merges over objects, wells scattering around it."""
    objects = random.poisson(180, n_wells) + 20
    own = balance + WELL_SPREAD * random.standard_normal(n_wells)
    splits = random.binomial(objects, np.clip(0.1 + own / 2, 0, 1))
    merges = random.binomial(objects, np.clip(0.1 - own / 2, 0, 1))
    return ratio_estimate(splits - merges, objects)


def read_difference(random: np.random.Generator, n_wells: int, true: float) -> Estimate:
    """Return a difference as the evidence reads it, before any correction."""
    positive, negative = (class_estimate(random, n_wells, shift) for shift in (true / 2, -true / 2))
    found = difference(positive, negative)
    error = SIGMA * random.standard_normal()
    return replace(found, value=(found.value + error) / SLOPE, variance=found.variance / SLOPE**2)


def covers(estimate: Estimate, true: float) -> bool:
    """Whether the 90 % interval holds the truth."""
    low, high = estimate.interval(0.9)
    return low <= true <= high


def one_plate(random: np.random.Generator, runs: int) -> list[dict]:
    """Coverage and verdicts over wells per class and true differences."""
    rows = []
    for n_wells in WELLS:
        for margin in MARGINS:
            for share in TRUE_SHARES:
                true, found = share * margin, []
                for _ in range(runs):
                    read = read_difference(random, n_wells, true)
                    full = with_systematic_error(read, SLOPE, SIGMA)
                    bare = with_systematic_error(read, SLOPE, 0.0)
                    verdict = equivalence_verdict(full, margin)
                    bare_pass = equivalence_verdict(bare, margin) == "pass"
                    found.append(
                        (
                            covers(full, true),
                            covers(bare, true),
                            verdict == "pass",
                            verdict == "fail",
                            bare_pass,
                        )
                    )
                names = ("coverage", "coverage_sampling_only", "pass", "fail", "pass_sampling_only")
                rows += [
                    {
                        "study": "one plate",
                        "n": n_wells,
                        "margin_pp": 100 * margin,
                        "true_over_margin": share,
                        "figure": name,
                        "value": value,
                    }
                    for name, value in zip(names, np.mean(found, axis=0), strict=True)
                ]
    return rows


def several_controls(random: np.random.Generator, runs: int) -> list[dict]:
    """Count false failures when several equal positive controls share 8 negative wells."""
    rows = []
    for controls in (1, 2, 4, 8):
        plain = corrected = 0
        for _ in range(runs):
            negative = class_estimate(random, 8, 0.0)
            shared = SIGMA * random.standard_normal() / np.sqrt(2)
            chances = []
            for _ in range(controls):
                found = difference(class_estimate(random, 8, 0.0), negative)
                error = shared + SIGMA * random.standard_normal() / np.sqrt(2)
                full = replace(found, value=found.value + error, systematic_variance=SIGMA**2)
                passed = equivalence_verdict(full, 0.05) == "pass"
                chance = failure_p_value(full, 0.05, calibrated=True)
                chances.append((chance, passed))
            values, passed = (np.array(each) for each in zip(*chances, strict=True))
            plain += bool(((values < 0.05) & ~passed).any())
            corrected += bool(((holm(values) < 0.05) & ~passed).any())
        rows += [
            {
                "study": "several controls",
                "n": controls,
                "margin_pp": 5.0,
                "true_over_margin": 0.0,
                "figure": name,
                "value": number / runs,
            }
            for name, number in (("false_fail_uncorrected", plain), ("false_fail_holm", corrected))
        ]
    return rows


def several_plates(random: np.random.Generator, runs: int) -> list[dict]:
    """Coverage over plates as blocks, against wells pooled as if they were one plate."""
    rows = []
    for plates in (2, 3, 5, 10):
        for spread in (0.0, 0.02, 0.05):
            blocks = pooled = 0
            for _ in range(runs):
                found = []
                for _ in range(plates):
                    shift = spread * random.standard_normal()
                    found.append(
                        [class_estimate(random, 6, level) for level in (0.05 + shift, 0.0)]
                    )
                blocks += covers(combine_plates([difference(*each) for each in found]), 0.05)
                together = [_pooled([pair[side] for pair in found]) for side in (0, 1)]
                pooled += covers(difference(*together), 0.05)
            rows += [
                {
                    "study": f"plates, spread {100 * spread:g} pp",
                    "n": plates,
                    "margin_pp": np.nan,
                    "true_over_margin": np.nan,
                    "figure": name,
                    "value": number / runs,
                }
                for name, number in (("coverage", blocks), ("coverage_wells_pooled", pooled))
            ]
    return rows


def _pooled(plates: list[Estimate]) -> Estimate:
    """Treat the wells of all plates as one plate's: the mistake that blocks avoid."""
    return Estimate(
        float(np.mean([each.value for each in plates])),
        sum(each.variance for each in plates) / len(plates) ** 2,
        sum(each.degrees_of_freedom for each in plates),
        sum(each.n_wells for each in plates),
    )


def main() -> None:
    """Simulate, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    runs = parser.parse_args().runs
    random, begin = np.random.default_rng(6), time.process_time()
    rows = one_plate(random, runs) + several_controls(random, runs) + several_plates(random, runs)
    table = pd.DataFrame(rows)
    about = (
        f"{runs} runs a row, {time.process_time() - begin:.0f} s of one thread; "
        f"levelfield {version('levelfield')}, numpy {np.__version__}, "
        f"Python {platform.python_version()}, {platform.machine()}, {date.today()}"
    )
    print(about)
    keys = ["study", "margin_pp", "n", "figure"]
    wide = table.pivot_table("value", keys, "true_over_margin", dropna=False, sort=False)
    print(wide.dropna(how="all").round(3).to_string())
    print(table[table["true_over_margin"].isna()].round(3).to_string())
    with (RESULTS / "qc_statistics.csv").open("w") as file:
        file.write(f"# {about}\n")
        table.round(4).to_csv(file, index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
