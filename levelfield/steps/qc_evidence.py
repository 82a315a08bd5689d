"""What the QC needs from the pixels of a pack: one job collects it, field by field.

A process that does this imports no more than it needs, and holds one field at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from levelfield.arrays import Image, Labels
from levelfield.config.settings import ObjectSetSettings, Science
from levelfield.execution.checkpoints import Checkpoint
from levelfield.execution.field_cache import (
    code_version,
    field_fingerprints,
    join,
    map_changed_fields,
)
from levelfield.execution.memory import give_back_memory
from levelfield.io.checksums import file_sha256
from levelfield.labels.labelwise import areas
from levelfield.qc.columns import OBJECT_SET
from levelfield.qc.evidence.candidates import childless_parents, find_candidates, no_candidates
from levelfield.qc.evidence.features import empty_features, field_features
from levelfield.qc.evidence.opinion_network import SHIPPED_OPINION
from levelfield.qc.evidence.second_opinion import ask_second_opinion
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

    The level says where between background (0) and object (1) an edge is said to lie.
    """

    reader: FieldReader
    sets: tuple[ObjectSetSettings, ...]
    threshold_level: float


def judged_sets(science: Science) -> tuple[ObjectSetSettings, ...]:
    """Return the object sets that have outlines of their own.

    What is made by subtraction or masking is bounded by the outlines of other sets, and judged
    with them.
    """
    return tuple(s for s in science.object_sets if s.method not in ("subtraction", "masked"))


def evidence_pack(
    segmented: pd.DataFrame,
    job: EvidenceJob,
    previous: dict[str, pd.DataFrame],
    workers: int,
    what: str,
    checkpoint: Checkpoint | None = None,
) -> dict[str, pd.DataFrame]:
    """Collect the evidence of every sound field of a pack, unless an earlier table holds it.

    Returns
    -------
    dict of str to DataFrame
        ``evidence``, a row per object, and ``pairs``, a row per pair of touching objects
        (`levelfield.qc.evidence.features.field_features`); ``candidates``, a row per place where
        an object may be missing (`levelfield.qc.evidence.candidates`); ``fields``, a row per
        field, with the numbers of objects: ``n_labels``, and ``n_second_opinion`` by the network,
        or of parents where there are any. Each with the object set's name.
    """
    parts = {
        "sets": [[s.name, list(s.channels), sorted(s.parents.items())] for s in job.sets],
        "level": job.threshold_level,
        "opinion": file_sha256(SHIPPED_OPINION),
        "code": code_version(_EVIDENCE_CODE),
        **job.reader.images.marks,
    }
    fields = field_fingerprints(segmented, parts)
    compute = partial(evidence_field, job=job)
    expected = partial(_rows_of, sets=[made.name for made in job.sets])
    tables = map_changed_fields(compute, fields, previous, expected, workers, what, checkpoint)
    return join(tables, TABLES, no_evidence)


def _rows_of(counts: dict[str, int], sets: Sequence[str]) -> dict[str, int]:
    return {"evidence": sum(counts[name] for name in sets), "fields": len(sets)}


def no_evidence(name: str) -> pd.DataFrame:
    """Return one of the `TABLES` of a pack without any sound field: all columns, no rows."""
    objects, pairs = empty_features()
    counts = pd.DataFrame({"n_labels": np.empty(0, int), "n_second_opinion": np.empty(0, int)})
    none = dict(zip(TABLES, (objects, pairs, no_candidates(), counts), strict=True))[name]
    none.insert(0, OBJECT_SET, pd.Series(dtype=object))
    # Of no field: the columns get the types that a field's name, well and number would give them.
    return identify(none, ("", "", 0))


def evidence_field(field: tuple[str, str, int], job: EvidenceJob) -> dict[str, pd.DataFrame]:
    """Collect the evidence of one field: `TABLES`, a field without objects is asked about too."""
    _, well, site = field
    found: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
    for object_set in job.sets:
        # Only what this set needs: the others' pixels are memory that the network wants.
        sets = {object_set.name, *object_set.parents.values()}
        image, labels = job.reader.read(well, site, object_set.channels[:1], sorted(sets))
        give_back_memory()
        parents = labels.get(object_set.parents.get("parent", ""))
        tables = _evidence_of(image[0], labels[object_set.name], parents, job.threshold_level)
        del image, labels, parents
        give_back_memory()
        for name, table in tables.items():
            table.insert(0, OBJECT_SET, object_set.name)
            found[name].append(identify(table, field))
    return {name: pd.concat(_filled(tables), ignore_index=True) for name, tables in found.items()}


def _filled(tables: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """Leave out tables without rows, which must not decide the columns' types, unless all are."""
    return [table for table in tables if len(table)] or tables[:1]


def _evidence_of(
    plane: Image, labels: Labels, parents: Labels | None, level: float
) -> dict[str, pd.DataFrame]:
    """Collect the evidence of one object set of a field."""
    # The network knows nuclei; what grows from others is another kind of object.
    opinion = ask_second_opinion(plane, labels) if parents is None else None
    give_back_memory()
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
