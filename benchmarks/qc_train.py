"""Train and calibrate the evidence of the QC, and judge it on groups that it did not see.

    python benchmarks/qc_data.py --out FOLDER          (the data, about an hour)
    python benchmarks/qc_train.py --data FOLDER        (this, about 20 minutes)

Leave-one-group-out: for every group of BBBC038 all variants of the evidence are trained on the
other groups and score this one. From these scores come the tables of benchmarks/results/qc_*.csv
and the constants of levelfield/qc/evidence/model/calibration.json; evidence.npz beside it is then
trained on all groups. `make train-qc` runs both commands.
"""

from __future__ import annotations

import argparse
import json
import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.stats import rankdata

from levelfield.qc.evidence.features import NEIGHBOUR, NUMBER
from levelfield.qc.evidence.looks import SATURATED_OBJECT
from levelfield.qc.evidence.scores import (
    FIELD,
    MODEL,
    OBJECT_SET,
    VARIANT_COLUMNS,
    EvidenceModel,
    _row_of_object,
    score_objects,
)
from levelfield.qc.evidence.terms import (
    MERGE_TERMS,
    SEAM_TERMS,
    VARIANTS,
    merge_terms,
    names_of,
    seam_terms,
)
from levelfield.qc.evidence.trees import train_trees
from levelfield.qc.evidence.typical import typical_object
from levelfield.qc.review.sampling import object_risk

RESULTS = Path(__file__).parent / "results"
PLATE = ["group", "kind", "setting"]
WELL_IMAGES = 4
MOST_ROWS = 80_000
PHENOTYPES_WEIGH = 1.0
"""All of them together, over what plain images weigh: controls are meant to look different."""


def read(data: Path, *, planted: bool = False) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the data of all groups; a plate is a group in one segmentation, a well an image."""
    tables = []
    for name in ("objects", "pairs"):
        paths = [
            p for p in sorted(data.glob(f"*_{name}.parquet")) if ("_planted_" in p.name) == planted
        ]
        parts = [pd.read_parquet(path) for path in paths]
        table = pd.concat(parts, ignore_index=True)
        number = table.select_dtypes("float32").columns
        table = table.astype(dict.fromkeys(number, np.float64))
        table["Metadata_Plate"] = table[PLATE].agg(" ".join, axis=1)
        table["Metadata_Well"] = table["phenotype"] + " " + table["image"]
        tables.append(table.assign(Metadata_Site=1, **{OBJECT_SET: "Nuclei"}))
    keys = [*FIELD, NUMBER]
    objects = tables[0].sort_values(keys, kind="stable", ignore_index=True)
    return objects, tables[1].sort_values([*keys, NEIGHBOUR], kind="stable", ignore_index=True)


def typical_rows(objects: pd.DataFrame) -> pd.DataFrame:
    """Typical object of each object's plate: phenotypes share the plate of plain images."""
    rows = []
    for _, plate in objects.groupby("Metadata_Plate", sort=False):
        plain = plate["phenotype"] == "none"
        for name in plate["phenotype"].unique():
            chosen = plate["phenotype"] == name
            found = typical_object(plate[plain | chosen])
            index = plate.index[chosen]
            rows.append(
                pd.DataFrame(
                    {"area_px": found.area_px, "integrated_intensity": found.integrated_intensity},
                    index=index,
                )
            )
    return pd.concat(rows).sort_index()


def weights(table: pd.DataFrame) -> np.ndarray:
    """Let every group count the same, every kind of segmenter in it, and phenotypes half."""
    looks = table["phenotype"] != "none"
    keys = [table["group"], table["kind"]]
    of_part = table.groupby([*keys, looks])["group"].transform("size")
    own = np.where(looks, PHENOTYPES_WEIGH, 1.0) / of_part
    share = own.groupby(keys).transform("sum")
    return (own / share * len(table) / table.groupby(["group", "kind"]).ngroups).to_numpy()


def chosen_rows(table: pd.DataFrame, group: str | None) -> np.ndarray:
    """Rows to train on: at most `MOST_ROWS` of the other groups, at random with a fixed seed."""
    rows = np.flatnonzero((table["group"] != group).to_numpy())
    return np.sort(np.random.default_rng(0).permutation(rows)[:MOST_ROWS])


