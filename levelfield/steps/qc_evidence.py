"""What the QC needs from the pixels of a pack: one job collects it, field by field.

A process that does this imports no more than it needs, and holds one field at a time.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from levelfield.arrays import Image, Labels
from levelfield.config.settings import ObjectSetSettings, Science
from levelfield.execution.field_cache import Field, code_version
from levelfield.execution.memory import give_back_memory
from levelfield.io.checksums import file_sha256
from levelfield.labels.labelwise import areas
from levelfield.qc.columns import OBJECT_SET
from levelfield.qc.evidence.candidates import childless_parents, find_candidates, no_candidates
from levelfield.qc.evidence.features import empty_features, field_features
from levelfield.qc.evidence.opinion_network import SHIPPED_OPINION
from levelfield.qc.evidence.second_opinion import SecondOpinion, ask_second_opinion
from levelfield.segmentation import METHODS
from levelfield.steps.fields import FieldReader, identify

# The code that decides an evidence feature's value: a change here computes it again.
_EVIDENCE_CODE = (
    "levelfield.images",
    "levelfield.labels",
    "levelfield.illumination",
    "levelfield.steps.qc_evidence",
    "levelfield.qc.evidence",
    "levelfield.segmentation",
)
TABLES = ("evidence", "pairs", "candidates", "fields")


@dataclass(frozen=True)
class EvidenceJob:
    """All that the fields of one pack have in common.

    The level says where between background (0) and object (1) an edge is said to lie. The tables
    are ``evidence``, a row per object, and ``pairs``, a row per pair of touching objects
    (`levelfield.qc.evidence.features.field_features`); ``candidates``, a row per place where an
    object may be missing (`levelfield.qc.evidence.candidates`); ``fields``, a row per field, with
    the numbers of objects: ``n_labels``, and ``n_second_opinion`` by the network, or of parents
    where there are any. Each has the object set's name.
    """

    reader: FieldReader
    sets: tuple[ObjectSetSettings, ...]
    threshold_level: float

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables that a field gives."""
        return TABLES

    @property
    def parts(self) -> dict[str, Any]:
        """What the evidence depends on besides a field's pixels and labels."""
        sets = [
            [made.name, list(made.channels), sorted(made.parents.items())] for made in self.sets
        ]
        return {
            "sets": sets,
            "level": self.threshold_level,
            "opinion": file_sha256(SHIPPED_OPINION),
            "code": code_version(_EVIDENCE_CODE),
            **self.reader.images.marks,
        }

    def rows_of(self, counts: dict[str, int]) -> dict[str, int]:
        """Return how many rows two of the tables have."""
        n_objects = sum(counts[made.name] for made in self.sets)
        return {"evidence": n_objects, "fields": len(self.sets)}

    def compute(self, field: Field) -> dict[str, pd.DataFrame]:
        """Collect the evidence of one field; one without objects is asked about too."""
        _, well, site = field
        found: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
        for made in self.sets:
            # Only what this set needs: the others' pixels are memory that the network wants.
            sets = {made.name, *made.parents.values()}
            image, labels = self.reader.read(well, site, made.channels[:1], sorted(sets))
            give_back_memory()
            parents = labels.get(made.parents.get("parent", ""))
            # The network knows nuclei; what grows from others is another kind of object.
            opinion = None
            if parents is None:
                opinion = ask_second_opinion(image[0], labels[made.name])
                give_back_memory()
            own = image[0], labels[made.name]
            tables = evidence_of(*own, self.threshold_level, opinion, parents)
            del image, labels, parents, opinion, own
            give_back_memory()
            for name, table in tables.items():
                table.insert(0, OBJECT_SET, made.name)
                found[name].append(identify(table, field))
        return {name: pd.concat(_filled(own), ignore_index=True) for name, own in found.items()}

    def empty(self, name: str) -> pd.DataFrame:
        """Return a table without rows."""
        objects, pairs = empty_features()
        counts = pd.DataFrame({"n_labels": np.empty(0, int), "n_second_opinion": np.empty(0, int)})
        none = dict(zip(TABLES, (objects, pairs, no_candidates(), counts), strict=True))[name]
        none.insert(0, OBJECT_SET, pd.Series(dtype=object))
        # Of no field: the columns get the types that a field's name, well and number give them.
        return identify(none, ("", "", 0))


def judged_sets(science: Science) -> tuple[ObjectSetSettings, ...]:
    """Return the object sets that have outlines of their own.

    What is made by subtraction or masking is bounded by the outlines of other sets, and judged
    with them.
    """
    return tuple(s for s in science.object_sets if not METHODS[s.method].copies_outlines)


def _filled(tables: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """Leave out tables without rows, which must not decide the columns' types, unless all are."""
    return [table for table in tables if len(table)] or tables[:1]


def evidence_of(
    plane: Image,
    labels: Labels,
    level: float,
    opinion: SecondOpinion | None,
    parents: Labels | None = None,
) -> dict[str, pd.DataFrame]:
    """Collect the evidence of one object set of a field: `TABLES`, without their first columns.

    With `parents` (Y, X), of objects that are grown from others; else with the second opinion.
    """
    features = field_features(labels, plane, inner=parents, level=level, opinion=opinion)
    if parents is not None:
        candidates, seen = childless_parents(labels, parents), parents
    elif opinion is not None:
        candidates, seen = find_candidates(labels, plane, opinion)[1], opinion.labels
    counts = {"n_labels": _count(labels), "n_second_opinion": _count(seen)}
    tables = (features.objects, features.pairs, candidates, pd.DataFrame([counts]))
    return dict(zip(TABLES, tables, strict=True))


def _count(labels: Labels) -> int:
    return int(np.count_nonzero(areas(labels)))
