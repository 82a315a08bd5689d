"""Choose and judge the constants of the heuristic split and merge evidence, and the threshold bias.

BBBC038 nuclei (CC0) by acquisition group, segmented with settings of the classical method from
badly merged to badly split, and with outlines moved by a known distance; every figure comes from a
group that the constants did not see.

    python benchmarks/qc_heuristic.py ../shared/data/bbbc038_train [--images 20]

Writes benchmarks/results/qc_heuristic.csv (figures) and prints the constants for all groups.
"""

from __future__ import annotations

import argparse
import platform
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy.optimize import minimize
from scipy.stats import rankdata
from skimage.segmentation import expand_labels

from levelfield.evaluation.image import evaluate_image
from levelfield.evaluation.overlap import count_overlap, number_labels
from levelfield.qc import evidence
from levelfield.qc.evidence import (
    FIELD,
    MERGE_WEIGHTS,
    SEAM_WEIGHTS,
    merge_terms,
    score_objects,
    seam_terms,
    typical_object,
)
from levelfield.qc.features import NEIGHBOUR, NUMBER, field_features
from levelfield.qc.geometry import inner_distance
from levelfield.qc.summary import flag_objects
from levelfield.segmentation.registry import segment_objects

SETTINGS = {
    "default": {},
    "split": {"declump": {"depth": 0.0, "suppression_distance": 1.0, "smoothing": 0.5}},
    "split_by_intensity": {"declump": {"centres": "intensity", "lines": "intensity", "depth": 0.0}},
    "divide_little": {"declump": {"depth": 0.35}},
    "divide_little_by_intensity": {
        "declump": {"centres": "intensity", "lines": "intensity", "depth": 0.4}
    },
    "undivided": {"declump": {"centres": "none"}},
    "low": {"threshold": {"correction": 0.6}},
    "high": {"threshold": {"correction": 1.4}},
    "local": {"threshold": {"window": 64}},
    "larger": {},
    "smaller": {},
    "reference": None,
}
MOVED_PX = {"larger": 2.0, "smaller": -2.0}
RESULTS = Path(__file__).parent / "results"


