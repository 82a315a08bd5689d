"""Evidence per object and per candidate, from raw features and the plate's reference object.

Ensembles of boosted trees, trained on segmentations of nuclei with known errors, give for every
object the probability that it is two or more (*merge*), that there is nothing (*invented*) and that
it is right, for every touching pair that the seam between them is false, and for every candidate
that it is an object without a label (*missed*). Merges and seams come in variants that see only
part of the features: where variants disagree about a difference of classes, a phenotype may be
mistaken for an error. What they were trained and judged on is in ``model/evidence.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from levelfield.arrays import AnyArray, Floats, Integers, Mask
from levelfield.qc.columns import FIELD, NEIGHBOUR, NUMBER, OBJECT_SET
from levelfield.qc.evidence.attribution import attribute_seams, rows_of_pairs
from levelfield.qc.evidence.candidates import CANDIDATE, PARENT
from levelfield.qc.evidence.reference_object import (
    ReferenceObject,
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


class Scored(NamedTuple):
    """The evidence of a plate: its objects and its candidates."""

    objects: pd.DataFrame
    candidates: pd.DataFrame


@dataclass(frozen=True)
class EvidenceModel:
    """The trained evidence.

    Attributes
    ----------
    merge, seam : mapping of str to BoostedTrees
        By variant (`levelfield.qc.evidence.terms.VARIANTS`).
    invented, right, missed : BoostedTrees
        Of objects, objects and candidates.
    lacking_per_merge : float
        Objects that an object with merge probability 1 lacks, on average.
    missed_per_candidate : float
        Missed objects per candidate that is one: some hold several.
    """

    merge: Mapping[str, BoostedTrees]
    seam: Mapping[str, BoostedTrees]
    invented: BoostedTrees
    right: BoostedTrees
    missed: BoostedTrees
    lacking_per_merge: float
    missed_per_candidate: float

    def save(self, path: Path) -> None:
        """Write the model as an `.npz` of plain arrays."""
        parts = {name: np.array(getattr(self, name)) for name in _FACTORS}
        for kind in ("merge", "seam"):
            for variant, trees in getattr(self, kind).items():
                parts |= trees.arrays(f"{kind}/{variant}")
        for kind in _SINGLE:
            parts |= getattr(self, kind).arrays(kind)
        np.savez_compressed(path, allow_pickle=False, **parts)

    @classmethod
    def load(cls, path: Path) -> EvidenceModel:
        """Read what `save` wrote; nothing in the file is executed."""
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        merge, seam = (
            {name: BoostedTrees.from_arrays(arrays, f"{kind}/{name}") for name in VARIANTS}
            for kind in ("merge", "seam")
        )
        others: dict[str, Any] = {
            **{kind: BoostedTrees.from_arrays(arrays, kind) for kind in _SINGLE},
            **{name: float(arrays[name]) for name in _FACTORS},
        }
        return cls(merge, seam, **others)


_SINGLE = ("invented", "right", "missed")
_FACTORS = ("lacking_per_merge", "missed_per_candidate")


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
    model : EvidenceModel, optional
        The shipped one by default.

    Returns
    -------
    Scored
        The objects, sorted by field and number, with

        ``merge_evidence``
            Probability that this object is two or more.
        ``split_evidence``
            Expected excess fragments that fall to this object: half of the probability of each
            seam of the maximum spanning forest of touching pairs. Summed over objects, it is the
            number of excess fragments.
        ``fragment_evidence``
            Probability that this object is a piece of one.
        ``lacking_evidence``
            Expected objects that this one lacks.
        ``balance_contribution``
            Expected excess fragments minus expected lacking objects.
        ``invented_evidence``
            Probability that there is no object; NaN where no network was asked.
        ``right_evidence``
            Probability that it overlaps with the object that is there by an intersection over
            union of 0.7 at least, and is neither a merge nor a fragment.
        ``balance_<variant>, splits_<variant>, merges_<variant>``
            The same by each variant of the evidence (`VARIANT_COLUMNS`); NaN where a variant
            needs the network's opinion and nobody asked it.
        ``relative_area``
            Area over the reference object's.
        ``evidence``
            The variant behind the evidence: all, or image where no network was asked.

        The candidates, sorted likewise, with ``missed_evidence``: expected missed objects.

    Raises
    ------
    ValueError
        When columns are missing, or a pair names an object that is not there.
    """
    _require(objects, [*FIELD, NUMBER], "objects")
    _require(pairs, [*FIELD, NUMBER, NEIGHBOUR], "pairs")
    _require(candidates, [*FIELD, CANDIDATE], "candidates")
    model = model or shipped_model()
    objects = objects.sort_values([*FIELD, NUMBER], kind="stable", ignore_index=True)
    pairs = pairs.sort_values([*FIELD, NUMBER, NEIGHBOUR], kind="stable", ignore_index=True)
    candidates = candidates.sort_values([*FIELD, CANDIDATE], kind="stable", ignore_index=True)
    references = reference_objects(objects, objects[OBJECT_SET])
    return Scored(
        _score_objects(objects, pairs, references, classes, model),
        _score_candidates(candidates, references, model),
    )


