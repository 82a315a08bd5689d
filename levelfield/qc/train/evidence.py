"""Train the evidence, and score what it did not see.

    python -m levelfield.qc.train.evidence --collected FOLDER --out FOLDER

For every fold of groups and every family of phenotypes, all ensembles are trained without both, and
score the images of that fold with that family; images without phenotype are scored by what saw no
image of their fold. Writes ``fields.parquet`` (a row per segmented image: what the evidence reads
beside the truth), ``objects.parquet`` (what a review would need), ``ranks.parquet`` and, trained on
everything, the model that is shipped.
"""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.stats import rankdata
from tqdm import tqdm

from levelfield.arrays import AnyArray, Floats, Integers, Mask
from levelfield.qc.columns import FIELD
from levelfield.qc.evidence.attribution import rows_of_pairs
from levelfield.qc.evidence.calibration import indicators
from levelfield.qc.evidence.reference_object import reference_objects, reference_rows
from levelfield.qc.evidence.scores import MODEL, VARIANT_COLUMNS, EvidenceModel, Scored, score_plate
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
from levelfield.qc.train.collected import Collected, read
from levelfield.qc.train.images import FOLDS
from levelfield.qc.train.phenotypes import DEGRADED, FAMILIES, FAMILY_OF
from levelfield.qc.train.segmentations import KINDS

MOST_ROWS = 60_000
PHENOTYPES_WEIGH = 1.0
"""All of them together, over what plain images weigh: controls are meant to look different."""


def weights(table: pd.DataFrame) -> Floats:
    """Let every group count the same, every kind of segmenter in it, and phenotypes half."""
    changed = table["phenotype"] != "none"
    keys = [table["group"], table["kind"]]
    of_part = table.groupby([*keys, changed])["group"].transform("size")
    own = np.where(changed, PHENOTYPES_WEIGH, 1.0) / of_part
    share = own.groupby(keys).transform("sum")
    return (own / share * len(table) / table.groupby(["group", "kind"]).ngroups).to_numpy()


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
        plates = candidates["Metadata_Plate"]
        lost = set(plates) - set(references)
        own = candidates[plates.isin(lost)]
        references |= reference_objects(own, own["Metadata_Plate"])
        self.candidates = candidate_terms(candidates, reference_rows(references, plates))

    def train(self, fold: int | None, family: str | None, seed: int = 0) -> EvidenceModel:
        """Train all ensembles without a fold of groups and a family of phenotypes."""
        objects, pairs, candidates, _ = self.collected
        merge = self._variants(self.objects, objects, "is_merge", MERGE_TERMS, fold, family)
        seam = self._variants(self.pairs, pairs, "is_false", SEAM_TERMS, fold, family)
        every = names_of(MERGE_TERMS, "all")
        keep = chosen_rows(objects, fold, family)
        invented, right = (
            _train(self.objects, objects, keep, truth, every) for truth in ("is_extra", "is_right")
        )
        places = chosen_rows(candidates, fold, family)
        known = candidates.assign(is_missed=candidates["n_missed"] > 0)
        missed = _train(self.candidates, known, places, "is_missed", list(CANDIDATE_TERMS))
        own = objects.iloc[keep]
        lacking = (own["n_parts"] - 1).where(own["is_merge"].astype(bool), 0)
        return EvidenceModel(
            merge,
            seam,
            invented,
            right,
            missed,
            _factor(lacking, merge["all"].probability(self.objects.iloc[keep]), own),
            _factor(
                known["n_missed"].iloc[places],
                missed.probability(self.candidates.iloc[places]),
                candidates.iloc[places],
            ),
        )

    def _variants(
        self,
        terms: pd.DataFrame,
        table: pd.DataFrame,
        truth: str,
        families: Mapping[str, tuple[str, ...]],
        fold: int | None,
        family: str | None,
    ) -> dict[str, BoostedTrees]:
        keep = chosen_rows(table, fold, family)
        return {
            variant: _train(terms, table, keep, truth, names_of(families, variant))
            for variant in VARIANTS
        }


def _trained_on(table: pd.DataFrame, fold: int | None, family: str | None) -> Mask:
    """Tell which rows are for training: none planted, none degraded, none of what is left out."""
    folds = table["group"].map(FOLDS)
    families = table["phenotype"].map(FAMILY_OF)
    out = (table["planted"] != "none") | table["phenotype"].isin(DEGRADED)
    return (~out & (folds != fold) & ~(families.notna() & (families == family))).to_numpy()


def chosen_rows(table: pd.DataFrame, fold: int | None, family: str | None) -> Integers:
    """Return rows to train on: at most `MOST_ROWS`, at random with a fixed seed."""
    rows = np.flatnonzero(_trained_on(table, fold, family))
    return np.sort(np.random.default_rng(0).permutation(rows)[:MOST_ROWS])


def _train(
    terms: pd.DataFrame, table: pd.DataFrame, keep: Integers, truth: str, names: list[str]
) -> BoostedTrees:
    rows = table.iloc[keep]
    return train_trees(terms.iloc[keep], rows[truth].to_numpy(bool), weights(rows), names)


