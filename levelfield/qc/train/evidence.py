"""Train the evidence, and score what it did not see.

    python -m levelfield.qc.train.evidence --collected FOLDER --out FOLDER

For every fold of groups and every family of phenotypes, all ensembles are trained without both, and
score the images of that fold with that family; images without phenotype are scored by what saw no
image of their fold. Writes ``fields.parquet`` (a row per segmented image: what the evidence reads
beside the truth), ``ranks.parquet`` and, trained on everything, the model that is shipped.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.stats import rankdata
from tqdm import tqdm

from levelfield.arrays import AnyArray, Floats, Integers
from levelfield.qc.columns import FIELD
from levelfield.qc.evidence.attribution import rows_of_pairs
from levelfield.qc.evidence.calibration import indicators
from levelfield.qc.evidence.reference_object import (
    candidate_references,
    reference_objects,
    reference_rows,
)
from levelfield.qc.evidence.scores import (
    ENSEMBLES,
    MODEL,
    VARIANT_COLUMNS,
    EvidenceModel,
    Scored,
    score_plate,
)
from levelfield.qc.evidence.terms import (
    CANDIDATE_TERMS,
    MERGE_TERMS,
    SEAM_TERMS,
    VARIANTS,
    candidate_terms,
    merge_terms,
    names_of,
    seam_terms,
)
from levelfield.qc.evidence.trees import BoostedTrees, train_trees
from levelfield.qc.statistics.appearance import SATURATED_OBJECT
from levelfield.qc.train.collected import Collected, read
from levelfield.qc.train.images import FOLDS
from levelfield.qc.train.phenotypes import DEGRADED, FAMILIES, FAMILY_OF
from levelfield.qc.train.segmentations import KINDS

MOST_ROWS = 60_000
PHENOTYPES_WEIGH = 1.0
"""All of them together, over what plain images weigh: controls are meant to look different."""

_SUMS = {
    **{"merges": "merge_evidence", "splits": "split_evidence", "lacking": "lacking_evidence"},
    **{"balance": "balance_contribution", "invented": "invented_evidence"},
    "right": "right_evidence",
}


def weights(table: pd.DataFrame) -> Floats:
    """Let every group count the same, every kind of segmenter in it, and phenotypes half."""
    changed = table["phenotype"] != "none"
    keys = [table["group"], table["kind"]]
    of_part = table.groupby([*keys, changed])["group"].transform("size")
    own = np.where(changed, PHENOTYPES_WEIGH, 1.0) / of_part
    share = own.groupby(keys).transform("sum")
    return (own / share * len(table) / table.groupby(["group", "kind"]).ngroups).to_numpy()


class _Ensemble(NamedTuple):
    """What one ensemble of trees learns: a truth in a table, from some of the terms of its rows."""

    terms: pd.DataFrame
    names: list[str]
    table: pd.DataFrame
    truth: str

    def train(self, fold: int | None, family: str | None) -> BoostedTrees:
        keep = chosen_rows(self.table, fold, family)
        rows = self.table.iloc[keep]
        truth = rows[self.truth].to_numpy(bool)
        return train_trees(self.terms.iloc[keep], truth, weights(rows), self.names)


class Prepared:
    """All terms of all objects, seams and candidates, computed once.

    Phenotypes share the plate of plain images, whose most common object is their measure.
    """

    def __init__(self, collected: Collected) -> None:
        self.collected = collected
        objects, pairs, candidates, _ = collected
        references = reference_objects(objects, objects["Metadata_Plate"])
        reference = reference_rows(references, objects["Metadata_Plate"])
        self.objects = merge_terms(objects, reference)
        self.pairs = seam_terms(objects, pairs, rows_of_pairs(objects, pairs), reference)
        self.candidates = candidate_terms(
            candidates, candidate_references(candidates, candidates["Metadata_Plate"], references)
        )
        known = candidates.assign(is_missed=candidates["n_missed"] > 0)
        every = names_of(MERGE_TERMS, "all")
        self.ensembles = {
            "invented": _Ensemble(self.objects, every, objects, "is_extra"),
            "right": _Ensemble(self.objects, every, objects, "is_right"),
            "missed": _Ensemble(self.candidates, [*CANDIDATE_TERMS], known, "is_missed"),
        }
        for variant in VARIANTS:
            merge, seam = (names_of(terms, variant) for terms in (MERGE_TERMS, SEAM_TERMS))
            self.ensembles |= {
                f"merge/{variant}": _Ensemble(self.objects, merge, objects, "is_merge"),
                f"seam/{variant}": _Ensemble(self.pairs, seam, pairs, "is_false"),
            }

    def train(self, fold: int | None, family: str | None) -> EvidenceModel:
        """Train all ensembles without a fold of groups and a family of phenotypes."""
        trees = {name: own.train(fold, family) for name, own in self.ensembles.items()}
        objects, _, candidates, _ = self.collected
        lacking = (objects["n_parts"] - 1).where(objects["is_merge"].astype(bool), 0)
        factors = []
        for name, true, table, terms in (
            ("merge/all", lacking, objects, self.objects),
            ("missed", candidates["n_missed"], candidates, self.candidates),
        ):
            rows = chosen_rows(table, fold, family)
            own, chance = weights(table.iloc[rows]), trees[name].probability(terms.iloc[rows])
            number = (own * true.iloc[rows]).sum() / (own * chance).sum()
            factors.append(round(float(number), 3))
        return EvidenceModel(trees, *factors)


def chosen_rows(table: pd.DataFrame, fold: int | None, family: str | None) -> Integers:
    """Return rows to train on: at most `MOST_ROWS`, at random with a fixed seed.

    None planted, none degraded, none of what is left out: a fold of groups, a family of phenotypes.
    """
    families = table["phenotype"].map(FAMILY_OF)
    out = (table["planted"] != "none") | table["phenotype"].isin(DEGRADED)
    out |= (table["group"].map(FOLDS) == fold) | (families.notna() & (families == family))
    rows = np.flatnonzero(~out)
    return np.sort(np.random.default_rng(0).permutation(rows)[:MOST_ROWS])


# ------------------------------------------------------------------ scoring what was left out


def plates_of(collected: Collected) -> Iterator[tuple[str, Collected]]:
    """Give plates as they are judged: plain images, alone and beside those of one phenotype."""
    by_plate = [dict(iter(table.groupby("Metadata_Plate", sort=True))) for table in collected]
    for name, fields in by_plate[-1].items():
        tables = [
            known.get(name, table.iloc[:0])
            for known, table in zip(by_plate, collected, strict=True)
        ]
        for phenotype in fields["phenotype"].unique():
            shown = ["none", phenotype]
            yield phenotype, Collected(*(own[own["phenotype"].isin(shown)] for own in tables))


def score(collected: Collected, model: EvidenceModel) -> Iterator[tuple[str, Scored, pd.DataFrame]]:
    """Score plates as in use; give the phenotype, the evidence and the fields of each.

    Plain images come again beside every phenotype, since they are its negative class.
    """
    for beside, plate in plates_of(collected):
        classes = plate.fields.set_index("Metadata_Well")["phenotype"].to_dict()
        yield beside, score_plate(*plate[:3], classes, model), plate.fields


def field_table(beside: str, scored: Scored, fields: pd.DataFrame) -> pd.DataFrame:
    """Sum up per image what the evidence reads, beside the truth and the image's appearance."""
    objects = scored.objects
    read = objects.groupby(FIELD, sort=True).agg(
        **{name: (column, "sum") for name, column in _SUMS.items()},
        bias=("threshold_bias_px", "median"),
        true_outline_px=("boundary_bias_px", "median"),
        saturated=("saturated", lambda values: float((values > SATURATED_OBJECT).mean())),
        **{name: (name, "sum") for name in VARIANT_COLUMNS},
    )
    missed = scored.candidates.groupby(FIELD)["missed_evidence"].sum().rename("missed")
    shown = indicators(objects).drop(columns="n_objects")
    table = fields.set_index(FIELD).join(read).join(missed).join(shown.add_prefix("look_"))
    table["missed"] = table["missed"].fillna(0.0)
    return table.reset_index().assign(beside=beside)


