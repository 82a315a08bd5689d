"""What does a review by crops buy? Coverage, false passes and power, by a scripted reviewer.

Simulated plates: a negative and a positive class of 1,680 objects in 2, 4, 8 or 16 wells, whose
merge rates differ by 0 to 3 pp (one standard deviation), in crops of seven whose errors correlate
by 0.05. A reviewer who knows the truth answers 50 crops of each class. *Sound* plates merge and
split 3 % in both classes; of the others the positive class merges 5 to 10 pp more. The evidence is
as good as measured (merges ranked with an AUC of .93), blind to half of the merges in the positive
class only (a phenotype that hides them), or without any meaning. The draw, the estimator and the
rule are those of `levelfield.qc`.

Whoever *stops* looks after every fifth crop, and stops as soon as the row passes or fails: what
they would say then is counted apart. Half-widths are of sound plates, and of the wrong ones. How
many sound plates pass about the *control* is bounded by their wells: `pass_sound_control_all_known`
is what would pass if every object of every well had a true answer.

    python benchmarks/qc_review.py [--runs 200]

Writes benchmarks/results/qc_review.csv: a row per kind of evidence, wells and scatter.
"""

import argparse
import time
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata
from simulated_tables import write_table

from levelfield.qc.review.class_mean import class_mean, row_estimates
from levelfield.qc.review.estimator import CropSample
from levelfield.qc.review.sampling import FLOOR, SPREAD_OF_ERRORS
from levelfield.qc.statistics.decision import bound_of, decide
from levelfield.qc.statistics.estimates import Estimate, difference, ratio_estimate
from levelfield.questions import MEASURES

EVIDENCE = ("as measured", "blind in one class", "meaningless")
WELLS, SCATTERS = (2, 4, 8, 16), (0.0, 0.015, 0.03)
OBJECTS, PER_CROP, CROPS = 1680, 7, 50
SOUND, LACKING = 0.03, 1.15
NEIGHBOURS = 0.05
MARGIN = 0.05
LOOKS = range(5, CROPS + 1, 5)


class Plate(NamedTuple):
    """One class: sums over its crops, what was drawn, and what its wells show at large."""

    truth: NDArray[np.float64]
    evidence: NDArray[np.float64]
    chances: NDArray[np.float64]
    order: NDArray[np.int64]
    wells: NDArray[np.object_]
    control: float
    auc: float

    @property
    def mean(self) -> float:
        """The true balance of these wells."""
        return float(self.truth.sum()) / (PER_CROP * len(self.truth))

    def sample(self, number: int) -> CropSample:
        """Return what is known after some crops."""
        zeros = np.zeros(len(self.truth))
        order = self.order[:number]
        return CropSample(
            self.chances,
            zeros + PER_CROP,
            self.evidence,
            zeros,
            self.wells,
            order,
            self.truth[order],
            zeros[:number],
            CROPS,
        )


def simulate(
    random: np.random.Generator, n_wells: int, rate: float, scatter: float, kind: str, hidden: float
) -> Plate:
    """Return one class, drawn from as the product does."""
    n_crops = OBJECTS // PER_CROP // n_wells
    wells = np.repeat(np.arange(n_wells), n_crops)
    rates = np.clip(rate + scatter * random.standard_normal(n_wells), 1e-4, 1)[wells]
    of_crops = random.beta(*(part * (1 / NEIGHBOURS - 1) for part in (rates, 1 - rates)))
    merged = random.random((len(wells), PER_CROP)) < of_crops[:, None]
    split = ~merged & (random.random(merged.shape) < SOUND)
    lacking = merged * np.where(random.random(merged.shape) < 0.15, 2.0, 1.0)
    seen = merged & (random.random(merged.shape) >= hidden), split
    if kind == "meaningless":
        seen = tuple(random.permutation(own.ravel()).reshape(own.shape) for own in seen)
    merge, seam = (_evidence(random, own) for own in seen)
    risk = np.clip(np.maximum(1.25 * merge, 0.5 * seam), 0, 1)
    sizes = np.sqrt((risk * (1 - risk) + SPREAD_OF_ERRORS * risk + FLOOR).sum(1))
    chances = sizes / sizes.sum()
    order = np.argsort(-np.log(random.random(len(wells))) / chances)
    truth = (0.5 * split - lacking).sum(1)
    return Plate(
        truth,
        (0.5 * seam - 1.25 * merge).sum(1),
        chances,
        order,
        wells.astype(str).astype(object),
        _balance_of_control(rate, scatter),
        _auc(merge.ravel(), merged.ravel()),
    )


def _balance_of_control(rate: float, scatter: float) -> float:
    """Return the balance over all wells of a control: a negative rate makes no merge."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    rates = np.clip(rate + scatter * nodes, 1e-4, 1)
    return float(np.sum(weights * (0.5 * SOUND * (1 - rates) - LACKING * rates)) / weights.sum())


def _evidence(random: np.random.Generator, wrong: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Probabilities that are near 0 for most right and higher for most wrong objects."""
    return np.where(wrong, random.beta(1.1, 1.5, wrong.shape), random.beta(0.25, 4.5, wrong.shape))