def collect(data: Path, images: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features and truth of all objects and touching pairs, per group and setting."""
    index = pd.read_csv(data / "index.csv")
    index = index[index["group"] != "misc"]
    objects, pairs = [], []
    for group, rows in index.groupby("group"):
        for name in rows["name"].head(images):
            image = np.asarray(Image.open(data / "images" / f"{name}.png"), np.float32) / 255
            reference = np.asarray(Image.open(data / "labels" / f"{name}.png")).astype(np.int32)
            for setting, parameters in SETTINGS.items():
                labels = reference
                if parameters is not None:
                    labels = segment_objects(image[None], "classical", parameters).labels
                    labels = moved_edges(labels, MOVED_PX.get(setting, 0.0))
                if labels.max(initial=0) == 0:
                    continue
                field = {
                    "Metadata_Plate": f"{group} {setting}",
                    "Metadata_Well": name,
                    "Metadata_Site": 1,
                    "object_set": "Nuclei",
                }
                one, two = labelled_features(labels, image, reference)
                objects.append(one.assign(**field))
                pairs.append(two.assign(**field))
        print(f"{group}: {len(rows.head(images))} images", flush=True)
    return pd.concat(objects, ignore_index=True), pd.concat(pairs, ignore_index=True)


def moved_edges(labels: np.ndarray, distance: float) -> np.ndarray:
    """Grow objects by a distance in px, or shrink them where it is negative."""
    if distance > 0:
        return expand_labels(labels, distance)
    return np.where(inner_distance(labels) > -distance, labels, 0).astype(np.int32)


def labelled_features(labels, image, reference) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features of one field with the truth beside them."""
    features = field_features(labels, image)
    truth = evaluate_image(labels, reference)
    columns = ["is_merge", "is_fragment", "n_parts", "boundary_bias_px"]
    known = truth.predicted_objects.set_index(NUMBER)[columns]
    objects = features.objects.join(known, on=NUMBER)
    splits = truth.reference_objects.query("is_split")
    objects["excess_in_field"] = int((splits["n_parts"] - 1).sum())
    overlap = count_overlap(number_labels(labels, "p"), number_labels(reference, "r"))
    inside = overlap.of_prediction >= 0.5
    home = np.zeros(labels.max() + 1, np.int64)
    numbers = np.flatnonzero(np.bincount(labels.ravel())[1:]) + 1
    home[numbers[overlap.prediction[inside]]] = overlap.reference[inside] + 1
    fragment = np.zeros(labels.max() + 1, bool)
    fragment[known.index] = known["is_fragment"]
    one, two = features.pairs[NUMBER], features.pairs[NEIGHBOUR]
    false = (home[one] == home[two]) & (home[one] > 0) & fragment[one] & fragment[two]
    return objects, features.pairs.assign(is_false=false)


def typical_areas(objects: pd.DataFrame) -> pd.Series:
    """Typical area per plate, here a group under one setting."""
    return objects.groupby("Metadata_Plate").apply(
        lambda rows: typical_object(rows).area_px, include_groups=False
    )


def fit(terms: pd.DataFrame, truth: np.ndarray, groups: pd.Series) -> np.ndarray:
    """Logistic regression, weights at least 0, every group counting the same."""
    weight = 1 / groups.map(groups.value_counts()).to_numpy(float) / groups.nunique()
    x, sign = terms.to_numpy(float), np.where(truth, 1.0, -1.0)

    def loss(beta):
        z = sign * (beta[0] + x @ beta[1:])
        value = np.sum(weight * np.logaddexp(0, -z)) + 1e-4 * np.sum(beta[1:] ** 2)
        slope = -weight * sign / (1 + np.exp(z))
        return value, np.concatenate([[slope.sum()], slope @ x + 2e-4 * beta[1:]])

    bounds = [(None, None)] + [(0, None)] * x.shape[1]
    return minimize(loss, np.zeros(x.shape[1] + 1), jac=True, bounds=bounds).x


def auc(score: np.ndarray, truth: np.ndarray) -> float:
    """Area under the ROC curve."""
    n_true, n_false = truth.sum(), (~truth).sum()
    if n_true == 0 or n_false == 0:
        return float("nan")
    return (rankdata(score)[truth].sum() - n_true * (n_true + 1) / 2) / (n_true * n_false)


def install(merge: np.ndarray, seam: np.ndarray) -> None:
    """Use other constants in the evidence, for leave-one-group-out."""
    evidence.MERGE_CONSTANT, evidence.SEAM_CONSTANT = merge[0], seam[0]
    MERGE_WEIGHTS.update(zip(MERGE_WEIGHTS, merge[1:], strict=True))
    SEAM_WEIGHTS.update(zip(SEAM_WEIGHTS, seam[1:], strict=True))


def field_table(objects: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Estimates and truth per field, every plate scored by itself as in use."""
    tables = []
    for plate, rows in objects.groupby("Metadata_Plate"):
        scored = flag_objects(score_objects(rows, pairs[pairs["Metadata_Plate"] == plate]))
        scored["lacking"] = (scored["n_parts"] - 1).where(scored["is_merge"], 0)
        measured = scored["boundary_bias_px"].notna()
        scored["bias_of_measured"] = scored["threshold_bias_px"].where(measured)
        tables.append(
            scored.groupby(FIELD).agg(
                n=(NUMBER, "size"),
                merge=("merge_evidence", "sum"),
                excess=("split_evidence", "sum"),
                balance=("balance_contribution", "sum"),
                true_merge=("is_merge", "sum"),
                true_excess=("excess_in_field", "first"),
                true_lacking=("lacking", "sum"),
                bias=("bias_of_measured", "median"),
                true_bias=("boundary_bias_px", "median"),
            )
        )
    table = pd.concat(tables).reset_index()
    table["true_balance"] = table["true_excess"] - table["true_lacking"]
    split = table["Metadata_Plate"].str.split(" ", n=1)
    return table.assign(group=split.str[0], setting=split.str[1])


def wells(fields: pd.DataFrame, size: int = 4) -> pd.DataFrame:
    """Pool four fields of a group and setting into a well."""
    number = fields.groupby("Metadata_Plate").cumcount() // size
    keys = [fields["group"], fields["setting"], number.rename("well")]
    sums = fields.groupby(keys)[
        ["n", "merge", "excess", "balance", "true_merge", "true_excess", "true_balance"]
    ].sum()
    rates = sums.div(sums["n"], axis=0) * 100
    rates[["bias", "true_bias"]] = fields.groupby(keys)[["bias", "true_bias"]].mean()
    return rates.drop(columns="n").reset_index()


def agreement(table: pd.DataFrame, estimate: str, truth: str) -> dict[str, float]:
    """Correlation, mean absolute error and mean error."""
    known = table[[estimate, truth]].dropna()
    error = known[estimate] - known[truth]
    return {
        "r": known.corr().iloc[0, 1],
        "mean_absolute_error": error.abs().mean(),
        "mean_error": error.mean(),
    }


def differences(table: pd.DataFrame, estimate: str, truth: str) -> dict[str, float]:
    """Slope and systematic error of differences between settings within a group."""
    means = table.groupby(["group", "setting"])[[estimate, truth]].mean()
    rows = []
    for _, own in means.groupby("group"):
        values = own.to_numpy()
        one, two = np.triu_indices(len(values), 1)
        rows.append(values[one] - values[two])
    stacked = np.concatenate(rows)
    stacked = stacked[np.isfinite(stacked).all(axis=1)]
    slope = float(stacked[:, 0] @ stacked[:, 1] / (stacked[:, 0] @ stacked[:, 0]))
    residual = stacked[:, 1] - slope * stacked[:, 0]
    plain = stacked[:, 1] - stacked[:, 0]
    return {
        "slope": slope,
        "sigma": float(np.sqrt(np.mean(residual**2))),
        "sigma_without_slope": float(np.sqrt(np.mean(plain**2))),
    }


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=20, help="images per group")
    parser.add_argument("--cache", type=Path, help="folder that keeps the features")
    options = parser.parse_args()
    cache = options.cache
    if cache and (cache / "objects.parquet").exists():
        objects, pairs = (pd.read_parquet(cache / f"{n}.parquet") for n in ("objects", "pairs"))
    else:
        started = time.perf_counter()
        objects, pairs = collect(options.data, options.images)
        print(f"{len(objects)} objects, {time.perf_counter() - started:.0f} s")
        if cache:
            cache.mkdir(exist_ok=True)
            objects.to_parquet(cache / "objects.parquet")
            pairs.to_parquet(cache / "pairs.parquet")
    areas = typical_areas(objects)
    merge = merge_terms(objects, objects["Metadata_Plate"].map(areas))
    seam = seam_terms(pairs)
    of_object = objects["Metadata_Plate"].str.split(" ").str[0]
    of_pair = pairs["Metadata_Plate"].str.split(" ").str[0]
    is_merge, is_false = objects["is_merge"].to_numpy(bool), pairs["is_false"].to_numpy(bool)
    fields, ranks = [], []
    for group in sorted(of_object.unique()):
        mine, theirs = of_object == group, of_pair == group
        constants = (
            fit(merge[~mine], is_merge[~mine], of_object[~mine]),
            fit(seam[~theirs], is_false[~theirs], of_pair[~theirs]),
        )
        install(*constants)
        z_merge = merge[mine].to_numpy() @ constants[0][1:]
        z_seam = seam[theirs].to_numpy() @ constants[1][1:]
        ranks.append(
            {
                "group": group,
                "merge_auc": auc(z_merge, is_merge[mine]),
                "seam_auc": auc(z_seam, is_false[theirs]),
                "solidity_auc": auc(-objects.loc[mine, "solidity"].to_numpy(), is_merge[mine]),
                "area_auc": auc(merge.loc[mine, "relative_area"].to_numpy(), is_merge[mine]),
            }
        )
        fields.append(field_table(objects[mine], pairs[theirs]))
    fields, ranks = pd.concat(fields, ignore_index=True), pd.DataFrame(ranks)
    table = wells(fields)
    print(ranks.round(3).to_string(index=False))
    figures = [
        {"figure": f"mean {name}", "value": ranks[name].mean()} for name in ranks.columns[1:]
    ]
    convention = fields[fields["setting"] == "reference"].groupby("group")["bias"].mean()
    table["bias_without_convention"] = table["bias"] - table["group"].map(convention)
    for estimate, truth in (
        ("merge", "true_merge"),
        ("excess", "true_excess"),
        ("balance", "true_balance"),
        ("bias", "true_bias"),
        ("bias_without_convention", "true_bias"),
    ):
        values = agreement(table, estimate, truth) | differences(table, estimate, truth)
        figures += [{"figure": f"{estimate} {name}", "value": v} for name, v in values.items()]
    figures.append(
        {"figure": "bias of reference outlines, SD of groups", "value": convention.std()}
    )
    reference = table[table["setting"] == "reference"]
    for name in ("merge", "excess", "balance"):
        figures.append({"figure": f"{name} of reference labels", "value": reference[name].mean()})
    result = pd.DataFrame(figures)
    print(result.round(3).to_string(index=False))
    everything = fit(merge, is_merge, of_object), fit(seam, is_false, of_pair)
    for names, constants in zip((MERGE_WEIGHTS, SEAM_WEIGHTS), everything, strict=True):
        print(f"constant {constants[0]:.2f}", dict(zip(names, constants[1:].round(2), strict=True)))
    about = (
        f"{len(objects)} objects, {len(pairs)} touching pairs, {options.images} images per group; "
        f"levelfield {version('levelfield')}, Python {platform.python_version()}, "
        f"{platform.machine()}, {date.today()}"
    )
    print(about)
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / "qc_heuristic.csv").open("w") as file:
        file.write(f"# {about}\n")
        result.round(4).to_csv(file, index=False)


if __name__ == "__main__":
    main()
