"""Evidence per object and per candidate, from raw features and the plate's reference object.

Ensembles of boosted trees, trained on segmentations of nuclei with known errors, give for every
object the probability that it is two or more (*merge*), that there is nothing (*invented*) and that
it is right, for every touching pair that the seam between them is false, and for every candidate
that it is an object without a label (*missed*). Merges and seams come in variants that see only
part of the features: where variants disagree about a difference of classes, a phenotype may be
mistaken for an error. What they were trained and judged on is in ``model/evidence.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from levelfield.arrays import Floats, Integers, Mask
from levelfield.qc.columns import FIELD, NEIGHBOUR, NUMBER, OBJECT_SET
from levelfield.qc.evidence.attribution import attribute_seams, rows_of_pairs
from levelfield.qc.evidence.candidates import CANDIDATE, PARENT
from levelfield.qc.evidence.reference_object import (
    candidate_references,
    reference_objects,
    reference_rows,
)
from levelfield.qc.evidence.terms import VARIANTS, candidate_terms, merge_terms, seam_terms
from levelfield.qc.evidence.trees import BoostedTrees

MODEL = Path(__file__).parent / "model" / "evidence.npz"
WITH_NETWORK, WITHOUT_NETWORK = "all", "image"
OWN_REFERENCES = "own_references"
_WITHOUT = ("image", "shape")
ALL_VARIANTS = (*VARIANTS, OWN_REFERENCES)
OF_VARIANTS = {
    "balance": "balance_contribution",
    "splits": "split_evidence",
    "merges": "merge_evidence",
}
"""Measures that come by variant, and the column of each that the verdict rests on."""
VARIANT_COLUMNS = tuple(f"{name}_{variant}" for name in OF_VARIANTS for variant in ALL_VARIANTS)
MISBOUNDED_SHARE = 0.2
LEAST_MISBOUNDED_PX = 0.5
ENSEMBLES = (
    *(f"merge/{variant}" for variant in VARIANTS),
    *(f"seam/{variant}" for variant in VARIANTS),
    *("invented", "right", "missed"),
)
"""What is trained: of objects, touching pairs, objects, objects and candidates."""
_FACTORS = ("lacking_per_merge", "missed_per_candidate")

Scores = Mapping[str, Floats]
"""Evidence of every object (n,), by column."""


class Scored(NamedTuple):
    """The evidence of a plate; objects and candidates are sorted by field and number.

    Objects have probabilities that the object is two or more (``merge_evidence``), a piece of one
    (``fragment_evidence``), none (``invented_evidence``; NaN where no network was asked), and
    ``right_evidence``: that it overlaps with the object that is there by an intersection over union
    of 0.7 at least, and is neither a merge nor a fragment. ``split_evidence``: expected excess
    fragments that fall to it, half of the probability of each seam of the maximum spanning forest
    of touching pairs; their sum is the number of excess fragments. ``lacking_evidence``: expected
    objects that it lacks. ``balance_contribution``: the former minus the latter.
    ``balance_<variant>, splits_<variant>, merges_<variant>``: the same by each variant of the
    evidence (`VARIANT_COLUMNS`); NaN where a variant needs the network's opinion and nobody asked
    it. ``relative_area``: over the reference object's. ``evidence``: the variant behind it, all, or
    image where no network was asked. Candidates have ``missed_evidence``: expected missed objects.
    """

    objects: pd.DataFrame
    candidates: pd.DataFrame


@dataclass(frozen=True)
class EvidenceModel:
    """The trained evidence: trees by `ENSEMBLES`.

    An object with merge probability 1 lacks ``lacking_per_merge`` objects on average. There are
    ``missed_per_candidate`` missed objects per candidate that is an object: some hold several.
    """

    trees: Mapping[str, BoostedTrees]
    lacking_per_merge: float
    missed_per_candidate: float

    def save(self, path: Path) -> None:
        """Write the model as an `.npz` of plain arrays."""
        parts = {name: np.array(getattr(self, name)) for name in _FACTORS}
        for name in ENSEMBLES:
            parts |= self.trees[name].arrays(name)
        np.savez_compressed(path, allow_pickle=False, **parts)

    @classmethod
    def load(cls, path: Path) -> EvidenceModel:
        """Read what `save` wrote; nothing in the file is executed."""
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        trees = {name: BoostedTrees.from_arrays(arrays, name) for name in ENSEMBLES}
        return cls(trees, *(float(arrays[name]) for name in _FACTORS))


@lru_cache(maxsize=1)
def shipped_model() -> EvidenceModel:
    """Load the model that comes with Levelfield, once."""
    return EvidenceModel.load(MODEL)


def score_plate(
    objects: pd.DataFrame,
    pairs: pd.DataFrame,
    candidates: pd.DataFrame,
    classes: Mapping[str, str] | None = None,
    model: EvidenceModel | None = None,
    references: pd.DataFrame | None = None,
) -> Scored:
    """Turn the features of a plate into evidence.

    Parameters
    ----------
    objects, pairs, candidates : pandas.DataFrame
        `levelfield.qc.evidence.features.field_features` and
        `levelfield.qc.evidence.candidates.find_candidates` of all fields and object sets of one
        plate, each with the columns `FIELD` in front.
    classes : mapping of str to str, optional
        Control class of each well, for the variant whose reference object is that of its own class.
    references : pandas.DataFrame, optional
        Reference object of each object set
        (`levelfield.qc.evidence.reference_object.reference_objects`); of these objects, if left
        out.

    Raises
    ------
    ValueError
        When columns are missing, or a pair names an object that is not there.
    """
    objects = _sorted(objects, [*FIELD, NUMBER], "objects")
    pairs = _sorted(pairs, [*FIELD, NUMBER, NEIGHBOUR], "pairs")
    candidates = _sorted(candidates, [*FIELD, CANDIDATE], "candidates")
    model = model or shipped_model()
    if references is None:
        references = reference_objects(objects, objects[OBJECT_SET])
    return Scored(
        _score_objects(objects, pairs, references, classes, model),
        _score_candidates(candidates, references, model),
    )


def _sorted(table: pd.DataFrame, keys: list[str], what: str) -> pd.DataFrame:
    missing = [column for column in keys if column not in table]
    if missing:
        raise ValueError(
            f"The table of {what} lacks {', '.join(missing)}; without them its rows cannot be "
            f"placed on the plate. It has: {', '.join(map(str, table.columns))}."
        )
    return table.sort_values(keys, kind="stable", ignore_index=True)


def _score_objects(
    objects: pd.DataFrame,
    pairs: pd.DataFrame,
    references: pd.DataFrame,
    classes: Mapping[str, str] | None,
    model: EvidenceModel,
) -> pd.DataFrame:
    ends = rows_of_pairs(objects, pairs)
    asked = objects["jury_agreement"].notna().to_numpy()
    reference = reference_rows(references, objects[OBJECT_SET])
    terms = merge_terms(objects, reference), seam_terms(objects, pairs, ends, reference)
    scores = {name: _scores(terms, ends, name, model) for name in VARIANTS}
    chosen = _chosen(scores, asked)
    variants = {
        f"{measure}_{name}": np.where(asked | (name in _WITHOUT), own[column], np.nan)
        for name, own in scores.items()
        for measure, column in OF_VARIANTS.items()
    }
    own_references: Scores = dict.fromkeys(chosen, np.full(len(objects), np.nan))
    if classes is not None:
        group = objects[OBJECT_SET] + "|" + objects["Metadata_Well"].map(classes).fillna("")
        of_class = reference_rows(reference_objects(objects, group), group)
        pair = merge_terms(objects, of_class), seam_terms(objects, pairs, ends, of_class)
        names = (WITH_NETWORK, WITHOUT_NETWORK)
        own_references = _chosen({name: _scores(pair, ends, name, model) for name in names}, asked)
    for measure, column in OF_VARIANTS.items():
        variants[f"{measure}_{OWN_REFERENCES}"] = own_references[column]
    right, invented = (model.trees[name].probability(terms[0]) for name in ("right", "invented"))
    return objects.assign(
        **chosen,
        invented_evidence=np.where(asked, invented, np.nan),
        right_evidence=np.where(asked, right, _right_by_parts(objects, chosen)),
        **variants,
        relative_area=objects["area_px"] / reference["area_px"],
        evidence=np.where(asked, WITH_NETWORK, WITHOUT_NETWORK),
    )


def _scores(
    terms: tuple[pd.DataFrame, pd.DataFrame],
    ends: tuple[Integers, Integers],
    variant: str,
    model: EvidenceModel,
) -> Scores:
    merge = model.trees[f"merge/{variant}"].probability(terms[0])
    seams = model.trees[f"seam/{variant}"].probability(terms[1])
    split, fragment = attribute_seams(len(merge), ends, seams)
    lacking = model.lacking_per_merge * merge
    return {
        "merge_evidence": merge,
        "split_evidence": split,
        "fragment_evidence": fragment,
        "lacking_evidence": lacking,
        "balance_contribution": split - lacking,
    }


def _chosen(scores: Mapping[str, Scores], asked: Mask) -> dict[str, Floats]:
    """Return the evidence that has all there is to see: the network where it was asked."""
    return {
        name: np.where(asked, with_network, scores[WITHOUT_NETWORK][name])
        for name, with_network in scores[WITH_NETWORK].items()
    }


def _right_by_parts(objects: pd.DataFrame, scores: Scores) -> Floats:
    """Estimate what is right where no network was asked: undivided, unmerged, its edge in place."""
    # An edge off by a fifth of the radius is an intersection over union of about 0.7; an unmeasured
    # edge counts as right.
    radius = np.sqrt(objects["area_px"] / np.pi)
    limit = np.maximum(MISBOUNDED_SHARE * radius, LEAST_MISBOUNDED_PX)
    in_place = ~(objects["threshold_bias_px"].abs() > limit).to_numpy()
    return (1 - scores["merge_evidence"]) * (1 - scores["fragment_evidence"]) * in_place


def _score_candidates(
    candidates: pd.DataFrame, references: pd.DataFrame, model: EvidenceModel
) -> pd.DataFrame:
    """Add ``missed_evidence``."""
    reference = candidate_references(candidates, candidates[OBJECT_SET], references)
    terms = candidate_terms(candidates, reference)
    chance = model.missed_per_candidate * model.trees["missed"].probability(terms)
    certain = (candidates["found_by"] == PARENT).to_numpy()
    return candidates.assign(missed_evidence=np.where(certain, 1.0, chance))