class Prepared:
    """All terms of all objects and seams, computed once."""

    def __init__(self, objects: pd.DataFrame, pairs: pd.DataFrame) -> None:
        typical = typical_rows(objects)
        ends = _row_of_object(objects, pairs, NUMBER), _row_of_object(objects, pairs, NEIGHBOUR)
        self.objects, self.pairs = objects, pairs
        self.merge = merge_terms(objects, typical)
        self.seam = seam_terms(objects, pairs, ends, typical)

    def train(self, group: str | None) -> EvidenceModel:
        """Train all variants on all groups but one."""
        one = chosen_rows(self.objects, group)
        two = chosen_rows(self.pairs, group)
        merge, seam = (
            {
                variant: train_trees(
                    terms.iloc[keep],
                    table[truth].to_numpy(bool)[keep],
                    weights(table.iloc[keep]),
                    names_of(families, variant),
                )
                for variant in VARIANTS
            }
            for terms, table, keep, truth, families in (
                (self.merge, self.objects, one, "is_merge", MERGE_TERMS),
                (self.seam, self.pairs, two, "is_false", SEAM_TERMS),
            )
        )
        model = EvidenceModel(merge, seam, 1.0)
        known = self.objects.iloc[one]
        chance = merge["all"].probability(self.merge.iloc[one])
        lacking = (known["n_parts"] - 1).where(known["is_merge"], 0)
        own = weights(known)
        factor = float((own * lacking).sum() / (own * chance).sum())
        return EvidenceModel(model.merge, model.seam, round(factor, 3))


def score(
    objects: pd.DataFrame, pairs: pd.DataFrame, model: EvidenceModel, group: str
) -> pd.DataFrame:
    """Score a group as in use: plates by themselves, plain images beside one phenotype."""
    objects, pairs = objects[objects["group"] == group], pairs[pairs["group"] == group]
    parts = []
    for plate, rows in objects.groupby("Metadata_Plate", sort=True):
        touching = pairs[pairs["Metadata_Plate"] == plate]
        plain = rows["phenotype"] == "none"
        for name in rows["phenotype"].unique():
            together = rows[plain | (rows["phenotype"] == name)]
            near = touching[touching["phenotype"].isin(["none", name])]
            classes = dict(together[["Metadata_Well", "phenotype"]].drop_duplicates().to_numpy())
            scored = score_objects(together, near, classes, model)
            part = scored if name == "none" else scored.assign(beside=name)
            parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    table["beside"] = table["beside"].fillna("none") if "beside" in table else "none"
    return table


def field_table(scored: pd.DataFrame) -> pd.DataFrame:
    """Sum up per image: estimates by every variant beside the truth."""
    scored = scored.assign(
        lacking=(scored["n_parts"] - 1).where(scored["is_merge"], 0),
        bias=scored["threshold_bias_px"].where(scored["boundary_bias_px"].notna()),
        small_solidity=scored["solidity"] < 0.9,
        large_area=scored["relative_area"] > 1.6,
        is_saturated=scored["saturated"] > SATURATED_OBJECT,
    )
    keys = [*PLATE, "beside", "phenotype", "image"]
    sums = {name: (name, "sum") for name in VARIANT_COLUMNS}
    table = scored.groupby(keys, sort=True).agg(
        n=(NUMBER, "size"),
        merge=("merge_evidence", "sum"),
        excess=("split_evidence", "sum"),
        balance=("balance_contribution", "sum"),
        true_merge=("is_merge", "sum"),
        true_excess=("excess_in_field", "first"),
        true_lacking=("lacking", "sum"),
        small_solidity=("small_solidity", "sum"),
        large_area=("large_area", "sum"),
        bias=("bias", "median"),
        true_bias=("boundary_bias_px", "median"),
        look_size=("area_px", "median"),
        look_sharpness=("edge_sharpness", "median"),
        look_contrast=("contrast_to_noise", "median"),
        look_grain=("grain", "median"),
        look_saturated=("is_saturated", "mean"),
        **sums,
    )
    table["true_balance"] = table["true_excess"] - table["true_lacking"]
    return table.reset_index()


def reviewable(scored: pd.DataFrame) -> pd.DataFrame:
    """Keep what a review of phenotypes needs: what objects add to the balance, and seem to add."""
    own = scored[scored["beside"] != "none"]
    used = own["image"].isin(own.loc[own["phenotype"] != "none", "image"])
    own = own[used]
    lacking = (own["n_parts"] - 1).where(own["is_merge"], 0)
    return own[[*PLATE, "beside", "phenotype"]].assign(
        truth=own["true_excess_share"].fillna(0) - lacking,
        evidence=own["balance_contribution"],
        risk=object_risk(own),
    )


