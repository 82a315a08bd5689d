"""Which images are out of distribution of the calibration: recognisers, and how they do."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from levelfield.arrays import Mask
from levelfield.qc.evidence.calibration import FEWEST_OBJECTS, INDICATORS, Recogniser
from levelfield.qc.train.images import FOLDS
from levelfield.qc.train.phenotypes import DEGRADED
from levelfield.qc.train.segmentations import GOOD

REASONS = {"blur": "blurred", "noise": "noisy", "crowd": "crowded", "cytoplasm": "not nuclei"}
# Of plain images a recogniser flags this share at most, and as few as the second where it still
# misses no more than the third of the degraded ones.
FLAGGED, SELDOM, MISSED = 0.05, 0.005, 0.02
BBBC013 = "bbbc013"


def shown(fields: pd.DataFrame, cytoplasm: pd.DataFrame) -> pd.DataFrame:
    """Describe plain and degraded images: `INDICATORS`, ``reason``, ``part`` and more, a row each.

    From `levelfield.qc.train.evidence.field_table` and `levelfield.qc.train.cytoplasm.collect`.
    """
    names = sorted({name for indicators in INDICATORS.values() for name in indicators})
    good = pd.MultiIndex.from_frame(fields[["kind", "setting"]]).isin(GOOD)
    plain = (fields["phenotype"] == "none") & (fields["beside"] == "none")
    own = fields[
        good & (fields["planted"] == "none") & (plain | fields["phenotype"].isin(DEGRADED))
    ]
    own = own.rename(columns={f"look_{name}": name for name in names}).assign(
        change=own["phenotype"], n_objects=own["n"], part=own["group"].map(FOLDS).astype(str)
    )
    # Cytoplasm comes from one plate: a quarter of its wells is left out at a time, else a whole
    # fold. Of two parts none would be left where one is left out to be judged and one for limits.
    quarter = (pd.factorize(cytoplasm["image"])[0] % 4).astype(str)
    other = cytoplasm.assign(part=np.char.add("bbbc013 ", quarter))
    columns = [*names, "group", "image", "kind", "change", "n_objects", "part"]
    table = pd.concat([own[columns], other[columns]], ignore_index=True)
    table = table[table["n_objects"] >= FEWEST_OBJECTS].reset_index(drop=True)
    return table.assign(reason=table["change"].str.split(" ").str[0].map(REASONS).fillna(""))


def _parts(table: pd.DataFrame) -> Iterator[tuple[Mask, pd.DataFrame]]:
    """Give the rows of each part, and the table without it."""
    for name in table["part"].unique():
        own = (table["part"] == name).to_numpy()
        yield own, table[~own]


def fit_recogniser(table: pd.DataFrame, reason: str) -> tuple[pd.Series, float]:
    """Logistic regression of one kind of degraded images against plain ones: weights, constant.

    Every group counts the same, and degraded images together as much as plain ones.
    """
    names = list(INDICATORS[reason])
    table = table[table["reason"].isin(["", reason])].dropna(subset=names)
    truth = table["reason"] == reason
    share = 1 / table.groupby(["group", truth]).transform("size")
    weight = share / share.groupby(truth).transform("sum")
    middle, spread = table[names].mean(), table[names].std() + 1e-9
    model = LogisticRegression(max_iter=500)
    model.fit((table[names] - middle) / spread, truth, sample_weight=weight * len(table))
    slopes = model.coef_[0] / spread
    return slopes, float(model.intercept_[0] - slopes @ middle)


def fit_recognisers(table: pd.DataFrame) -> tuple[Recogniser, ...]:
    """Train what recognises each reason; limits come from parts that were left out."""
    found = []
    for reason in INDICATORS:
        total = np.full(len(table), np.nan)
        for own, rest in _parts(table):
            weights, constant = fit_recogniser(rest, reason)
            total[own] = table.loc[own, list(weights.index)] @ weights + constant
        plain = total[(table["reason"] == "").to_numpy()]
        degraded = total[(table["reason"] == reason).to_numpy()]
        most, seldom = np.nanquantile(plain, [1 - FLAGGED, 1 - SELDOM])
        limit = float(max(most, min(seldom, np.nanquantile(degraded, MISSED))))
        weights, constant = fit_recogniser(table, reason)
        rounded = {name: round(value, 4) for name, value in weights.items()}
        found.append(Recogniser(reason, rounded, round(limit - constant, 4)))
    return tuple(found)


def flag_out_of_distribution(fields: pd.DataFrame, table: pd.DataFrame) -> pd.Series:
    """Tell of each image whether recognisers that saw nothing of its fold flag it: 0 or 1."""
    flags = pd.Series(0.0, fields.index)
    appearance = fields.filter(regex="^look_").rename(
        columns=lambda name: name.removeprefix("look_")
    )
    folds, enough = fields["group"].map(FOLDS), fields["n"] >= FEWEST_OBJECTS
    for fold in sorted({*FOLDS.values()}):
        own = (enough & (folds == fold)).to_numpy()
        for recogniser in fit_recognisers(table[table["part"] != str(fold)]):
            flags[own & recogniser.recognises(appearance)] = 1.0
    return flags


def range_table(table: pd.DataFrame) -> pd.DataFrame:
    """Share of images that are flagged, by what was done to them, each part left out."""
    flagged = np.zeros(len(table), bool)
    for own, rest in _parts(table):
        for recogniser in fit_recognisers(rest):
            flagged |= own & recogniser.recognises(table)
    judged = table.assign(flagged=flagged)
    result = judged.groupby(["change", "kind"])["flagged"].agg(["mean", "size"]).reset_index()
    plain = judged[judged["reason"] == ""].groupby("group")["flagged"].agg(["mean", "size"])
    plain = plain.reset_index().assign(kind="all")
    plain["change"] = "none, " + plain.pop("group")
    return pd.concat([result, plain]).rename(columns={"mean": "flagged", "size": "n"})