def auc(chance: AnyArray, truth: AnyArray) -> float:
    """Area under the ROC curve; NaN where one class is empty."""
    n_true, n_false = int(truth.sum()), int((~truth).sum())
    if n_true == 0 or n_false == 0:
        return float("nan")
    return (rankdata(chance)[truth].sum() - n_true * (n_true + 1) / 2) / (n_true * n_false)


def rank_rows(prepared: Prepared, model: EvidenceModel, fold: int) -> pd.DataFrame:
    """AUC of every ensemble on the plain images of each group of a fold, kind by kind."""
    rows = []
    for name in ENSEMBLES:
        trees, (terms, _, table, truth) = model.trees[name], prepared.ensembles[name]
        evidence, variant = (*name.split("/"), "all")[:2]
        plain = (table["phenotype"] == "none") & (table["planted"] == "none")
        for group in (name for name, own in FOLDS.items() if own == fold):
            for kind in KINDS:
                mine = (plain & (table["group"] == group) & (table["kind"] == kind)).to_numpy()
                value = auc(trees.probability(terms[mine]), table.loc[mine, truth].to_numpy(bool))
                row = {"group": group, "kind": kind, "evidence": evidence, "variant": variant}
                rows.append(row | {"auc": value, "n": int(mine.sum())})
    return pd.DataFrame(rows)


def judge(prepared: Prepared, fold: int, family: str | None) -> dict[str, pd.DataFrame]:
    """Train without a fold and a family, and score just these."""
    model = prepared.train(fold, family)
    wanted = ("none", *(FAMILIES[family] if family else DEGRADED))
    plates = prepared.collected.fields
    if family:  # plain images count only beside the same segmentation of a phenotype
        plates = plates[plates["phenotype"].isin(FAMILIES[family])]
    names = set(plates.loc[plates["group"].map(FOLDS) == fold, "Metadata_Plate"])
    mine = prepared.collected.where(
        lambda table: table["Metadata_Plate"].isin(names) & table["phenotype"].isin(wanted)
    )
    parts = score(mine, model)
    fields = [field_table(*part) for part in parts if family is None or part[0] != "none"]
    tables = {"fields": pd.concat(fields, ignore_index=True)}
    if family is None:
        tables["ranks"] = rank_rows(prepared, model, fold)
    return tables


def main() -> None:
    """Train for every fold and family, score, and train what is shipped."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--collected", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    prepared = Prepared(read(chosen.collected))
    asked = [(fold, family) for fold in sorted({*FOLDS.values()}) for family in (None, *FAMILIES)]
    work = Parallel(n_jobs=chosen.jobs, return_as="generator", max_nbytes="10M")(
        delayed(judge)(prepared, *left_out) for left_out in asked
    )
    parts = list(tqdm(work, total=len(asked), desc="left out", mininterval=10))
    for name in ("fields", "ranks"):
        table = pd.concat([part[name] for part in parts if name in part], ignore_index=True)
        table.to_parquet(chosen.out / f"{name}.parquet")
    prepared.train(None, None).save(MODEL)


if __name__ == "__main__":
    main()