def _factor(true: pd.Series, chance: AnyArray, rows: pd.DataFrame) -> float:
    own = weights(rows)
    return round(float((own * true).sum() / (own * chance).sum()), 3)


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


def score(collected: Collected, model: EvidenceModel) -> list[tuple[str, Scored, pd.DataFrame]]:
    """Score plates as in use; only the rows of the phenotype itself are kept.

    Plain images come again beside every phenotype, since they are its negative class.
    """
    found = []
    for beside, plate in plates_of(collected):
        wells = plate.fields[["Metadata_Well", "phenotype"]].drop_duplicates()
        classes = dict(zip(wells["Metadata_Well"], wells["phenotype"], strict=True))
        scored = score_plate(plate.objects, plate.pairs, plate.candidates, classes, model)
        found.append((beside, scored, plate.fields))
    return found


def field_table(beside: str, scored: Scored, fields: pd.DataFrame) -> pd.DataFrame:
    """Sum up per image what the evidence reads, beside the truth and the image's appearance."""
    objects = scored.objects
    sums = {name: (name, "sum") for name in VARIANT_COLUMNS}
    read = objects.groupby(FIELD, sort=True).agg(
        merges=("merge_evidence", "sum"),
        splits=("split_evidence", "sum"),
        lacking=("lacking_evidence", "sum"),
        balance=("balance_contribution", "sum"),
        invented=("invented_evidence", "sum"),
        right=("right_evidence", "sum"),
        bias=("threshold_bias_px", "median"),
        true_outline_px=("boundary_bias_px", "median"),
        saturated=("saturated", lambda values: float((values > 0.05).mean())),
        **sums,
    )
    missed = scored.candidates.groupby(FIELD)["missed_evidence"].sum().rename("missed")
    shown = indicators(objects).drop(columns="n_objects")
    table = fields.set_index(FIELD).join(read).join(missed).join(shown.add_prefix("look_"))
    table["missed"] = table["missed"].fillna(0.0)
    return table.reset_index().assign(beside=beside)


def reviewable(beside: str, scored: Scored) -> pd.DataFrame:
    """Keep what a review needs: what objects truly are, and what the evidence says of them."""
    own = scored.objects
    lacking = (own["n_parts"] - 1).where(own["is_merge"].astype(bool), 0)
    names = ["group", "kind", "setting", "phenotype", "half", "merge_evidence", "split_evidence"]
    names += ["fragment_evidence", "invented_evidence", "right_evidence", "balance_contribution"]
    return own[names].assign(
        beside=beside,
        true_lacking=lacking,
        true_merge=own["is_merge"],
        true_right=own["is_right"],
        true_invented=own["is_extra"],
    )


def auc(chance: AnyArray, truth: AnyArray) -> float:
    """Area under the ROC curve; NaN where one class is empty."""
    n_true, n_false = int(truth.sum()), int((~truth).sum())
    if n_true == 0 or n_false == 0:
        return float("nan")
    return (rankdata(chance)[truth].sum() - n_true * (n_true + 1) / 2) / (n_true * n_false)


def rank_rows(prepared: Prepared, model: EvidenceModel, fold: int) -> pd.DataFrame:
    """AUC of every ensemble on the plain images of each group of a fold, kind by kind."""
    objects, pairs, candidates, _ = prepared.collected
    known = candidates.assign(is_missed=candidates["n_missed"] > 0)
    asked = [
        *(("merge", v, model.merge[v], prepared.objects, objects, "is_merge") for v in VARIANTS),
        *(("seam", v, model.seam[v], prepared.pairs, pairs, "is_false") for v in VARIANTS),
        ("invented", "all", model.invented, prepared.objects, objects, "is_extra"),
        ("right", "all", model.right, prepared.objects, objects, "is_right"),
        ("missed", "all", model.missed, prepared.candidates, known, "is_missed"),
    ]
    rows = []
    for what, variant, trees, terms, table, truth in asked:
        plain = (table["phenotype"] == "none") & (table["planted"] == "none")
        for group in (name for name, own in FOLDS.items() if own == fold):
            for kind in KINDS:
                mine = (plain & (table["group"] == group) & (table["kind"] == kind)).to_numpy()
                value = auc(trees.probability(terms[mine]), table.loc[mine, truth].to_numpy(bool))
                row = {"group": group, "kind": kind, "evidence": what, "variant": variant}
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
    found = [
        (field_table(*part), reviewable(part[0], part[1]))
        for part in score(mine, model)
        if family is None or part[0] != "none"
    ]
    tables = {
        "fields": pd.concat([fields for fields, _ in found], ignore_index=True),
        "objects": pd.concat([objects for _, objects in found], ignore_index=True),
    }
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
    for name in ("fields", "objects", "ranks"):
        table = pd.concat([part[name] for part in parts if name in part], ignore_index=True)
        table.to_parquet(chosen.out / f"{name}.parquet")
    prepared.train(None, None).save(MODEL)


if __name__ == "__main__":
    main()