def _score_objects(
    objects: pd.DataFrame,
    pairs: pd.DataFrame,
    references: Mapping[str, ReferenceObject],
    classes: Mapping[str, str] | None,
    model: EvidenceModel,
) -> pd.DataFrame:
    ends = rows_of_pairs(objects, pairs)
    asked = objects["jury_agreement"].notna().to_numpy()
    reference = reference_rows(references, objects[OBJECT_SET])
    terms = merge_terms(objects, reference), seam_terms(objects, pairs, ends, reference)
    scores = {name: _scores(terms, ends, name, model) for name in VARIANTS}
    chosen = {
        name: np.where(asked, with_network, scores[WITHOUT_NETWORK][name])
        for name, with_network in scores[WITH_NETWORK].items()
    }
    variants = {
        f"{measure}_{name}": np.where(asked | (name in _WITHOUT), by_measure[column], np.nan)
        for name, by_measure in scores.items()
        for measure, column in OF_VARIANTS.items()
    }
    for measure in OF_VARIANTS:
        variants[f"{measure}_{OWN_REFERENCES}"] = np.full(len(objects), np.nan)
    if classes is not None:
        variants |= _own_references(objects, pairs, ends, asked, classes, model)
    right = np.where(asked, model.right.probability(terms[0]), _right_by_parts(objects, chosen))
    return objects.assign(
        **chosen,
        invented_evidence=np.where(asked, model.invented.probability(terms[0]), np.nan),
        right_evidence=right,
        **variants,
        relative_area=objects["area_px"] / reference["area_px"],
        evidence=np.where(asked, WITH_NETWORK, WITHOUT_NETWORK),
    )


def _score_candidates(
    candidates: pd.DataFrame, references: Mapping[str, ReferenceObject], model: EvidenceModel
) -> pd.DataFrame:
    """Add ``missed_evidence``; of sets without any object, candidates are their own measure."""
    missing = set(candidates[OBJECT_SET]) - set(references)
    if missing:
        own = candidates[candidates[OBJECT_SET].isin(missing)]
        references = dict(references) | reference_objects(own, own[OBJECT_SET])
    terms = candidate_terms(candidates, reference_rows(references, candidates[OBJECT_SET]))
    chance = model.missed_per_candidate * model.missed.probability(terms)
    certain = (candidates["found_by"] == PARENT).to_numpy()
    return candidates.assign(missed_evidence=np.where(certain, 1.0, chance))


def _right_by_parts(objects: pd.DataFrame, scores: Mapping[str, AnyArray]) -> Floats:
    """Estimate what is right where no network was asked: undivided, unmerged, its edge in place.

    The edge is out of place if it is off by more than a fifth of the object's radius, which is an
    intersection over union of about 0.7; an unmeasured edge counts as right.
    """
    radius = np.sqrt(objects["area_px"] / np.pi)
    limit = np.maximum(MISBOUNDED_SHARE * radius, LEAST_MISBOUNDED_PX)
    in_place = ~(objects["threshold_bias_px"].abs() > limit).to_numpy()
    return (1 - scores["merge_evidence"]) * (1 - scores["fragment_evidence"]) * in_place


def _own_references(
    objects: pd.DataFrame,
    pairs: pd.DataFrame,
    ends: Sequence[Integers],
    asked: Mask,
    classes: Mapping[str, str],
    model: EvidenceModel,
) -> dict[str, Floats]:
    """Evidence of every object with its own control class as the reference."""
    group = objects[OBJECT_SET] + "|" + objects["Metadata_Well"].map(classes).fillna("")
    reference = reference_rows(reference_objects(objects, group), group)
    terms = merge_terms(objects, reference), seam_terms(objects, pairs, ends, reference)
    with_network, without = (
        _scores(terms, ends, name, model) for name in (WITH_NETWORK, WITHOUT_NETWORK)
    )
    return {
        f"{measure}_{OWN_REFERENCES}": np.where(asked, with_network[column], without[column])
        for measure, column in OF_VARIANTS.items()
    }


def _require(table: pd.DataFrame, columns: list[str], what: str) -> None:
    missing = [column for column in columns if column not in table]
    if missing:
        raise ValueError(
            f"The table of {what} lacks {', '.join(missing)}; without them its rows cannot be "
            f"placed on the plate. It has: {', '.join(map(str, table.columns))}."
        )


def _scores(
    terms: tuple[pd.DataFrame, pd.DataFrame],
    ends: Sequence[Integers],
    variant: str,
    model: EvidenceModel,
) -> dict[str, Floats]:
    merge = model.merge[variant].probability(terms[0])
    split, fragment = attribute_seams(len(merge), ends, model.seam[variant].probability(terms[1]))
    return {
        "merge_evidence": merge,
        "split_evidence": split,
        "fragment_evidence": fragment,
        "lacking_evidence": model.lacking_per_merge * merge,
        "balance_contribution": split - model.lacking_per_merge * merge,
    }
