"""What a lab's own calibration holds on plates that nobody reviews.

A lab reviews 50 crops of each class on 6 simulated plates of a segmenter and object set that nobody
has calibrated, and then judges 30 others without any review. Plates and reviews are those of
``benchmarks/qc_review.py``: the merge rate of a plate is 2 to 12 %, that of its positive class
differs by 3 pp (one standard deviation), and its 8 wells by 1.5 pp. The *evidence* reads steeper or
flatter than the truth, from another floor, or has no meaning, and errs by 1.2 pp more on every
plate, and by 0.7 pp in every class. Draw, estimator, fit and rule are those of `levelfield.qc`.

    python benchmarks/lab_calibration.py [--labs 20]

Writes benchmarks/results/lab_calibration.csv: a row per kind of evidence and scope.
"""

import argparse
from typing import NamedTuple

import numpy as np
import pandas as pd
from qc_review import PER_CROP, Plate, simulate
from simulated_tables import write_table

from levelfield.qc.review.calibrate import Pair, fit_constants
from levelfield.qc.review.class_mean import class_mean, row_estimates
from levelfield.qc.statistics.decision import bound_of, decide
from levelfield.qc.statistics.estimates import Estimate, estimate_of_row, ratio_estimate
from levelfield.questions import MEASURES, SCOPES

REVIEWED, OTHERS, CROPS, N_WELLS = 6, 30, 50, 8
MARGINS = {"negcon": 0.15, "poscon": 0.15, "difference": 0.10}
RATES, APART, BETWEEN_WELLS = (0.02, 0.12), 0.03, 0.015
OF_PLATE, OF_CLASS = 0.012, 0.007
MEASURE = "balance"


class Evidence(NamedTuple):
    """How the evidence of a segmenter reads: times a gain, and so much more per object."""

    name: str
    gain: float
    offset: float
    kind: str = "as measured"


KINDS = (
    Evidence("as calibrated elsewhere", 1.0, 0.0),
    Evidence("steep, high floor", 1.8, -0.06),
    Evidence("flat, low floor", 0.5, 0.05),
    Evidence("without meaning", 1.0, 0.0, "meaningless"),
)


def plate_of(random: np.random.Generator, evidence: Evidence) -> dict[str, Plate]:
    """Simulate both classes of a plate."""
    base, error = random.uniform(*RATES), OF_PLATE * random.standard_normal()
    rates = {
        "negcon": base,
        "poscon": float(np.clip(base + APART * random.standard_normal(), 0, 1)),
    }
    found = {}
    for scope, rate in rates.items():
        made = simulate(random, N_WELLS, max(rate, 1e-3), BETWEEN_WELLS, evidence.kind, 0.0)
        more = evidence.offset + error + OF_CLASS * random.standard_normal()
        found[scope] = made._replace(evidence=evidence.gain * made.evidence + PER_CROP * more)
    return found


def sides(plate: dict[str, Plate], scope: str) -> list[Plate]:
    """Return the class of a row, or both, the positive one first."""
    names = ("poscon", "negcon") if scope == "difference" else (scope,)
    return [plate[name] for name in names]


def read(plate: dict[str, Plate], scope: str) -> Estimate:
    """Return what the evidence reads of a row, wells being the unit."""
    by_well = [
        pd.Series(own.evidence).groupby(own.wells).agg(["sum", "size"])
        for own in sides(plate, scope)
    ]
    return estimate_of_row([ratio_estimate(w["sum"], PER_CROP * w["size"]) for w in by_well])


def reviewed(name: str, plate: dict[str, Plate]) -> list[Pair]:
    """Return what people say of a plate beside what the evidence reads."""
    pairs = []
    for scope in SCOPES:
        own = sides(plate, scope)
        means = [class_mean(each.sample(CROPS)) for each in own]
        control, wells = row_estimates(means, [None] * len(own))
        scatter = (control.variance - wells.variance) * N_WELLS
        value = read(plate, scope).value
        pairs.append(
            Pair(name, MEASURE, scope, "drug", value, wells.value, wells.variance, scatter)
        )
    return pairs


def study(random: np.random.Generator, evidence: Evidence, labs: int) -> list[dict[str, object]]:
    """Let some labs calibrate themselves, and judge their other plates."""
    rows = []
    for _ in range(labs):
        known = [reviewed(f"P{i}", plate_of(random, evidence)) for i in range(REVIEWED)]
        made = fit_constants([pair for pairs in known for pair in pairs])[0][MEASURE]
        for _ in range(OTHERS):
            plate = plate_of(random, evidence)
            for scope in SCOPES:
                own = sides(plate, scope)
                true = own[0].control - (own[1].control if len(own) == 2 else 0.0)
                found = made.correct(read(plate, scope), scope)
                low, high = found.interval(0.9)
                said = decide(found, bound_of(MEASURES[MEASURE], scope, MARGINS[scope]))
                size = abs(true) / MARGINS[scope]
                wrong = said == "pass" and size > 1, said == "fail" and size < 0.5
                rows.append(
                    (
                        scope,
                        low <= true <= high,
                        said != "undecided",
                        *wrong,
                        high - low,
                        made.slope,
                    )
                )
    names = ("scope", "coverage", "answered", "false_pass", "false_fail", "width", "slope")
    table = pd.DataFrame(rows, columns=names).groupby("scope", sort=False).mean()
    table["half_width_pp"] = 50 * table.pop("width")
    return [{"evidence": evidence.name, "scope": s, **row} for s, row in table.iterrows()]


def main() -> None:
    """Simulate, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labs", type=int, default=20)
    labs = parser.parse_args().labs
    random = np.random.default_rng(18)
    table = pd.DataFrame([row for kind in KINDS for row in study(random, kind, labs)])
    write_table(
        "lab_calibration",
        table,
        f"{labs} labs a kind, {REVIEWED} plates reviewed and {OTHERS} judged by each",
    )


if __name__ == "__main__":
    main()
