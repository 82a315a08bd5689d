"""The errors of a control class by the evidence, plain or recalibrated on its collages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from levelfield.arrays import Floats, Integers
from levelfield.qc.collage.recalibration import Recalibration, fit_recalibration
from levelfield.qc.columns import OBJECT_SET
from levelfield.qc.evidence.attribution import attribute_seams, rows_of_pairs
from levelfield.qc.evidence.reference_object import candidate_references, reference_rows
from levelfield.qc.evidence.scores import EvidenceModel
from levelfield.qc.evidence.terms import candidate_terms, merge_terms, seam_terms

RECALIBRATED = ("merge", "seam", "invented", "missed")


class ClassEvidence(NamedTuple):
    """Probabilities that objects are merges or invented (n,), seams false (p,), candidates missed.

    `ends` are the rows of the two objects of each seam.
    """

    merge: Floats
    seam: Floats
    invented: Floats
    missed: Floats
    ends: tuple[Integers, Integers]

    def recalibrated(self, changes: Mapping[str, Recalibration]) -> ClassEvidence:
        """Change the probabilities, each kind by its own recalibration."""
        merge, seam, invented, missed = (
            changes.get(name, Recalibration())(getattr(self, name)) for name in RECALIBRATED
        )
        return ClassEvidence(merge, seam, invented, missed, self.ends)

    def rates(self, model: EvidenceModel) -> dict[str, float]:
        """Return the measures, in fractions of objects, as the evidence reads them."""
        n = max(len(self.merge), 1)
        splits = float(attribute_seams(len(self.merge), self.ends, self.seam)[0].sum())
        lacking = model.lacking_per_merge * float(self.merge.sum())
        missed = model.missed_per_candidate * float(self.missed.sum())
        invented = float(self.invented.sum())
        there = max(len(self.merge) - splits - invented + lacking, 0.0) + missed
        return {
            "balance": (splits - lacking) / n,
            "splits": splits / n,
            "merges": float(self.merge.sum()) / n,
            "missed": missed / max(there, 1.0),
            "invented": invented / n,
        }


def class_evidence(
    objects: pd.DataFrame,
    pairs: pd.DataFrame,
    candidates: pd.DataFrame,
    references: pd.DataFrame,
    model: EvidenceModel,
) -> ClassEvidence:
    """Score the objects, seams and candidates of one object set of a class.

    Tables are those of `levelfield.qc.evidence.scores.score_plate`, sorted as there; `references`
    are the plate's reference objects.
    """
    ends = rows_of_pairs(objects, pairs)
    reference = reference_rows(references, objects[OBJECT_SET])
    terms = merge_terms(objects, reference)
    seams = seam_terms(objects, pairs, ends, reference)
    known = candidate_references(candidates, candidates[OBJECT_SET], references)
    return ClassEvidence(
        merge=model.trees["merge/all"].probability(terms),
        seam=model.trees["seam/all"].probability(seams),
        invented=model.trees["invented"].probability(terms),
        missed=model.trees["missed"].probability(candidate_terms(candidates, known)),
        ends=ends,
    )


def fit_class(
    collages: ClassEvidence, is_merge: Floats, is_false: Floats, is_extra: Floats, is_missed: Floats
) -> dict[str, Recalibration]:
    """Fit the recalibration of a class to what is true of its collages, by `RECALIBRATED`."""
    truths = (is_merge, is_false, is_extra, is_missed)
    return {
        name: fit_recalibration(getattr(collages, name), np.asarray(truth, bool))
        for name, truth in zip(RECALIBRATED, truths, strict=True)
    }
