"""Split and merge evidence per object, from raw features and the plate's typical object.

Two ensembles of boosted trees, trained on segmentations of nuclei with known errors, give for every
object the probability that it is two or more (*merge*), and for every touching pair that the seam
between them is false. They come in variants that see only part of the features: where variants
disagree about a difference of classes, a phenotype may be mistaken for an error, and the range of
their answers says how far. What they were trained and judged on is in ``model/evidence.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import minimum_spanning_tree

from levelfield.qc.evidence.features import NEIGHBOUR, NUMBER
from levelfield.qc.evidence.terms import VARIANTS, merge_terms, seam_terms
from levelfield.qc.evidence.trees import BoostedTrees
from levelfield.qc.evidence.typical import TypicalObject, typical_object

OBJECT_SET = "object_set"
FIELD = ["Metadata_Plate", "Metadata_Well", "Metadata_Site", OBJECT_SET]
MODEL = Path(__file__).parent / "model" / "evidence.npz"
WITH_NETWORK, WITHOUT_NETWORK = "all", "image"
OWN_REFERENCES = "own_references"
_WITHOUT = ("image", "shape")
VARIANT_COLUMNS = tuple(f"balance_{name}" for name in (*VARIANTS, OWN_REFERENCES))


@dataclass(frozen=True)
class EvidenceModel:
    """The trained evidence.

    Attributes
    ----------
    merge, seam : mapping of str to BoostedTrees
        By variant (`levelfield.qc.evidence.terms.VARIANTS`).
    lacking_per_merge : float
        Objects that an object with merge probability 1 lacks, on average.
    """

    merge: Mapping[str, BoostedTrees]
    seam: Mapping[str, BoostedTrees]
    lacking_per_merge: float

    def save(self, path: Path) -> None:
        """Write the model as an `.npz` of plain arrays."""
        parts = {"lacking_per_merge": np.array(self.lacking_per_merge)}
        for kind in ("merge", "seam"):
            for variant, trees in getattr(self, kind).items():
                parts |= trees.arrays(f"{kind}/{variant}")
        np.savez_compressed(path, **parts)

    @classmethod
    def load(cls, path: Path) -> EvidenceModel:
        """Read what `save` wrote; nothing in the file is executed."""
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        merge, seam = (
            {name: BoostedTrees.from_arrays(arrays, f"{kind}/{name}") for name in VARIANTS}
            for kind in ("merge", "seam")
        )
        return cls(merge, seam, float(arrays["lacking_per_merge"]))


@lru_cache(maxsize=1)
def shipped_model() -> EvidenceModel:
    """Load the model that comes with Levelfield, once."""
    return EvidenceModel.load(MODEL)


def score_objects(
    objects: pd.DataFrame,
    pairs: pd.DataFrame,
    classes: Mapping[str, str] | None = None,
    model: EvidenceModel | None = None,
) -> pd.DataFrame:
    """Add the evidence to the objects of a plate.

    Parameters
    ----------
    objects, pairs : pandas.DataFrame
        `levelfield.qc.evidence.features.field_features` of all fields and object sets of one
        plate, each with the columns `FIELD` in front.
    classes : mapping of str to str, optional
        Control class of each well, for the variant whose typical object is that of its own class.
    model : EvidenceModel, optional
        The shipped one by default.

    Returns
    -------
    pandas.DataFrame
        The objects, sorted by field and number, with

        ``merge_evidence``
            Probability that this object is two or more.
        ``split_evidence``
            Expected excess fragments that fall to this object: half of the probability of each
            seam of the maximum spanning forest of touching pairs. Summed over objects, it is the
            number of excess fragments.
        ``fragment_evidence``
            Probability that this object is a piece of one.
        ``balance_contribution``
            Expected excess fragments minus expected lacking objects.
        ``balance_<variant>``
            The same by each variant of the evidence (`VARIANT_COLUMNS`); NaN where a variant
            needs the network's opinion and nobody asked it.
        ``relative_area``
            Area over the typical object's.
        ``evidence``
            The variant behind the evidence: all, or image where no network was asked.

    Raises
    ------
    ValueError
        When columns are missing, or a pair names an object that is not there.
    """
    _require(objects, [*FIELD, NUMBER], "objects")
    _require(pairs, [*FIELD, NUMBER, NEIGHBOUR], "pairs")
    model = model or shipped_model()
    objects = objects.sort_values([*FIELD, NUMBER], kind="stable", ignore_index=True)
    pairs = pairs.sort_values([*FIELD, NUMBER, NEIGHBOUR], kind="stable", ignore_index=True)
    ends = _row_of_object(objects, pairs, NUMBER), _row_of_object(objects, pairs, NEIGHBOUR)
    asked = objects["jury_agreement"].notna().to_numpy()
    typical = _typical_rows(objects, objects[OBJECT_SET])
    terms = merge_terms(objects, typical), seam_terms(objects, pairs, ends, typical)
    scores = {name: _scores(terms, ends, name, model) for name in VARIANTS}
    chosen = {
        name: np.where(asked, with_network, scores[WITHOUT_NETWORK][name])
        for name, with_network in scores[WITH_NETWORK].items()
    }
    balances = {
        f"balance_{name}": np.where(asked | (name in _WITHOUT), one["balance_contribution"], np.nan)
        for name, one in scores.items()
    }
    own = np.full(len(objects), np.nan)
    if classes is not None:
        own = _own_references(objects, pairs, ends, asked, classes, model)
    return objects.assign(
        **chosen,
        **balances,
        **{f"balance_{OWN_REFERENCES}": own},
        relative_area=objects["area_px"] / typical["area_px"],
        evidence=np.where(asked, WITH_NETWORK, WITHOUT_NETWORK),
    )


def _own_references(
    objects: pd.DataFrame,
    pairs: pd.DataFrame,
    ends: Sequence[NDArray[np.int64]],
    asked: NDArray[np.bool_],
    classes: Mapping[str, str],
    model: EvidenceModel,
) -> NDArray[np.float64]:
    """Balance of every object with its own control class as the measure of what is typical."""
    group = objects[OBJECT_SET] + "|" + objects["Metadata_Well"].map(classes).fillna("")
    typical = _typical_rows(objects, group)
    terms = merge_terms(objects, typical), seam_terms(objects, pairs, ends, typical)
    both = [
        _scores(terms, ends, name, model)["balance_contribution"]
        for name in (WITH_NETWORK, WITHOUT_NETWORK)
    ]
    return np.where(asked, *both)


def _require(table: pd.DataFrame, columns: list[str], what: str) -> None:
    missing = [column for column in columns if column not in table]
    if missing:
        raise ValueError(
            f"The table of {what} lacks {', '.join(missing)}; without them its rows cannot be "
            f"placed on the plate. It has: {', '.join(map(str, table.columns))}."
        )


def _typical_rows(objects: pd.DataFrame, group: pd.Series) -> pd.DataFrame:
    """Return the typical object of each object's group, row by row."""
    found: dict[str, TypicalObject] = {
        name: typical_object(rows) for name, rows in objects.groupby(group, sort=True)
    }
    return pd.DataFrame(
        {
            "area_px": group.map({name: one.area_px for name, one in found.items()}),
            "integrated_intensity": group.map(
                {name: one.integrated_intensity for name, one in found.items()}
            ),
        }
    ).astype(float)


