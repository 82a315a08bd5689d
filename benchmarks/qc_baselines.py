"""What a rule by size and shape says of splits and merges, beside the truth: coSMicQC's.

coSMicQC (Tomkinson et al., 2025) flags objects by z-scores over a plate; its default thresholds
for nuclei call *large* those with an area above +2 and a form factor below -2, *small* those
with both below -1, and *elongated* those with an eccentricity above 2. Here a plate is a group of
BBBC038 in one segmentation of `qc_data.py`; flagged shares per well of four images are compared
with the true shares of merges and fragments. `qc_wells.csv` has the same for the evidence.

    python benchmarks/qc_baselines.py [--images 12]

Writes benchmarks/results/qc_baselines.csv: correlation, error, and how well objects are ranked.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from qc_data import DATA, ROOT, cases, name_of, network_for, read_scene
from qc_train import auc
from scipy.stats import zscore
from skimage.measure import regionprops_table

from levelfield.evaluation.image import evaluate_image
from levelfield.qc.evidence.features import NUMBER

RESULTS = Path(__file__).parent / "results"
WELL_IMAGES = 4
PLATE = ["group", "kind", "setting"]
# Of cosmicqc 1.1.2, data/qc_nuclei_thresholds_default.yml.
THRESHOLDS = {
    "large": {"area": 2, "form_factor": -2},
    "small": {"area": -1, "form_factor": -1},
    "elongated": {"eccentricity": 2},
}


def collect(group: str, images: int) -> pd.DataFrame:
    """Shape and truth of every object of a group in all of its segmentations."""
    index = pd.read_csv(DATA / "index.csv")
    names = index.loc[index["group"] == group, "name"].tolist()[:images]
    model, rows = network_for(group), []
    for place, name in enumerate(names):
        scene = read_scene(name, "none", model, place)
        for kind, setting, moved in cases("none"):
            if moved or kind == "reference":
                continue
            labels = scene.labels(kind, setting)
            if labels.max(initial=0) == 0 or scene.reference.max() == 0:
                continue
            shapes = regionprops_table(
                labels, properties=("label", "area", "perimeter", "eccentricity")
            )
            truth = evaluate_image(labels, scene.reference).predicted_objects
            known = truth.set_index(NUMBER)[["is_merge", "is_fragment"]]
            table = pd.DataFrame(shapes).join(known, on="label")
            head = {"group": group, "kind": kind, "setting": name_of(setting, moved)}
            rows.append(table.assign(**head, well=place // WELL_IMAGES))
    return pd.concat(rows, ignore_index=True)


def flag(plate: pd.DataFrame) -> pd.DataFrame:
    """Flag the objects of a plate, and score how far each is on the way to being flagged."""
    form_factor = 4 * np.pi * plate["area"] / np.maximum(plate["perimeter"], 1) ** 2
    scores = plate[["area", "eccentricity"]].assign(form_factor=form_factor).apply(zscore)
    found = {}
    for name, limits in THRESHOLDS.items():
        reached = [np.sign(limit) * scores[column] - abs(limit) for column, limit in limits.items()]
        found[f"{name}_score"] = np.min(reached, axis=0)
        found[name] = found[f"{name}_score"] > 0
    return plate.assign(**found)


def compare(objects: pd.DataFrame) -> pd.DataFrame:
    """Tabulate flagged shares against true ones per well, and the ranks of objects."""
    flagged = pd.concat([flag(part) for _, part in objects.groupby(PLATE)])
    wells = flagged.groupby([*PLATE, "well"])[["large", "small", "is_merge", "is_fragment"]].mean()
    wells = (
        100 * wells.astype(float).reset_index(PLATE)[["large", "small", "is_merge", "is_fragment"]]
    )
    wells["balance"] = wells["small"] - wells["large"]
    wells["true_balance"] = wells["is_fragment"] / 2 - wells["is_merge"]
    kinds = flagged.groupby([*PLATE, "well"]).size().reset_index("kind")["kind"].to_numpy()
    rows = []
    for kind in (*dict.fromkeys(kinds), "all three"):
        mine = (kinds == kind) | (kind == "all three")
        own = flagged[(flagged["kind"] == kind) | (kind == "all three")]
        for rule, truth in (("large", "is_merge"), ("small", "is_fragment"), ("balance", None)):
            seen = wells.loc[mine, rule]
            true = wells.loc[mine, truth or "true_balance"]
            row = {"kind": kind, "rule": rule, "r": np.corrcoef(seen, true)[0, 1]}
            row["mean_absolute_error_pp"] = (seen - true).abs().mean()
            if truth:
                row["auc"] = auc(own[f"{rule}_score"].to_numpy(), own[truth].to_numpy(bool))
            rows.append(row)
    return pd.DataFrame(rows)


def main() -> None:
    """Collect, compare, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=12)
    options = parser.parse_args()
    folds = pd.read_csv(ROOT / "benchmarks" / "folds.csv")
    groups = folds.loc[folds["fold"] > 0, "group"]
    objects = pd.concat([collect(group, options.images) for group in groups], ignore_index=True)
    table = compare(objects)
    print(table.round(3).to_string(index=False))
    with (RESULTS / "qc_baselines.csv").open("w") as file:
        file.write(f"# coSMicQC's default rules for nuclei on {len(objects)} objects\n")
        table.round(4).to_csv(file, index=False)


if __name__ == "__main__":
    main()