def _auc(score: NDArray[np.float64], wrong: NDArray[np.bool_]) -> float:
    ranks, number = rankdata(score), wrong.sum()
    if not number:
        return float("nan")
    return (ranks[wrong].sum() - number * (number + 1) / 2) / (number * (len(wrong) - number))


def reviewed(plates: list[Plate], number: int) -> tuple:
    """Return the estimates of the difference after some crops: control, wells."""
    means = [class_mean(plate.sample(number)) for plate in plates]
    return row_estimates(means, [None, None])


def study(
    random: np.random.Generator, kind: str, n_wells: int, scatter: float, runs: int
) -> dict[str, object]:
    """Judge many plates, half of them sound."""
    bound, rows, auc = bound_of(MEASURES["balance"], "difference", MARGIN), [], []
    for run in range(runs):
        more = 0.0 if run % 2 == 0 else random.uniform(1, 2) * MARGIN / LACKING
        hidden = 0.5 if kind == "blind in one class" else 0.0
        plates = [
            simulate(random, n_wells, rate, scatter, kind, own)
            for rate, own in ((SOUND + more, hidden), (SOUND, 0.0))
        ]
        auc.append(plates[1].auc)
        wells = plates[0].mean - plates[1].mean
        control = plates[0].control - plates[1].control
        found = [reviewed(plates, number) for number in LOOKS]
        rows.append(
            [
                _covers(found[-1][1], wells),
                _covers(found[-1][0], control),
                _half_width(found[-1][1]),
                _half_width(found[-1][0]),
                run % 2 == 0,
                decide(_known(plates), bound) == "pass",
                *_judged([own[1] for own in found], bound, wells),
                *_judged([own[0] for own in found], bound, control),
            ]
        )
    head = {"evidence": kind, "auc": np.nanmean(auc), "n_wells": n_wells}
    return head | {"scatter_pp": 100 * scatter} | _figures(np.array(rows, float))


def _covers(estimate, true: float) -> bool:
    low, high = estimate.interval(0.9)
    return low - 1e-9 <= true <= high + 1e-9


def _known(plates: list[Plate]) -> Estimate:
    """Return what could be said of the control if every crop had a true answer."""
    by_well = [pd.Series(own.truth).groupby(own.wells).agg(["sum", "size"]) for own in plates]
    return difference(*(ratio_estimate(own["sum"], PER_CROP * own["size"]) for own in by_well))


def _half_width(estimate) -> float:
    low, high = estimate.interval(0.9)
    return (high - low) / 2


def _judged(estimates: list, bound, true: float) -> tuple:
    """Return what is said at the end, and by whoever stops.

    Sound is a true difference of at most a tenth of the margin, wrong one beyond the margin.
    """
    said = [decide(own, bound) for own in estimates]
    stop = next((n for n, verdict in enumerate(said) if verdict != "undecided"), len(said) - 1)
    covered = _covers(estimates[stop], true)
    return (
        abs(true) <= 0.1 * MARGIN,
        abs(true) > MARGIN,
        said[-1] == "pass",
        said[stop] == "pass",
        covered,
        all(_covers(own, true) for own in estimates),
    )


def _figures(rows: NDArray[np.float64]) -> dict[str, float]:
    sound = rows[:, 4].astype(bool)
    found = {"coverage_wells": rows[:, 0].mean(), "coverage_control": rows[:, 1].mean()}
    for name, own in (("wells", rows[:, 2]), ("control", rows[:, 3])):
        found[f"half_width_{name}_pp"] = 100 * np.median(own[sound])
        found[f"half_width_{name}_wrong_pp"] = 100 * np.median(own[~sound])
    found["pass_sound_control_all_known"] = rows[sound, 5].mean()
    for name, own in (("wells", rows[:, 6:12]), ("control", rows[:, 12:18])):
        sound, wrong, passed, stopped, covered, always = own.T.astype(bool)
        found |= {
            f"pass_sound_{name}": passed[sound].mean() if sound.any() else np.nan,
            f"false_pass_{name}": passed[wrong].mean() if wrong.any() else np.nan,
            f"false_pass_stopped_{name}": stopped[wrong].mean() if wrong.any() else np.nan,
            f"coverage_stopped_{name}": covered.mean(),
            f"coverage_all_looks_{name}": always.mean(),
        }
    return found


def main() -> None:
    """Simulate, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    runs = parser.parse_args().runs
    random, begin = np.random.default_rng(18), time.process_time()
    table = pd.DataFrame(
        [
            study(random, kind, n_wells, scatter, runs)
            for kind in EVIDENCE
            for n_wells in WELLS
            for scatter in SCATTERS
        ]
    )
    write_table(
        "qc_review",
        table,
        f"{runs} plates a row, {time.process_time() - begin:.0f} s of one thread",
    )


if __name__ == "__main__":
    main()