def _scores(
    terms: tuple[pd.DataFrame, pd.DataFrame],
    ends: Sequence[NDArray[np.int64]],
    variant: str,
    model: EvidenceModel,
) -> dict[str, NDArray[np.float64]]:
    merge = model.merge[variant].probability(terms[0])
    split, fragment = attribute_seams(len(merge), ends, model.seam[variant].probability(terms[1]))
    return {
        "merge_evidence": merge,
        "split_evidence": split,
        "fragment_evidence": fragment,
        "balance_contribution": split - model.lacking_per_merge * merge,
    }


def attribute_seams(
    count: int, ends: Sequence[NDArray[np.int64]], seams: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Excess fragments and fragment evidence per object, over the maximum spanning forest.

    Parameters
    ----------
    count : int
        Number of objects.
    ends : two of (p,) int64
        Rows of the two objects of each touching pair.
    seams : (p,) float64
        Probability that the seam between them is false.

    Returns
    -------
    (count,), (count,) float64
    """
    split, fragment = np.zeros(count), np.zeros(count)
    if len(seams) == 0:
        return split, fragment
    # Minimum of 2 - evidence is maximum of evidence; an edge of weight 0 would not count as one.
    graph = sparse.coo_array((2 - seams, tuple(ends)), shape=(count, count))
    forest = minimum_spanning_tree(graph.tocsr()).tocoo()
    evidence = 2 - forest.data
    for end in (forest.row, forest.col):
        np.add.at(split, end, evidence / 2)
        np.add.at(fragment, end, np.log1p(-np.minimum(evidence, 1 - 1e-9)))
    return split, 1 - np.exp(fragment)


def _row_of_object(objects: pd.DataFrame, pairs: pd.DataFrame, column: str) -> NDArray[np.int64]:
    key = [*FIELD, NUMBER]
    places = objects[key].assign(row=np.arange(len(objects)))
    wanted = pairs[[*FIELD, column]].rename(columns={column: NUMBER})
    rows = wanted.merge(places, on=key, how="left", sort=False, validate="many_to_one")["row"]
    if rows.isna().any():
        lost = wanted[rows.isna().to_numpy()].iloc[0].to_dict()
        raise ValueError(
            f"A touching pair names an object that the table of objects lacks: {lost}. The two "
            "tables come from different runs or one is incomplete; make both again."
        )
    return rows.to_numpy(np.int64)