def auc(chance: np.ndarray, truth: np.ndarray) -> float:
    """Area under the ROC curve."""
    n_true, n_false = int(truth.sum()), int((~truth).sum())
    if n_true == 0 or n_false == 0:
        return float("nan")
    return (rankdata(chance)[truth].sum() - n_true * (n_true + 1) / 2) / (n_true * n_false)


def seam_chances(prepared: Prepared, model: EvidenceModel, group: str) -> pd.DataFrame:
    """How false each seam of a group seems, beside whether it is; for `qc_seams.py`."""
    mine = (prepared.pairs["group"] == group) & (prepared.pairs["phenotype"] == "none")
    chance = model.seam["all"].probability(prepared.seam[mine])
    columns = [*PLATE, "image", NUMBER, NEIGHBOUR, "is_false"]
    return prepared.pairs.loc[mine, columns].assign(chance=chance)


def rank_rows(prepared: Prepared, model: EvidenceModel, group: str) -> pd.DataFrame:
    """AUC of merges and seams of a group, kind by kind, for every variant."""
    rows = []
    for kind in ("classical", "network", "cellpose"):
        for variant in VARIANTS:
            row = {"group": group, "kind": kind, "variant": variant}
            for name, table, terms, truth, trees in (
                ("merge", prepared.objects, prepared.merge, "is_merge", model.merge),
                ("seam", prepared.pairs, prepared.seam, "is_false", model.seam),
            ):
                mine = (table["group"] == group) & (table["kind"] == kind)
                mine &= table["phenotype"] == "none"
                chance = trees[variant].probability(terms[mine])
                row[f"{name}_auc"] = auc(chance, table.loc[mine, truth].to_numpy(bool))
            rows.append(row)
    return pd.DataFrame(rows)


def judge(
    prepared: Prepared, altered: tuple[pd.DataFrame, pd.DataFrame], group: str
) -> tuple[pd.DataFrame, ...]:
    """Leave a group out: fields, those with planted errors, ranks of errors, objects, and seams."""
    model = prepared.train(group)
    scored = score(prepared.objects, prepared.pairs, model, group)
    fields = field_table(scored)
    with_errors = pd.DataFrame()
    if (altered[0]["group"] == group).any():
        with_errors = field_table(score(*altered, model, group))
    print(f"{group} left out", flush=True)
    ranks, seams = (make(prepared, model, group) for make in (rank_rows, seam_chances))
    return fields, with_errors, ranks, reviewable(scored), seams


def write(name: str, table: pd.DataFrame, about: str) -> None:
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / name).open("w") as file:
        file.write(f"# {about}\n")
        table.round(4).to_csv(file, index=False)


def main() -> None:
    """Train, judge, calibrate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder for scores, kept apart")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    prepared = Prepared(*read(options.data))
    about = (
        f"{len(prepared.objects)} objects, {len(prepared.pairs)} touching pairs; "
        f"levelfield {version('levelfield')}, Python {platform.python_version()}, "
        f"scikit-learn {version('scikit-learn')}, {platform.machine()}, {date.today()}"
    )
    print(about, flush=True)
    altered = read(options.data, planted=True)
    groups = sorted(prepared.objects["group"].unique())
    jobs = (delayed(judge)(prepared, altered, group) for group in groups)
    parts = zip(*Parallel(n_jobs=options.jobs)(jobs), strict=True)
    fields, with_errors, ranks, objects, seams = (
        pd.concat(part, ignore_index=True) for part in parts
    )
    print(ranks.groupby(["variant", "kind"])[["merge_auc", "seam_auc"]].mean().round(3))
    write("qc_ranks.csv", ranks, about)
    fields.to_parquet(options.out / "fields.parquet")
    objects.to_parquet(options.out / "objects.parquet")
    seams.to_parquet(options.out / "seams.parquet")
    with_errors.to_parquet(options.out / "planted.parquet")
    model = prepared.train(None)
    MODEL.parent.mkdir(exist_ok=True)
    model.save(MODEL)
    (options.out / "about.json").write_text(json.dumps({"about": about}))


if __name__ == "__main__":
    main()
