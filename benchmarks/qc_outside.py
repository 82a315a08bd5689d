"""Which images are outside of what the evidence was calibrated on: recognisers, and how they do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from levelfield.qc.evidence.calibration import INDICATORS, Recogniser
from levelfield.qc.verdict.rule import LARGEST_OUTSIDE

REASONS = {"blur": "blurred", "noise": "noisy", "crowd": "crowded", "cytoplasm": "not nuclei"}
# Of plain images a recogniser flags this share at most, and as few as the second where it still
# misses no more than the third of the degraded ones.
FLAGGED, SELDOM, MISSED = 0.05, 0.005, 0.02
DENSE = 0.95


def fit_recogniser(table: pd.DataFrame, reason: str) -> tuple[dict[str, float], float]:
    """Logistic regression of one kind of degraded images against plain ones: weights, constant.

    Every group counts the same, and degraded images together as much as plain ones.
    """
    table = table[table["reason"].isin(["", reason])]
    names = list(INDICATORS[reason])
    truth = table["reason"] == reason
    share = 1 / table.groupby(["group", truth]).transform("size")
    weight = share / share.groupby(truth).transform("sum")
    middle, spread = table[names].mean(), table[names].std() + 1e-9
    model = LogisticRegression(max_iter=500)
    model.fit((table[names] - middle) / spread, truth, sample_weight=weight * len(table))
    slopes = model.coef_[0] / spread
    return dict(zip(names, slopes, strict=True)), float(model.intercept_[0] - slopes @ middle)


def range_tables(data: Path) -> tuple[pd.DataFrame, tuple[Recogniser, ...]]:
    """Train what recognises images outside of the calibration; judge it on what was left out."""
    table = pd.concat([pd.read_parquet(path) for path in sorted(data.glob("*_range.parquet"))])
    table = table[table["n_objects"] >= 5].reset_index(drop=True)
    table["reason"] = table["change"].str.split(" ").str[0].map(REASONS).fillna("")
    # Cytoplasm comes from one plate: half of its wells are left out at a time, else whole groups.
    plate = table["group"] == "bbbc013"
    half = (pd.factorize(table["image"])[0] % 2).astype(str)
    part = table["group"].where(~plate, "bbbc013 " + half)
    flagged, recognisers = np.zeros(len(table), bool), []
    for reason in INDICATORS:
        total = np.full(len(table), np.nan)
        for name in part.unique():
            weights, constant = fit_recogniser(table[part != name], reason)
            mine = (part == name).to_numpy()
            total[mine] = table.loc[mine, list(weights)] @ pd.Series(weights) + constant
        most, seldom = np.quantile(total[table["reason"] == ""], [1 - FLAGGED, 1 - SELDOM])
        missed = np.quantile(total[table["reason"] == reason], MISSED)
        limit = float(max(most, min(seldom, missed)))
        flagged |= total > limit
        weights, constant = fit_recogniser(table, reason)
        rounded = {name: round(value, 4) for name, value in weights.items()}
        recognisers.append(Recogniser(reason, rounded, round(limit - constant, 4)))
    judged = table.assign(flagged=flagged)
    # Three sparse fields over each other are no denser than other plain ones.
    densest = table.loc[table["reason"] == "", "crowding"].quantile(DENSE)
    denser = judged[(judged["reason"] == "crowded") & (judged["crowding"] > densest)]
    changed = denser["change"] + f", denser than {100 * DENSE:.0f} % of plain images"
    judged = pd.concat([judged, denser.assign(change=changed)], ignore_index=True)
    keys = ["change", "kind"]
    result = judged.groupby(keys)["flagged"].agg(["mean", "size"]).reset_index()
    # As the verdict asks it: of a control class, here a group's images, too many are outside.
    classes = judged.groupby(["group", *keys])["flagged"].mean() > LARGEST_OUTSIDE
    shares = classes.groupby(keys).mean().rename("classes_flagged")
    result = result.merge(shares.reset_index(), on=keys)
    groups = judged[judged["reason"] == ""].groupby("group")["flagged"].agg(["mean", "size"])
    groups = groups.reset_index().assign(kind="all three")
    groups["change"] = "none, " + groups.pop("group")
    result = pd.concat([result, groups]).rename(columns={"mean": "flagged", "size": "n"})
    return result, tuple(recognisers)
