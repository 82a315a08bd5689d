"""Which objects people should look at: strata by risk, shares by Neyman's rule, a seeded draw.

A few objects hold most of the errors, and the evidence knows roughly which. So the objects of a
control class are cut into strata by risk, a stratum gets the more of the review the larger it is
and the less its answers can be foreseen, and within a stratum chance decides. Every object has a
random number of its own, made from its place and a seed: a larger review contains the smaller one,
and what happens to other fields changes nothing.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from levelfield.arrays import Floats, Integers, Mask
from levelfield.qc.columns import FIELD, NUMBER, OBJECT_SET
from levelfield.qc.review.answers import OBJECT, SHEET_COLUMNS
from levelfield.qc.statistics.comparison import ClassKey, Comparison, Wells, control_classes
from levelfield.qc.verdict.steps import FIELDS_TO_SEARCH

RISK_CUTS = (0.02, 0.08, 0.25, 0.6)
FEWEST_PER_STRATUM = 3
# Of those tried on BBBC038, among the ones with most power.
# What errors really vary by is more in the stratum of highest risk, and less in the one below.
SPREAD_OF_ERRORS, UNFORESEEN = 0.5, 0.01
SEED = 1
USUALLY_LACKING = 1.25
"""Objects that a merge lacks, about; the draw needs no more than the order of risks."""
WEIGHT_OF_INVENTED, WEIGHT_OF_WRONG = 0.25, 0.1
"""How far a label without an object, and anything else that is not right, count beside errors of
the balance. The second is below the cut of the two highest strata, so that outlines that are off
everywhere do not push doubtful merges and fragments out of them."""
LIST_COLUMNS = (
    *("order", *SHEET_COLUMNS[:5], "centre_y_px", "centre_x_px", "checksum"),
    *("reviewer", "answer", "f", "m"),
)
_NAMES = dict(zip(OBJECT, SHEET_COLUMNS, strict=False))


@dataclass(frozen=True)
class ReviewPlan:
    """How much is reviewed.

    Attributes
    ----------
    per_class, fields_per_class : int
        Objects of every object set and control class, and whole fields, on which missed objects are
        counted; all of them where a class has fewer.
    seed : int
        Seed of the draw.
    """

    per_class: int = 100
    fields_per_class: int = FIELDS_TO_SEARCH
    seed: int = SEED


def object_risk(objects: pd.DataFrame) -> Floats:
    """How far scored objects (n,) may change what is judged, 0 to 1, by their evidence.

    The largest of: what the object may change of the balance (half of a fragment; 1.25 objects of a
    merge), a quarter of the evidence that it is invented, and a tenth of that that it is not
    right. It never falls when any of these grows. Unknown evidence counts as none: such an object
    is drawn with those of no risk, and the review corrects for what it is.
    """
    weights = {"fragment": 0.5, "merge": USUALLY_LACKING, "invented": WEIGHT_OF_INVENTED}
    risks = [own * objects[f"{name}_evidence"].to_numpy(float) for name, own in weights.items()]
    risks.append(WEIGHT_OF_WRONG * (1 - objects["right_evidence"].to_numpy(float)))
    return np.clip(np.nan_to_num(np.fmax.reduce(risks)), 0, 1)


def risk_strata(risk: ArrayLike) -> Integers:
    """Return the stratum of each risk, 0 (none) to 4 (high), cut at `RISK_CUTS`."""
    return np.digitize(np.asarray(risk, float), RISK_CUTS)


def foreseen_variance(risk: Floats) -> float:
    """Variance of the answers that the risk of a stratum's objects lets expect.

    Whether there is an error, and how large it is: a merge may hold two nuclei or five. What seems
    faultless has errors, too.
    """
    return float(np.mean(risk * (1 - risk) + SPREAD_OF_ERRORS * risk) + UNFORESEEN)


def allocate(sizes: ArrayLike, variances: ArrayLike, number: int) -> Integers:
    """Divide a review of `number` objects among strata.

    Every stratum gets at least 3 objects, or all that it has, whatever the number; the rest goes
    where it lowers the variance of the mean most. A larger review never takes an object from a
    stratum.

    Parameters
    ----------
    sizes, variances : (s,) int, float
        Objects of each stratum, and the foreseen variance of the answers within each.
    number : int
        Objects to be reviewed.

    Notes
    -----
    Neyman's allocation in whole numbers: T. Wright, *Exact optimal sample allocation* (2017).
    """
    sizes, spreads = np.asarray(sizes, np.int64), np.sqrt(np.asarray(variances, float))
    given = np.minimum(sizes, FEWEST_PER_STRATUM)
    left = max(0, number - int(given.sum()))
    most = np.minimum(sizes, given + left)
    stratum = np.repeat(np.arange(len(sizes)), most - given)
    if len(stratum) == 0:
        return given
    starts = np.concatenate([np.arange(low, high) for low, high in zip(given, most, strict=True)])
    # The object after the n-th lowers the variance by (size * spread)^2 / (n (n + 1)).
    gains = (sizes * spreads)[stratum] / np.sqrt(starts * (starts + 1.0))
    best = np.argsort(-gains, kind="stable")[:left]
    return given + np.bincount(stratum[best], minlength=len(sizes))


def random_numbers(places: pd.DataFrame, seed: int) -> Floats:
    """Return a uniform random number per row, made from the row's content and a seed alone."""
    texts = map("\n".join, zip(*(places[name].astype(str) for name in places), strict=True))
    numbers = [
        int.from_bytes(hashlib.blake2b(f"{seed}\n{text}".encode(), digest_size=7).digest(), "big")
        for text in texts
    ]
    return np.array(numbers, float) / 2.0**56


def planned(risk: Floats, number: int) -> list[tuple[Integers, int]]:
    """Return the places of the objects of every stratum, and how many of them are to be drawn."""
    strata = risk_strata(risk)
    members = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    variances = [foreseen_variance(risk[own]) for own in members]
    numbers = allocate([len(own) for own in members], variances, number)
    return list(zip(members, numbers.tolist(), strict=True))


def drawn(objects: pd.DataFrame, plan: ReviewPlan) -> Mask:
    """Draw which scored objects (n,) of one class and object set are to be reviewed."""
    chance = random_numbers(objects[OBJECT], plan.seed)
    chosen = np.zeros(len(objects), bool)
    for own, number in planned(object_risk(objects), plan.per_class):
        chosen[own[np.argsort(chance[own], kind="stable")[:number]]] = True
    return chosen


def class_fields(objects: pd.DataFrame, candidates: pd.DataFrame) -> pd.DataFrame:
    """Return the fields of one class and object set on which missed objects can be counted.

    A field without any label counts where the second opinion sees an object in it: a candidate.
    """
    tables = [table[FIELD] for table in (objects, candidates) if len(table)]
    fields = pd.concat(tables or [objects[FIELD]]).drop_duplicates()
    return fields.sort_values(FIELD, kind="stable", ignore_index=True)


def drawn_fields(fields: pd.DataFrame, plan: ReviewPlan) -> Mask:
    """Draw the fields of one class and object set that are to be searched for missed objects."""
    order = np.argsort(random_numbers(fields[FIELD], plan.seed), kind="stable")
    chosen = np.zeros(len(fields), bool)
    chosen[order[: plan.fields_per_class]] = True
    return chosen


def review_classes(pairs: Sequence[Comparison]) -> dict[ClassKey, Wells]:
    """Return the wells of every control class that has any: ``{(scope, name): wells}``."""
    return {key: wells for key, wells in control_classes(pairs).items() if wells}


def choose_for_review(
    objects: pd.DataFrame,
    candidates: pd.DataFrame,
    pairs: Sequence[Comparison],
    plan: ReviewPlan | None = None,
    checksums: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Choose what people should look at: ``qc/review_list.csv``.

    Blinded: neither class nor evidence is shown, and the order is random. A person who knows the
    layout still recognises a class by its wells; a page for the review can hide them.

    Parameters
    ----------
    objects, candidates : DataFrame
        Scored objects and possible missed objects of one plate, of the fields that are judged:
        nothing else is drawn.
    pairs, plan : sequence of Comparison, ReviewPlan
        The plate's controls; how many, and the seed.
    checksums : DataFrame, optional
        `FIELD`, ``checksum`` of the label images.

    Returns
    -------
    DataFrame
        `LIST_COLUMNS`: rows of the review sheet (levelfield/config/schemas/review.yaml) with an
        empty answer. Objects first, then whole fields (object_number 0) to count missed objects on.
    """
    plan = plan or ReviewPlan()
    chosen_objects, chosen_fields = [], []
    for wells in review_classes(pairs).values():
        of_class = [table[table["Metadata_Well"].isin(wells)] for table in (objects, candidates)]
        for object_set in sorted(set().union(*(table[OBJECT_SET] for table in of_class))):
            own, missing = (table[table[OBJECT_SET] == object_set] for table in of_class)
            chosen_objects.append(own[drawn(own, plan)])
            fields = class_fields(own, missing)
            chosen_fields.append(fields[drawn_fields(fields, plan)].assign(**{NUMBER: 0}))
    listed = [
        _shuffled(pd.concat(tables, ignore_index=True), plan.seed)
        for tables in (chosen_objects, chosen_fields)
        if tables
    ]
    if not listed:
        return pd.DataFrame(columns=list(LIST_COLUMNS))
    return _as_sheet(pd.concat(listed, ignore_index=True), checksums)


def _shuffled(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Put rows in random order; another seed than the draw's, which went by risk."""
    rows = rows.drop_duplicates(OBJECT)
    return rows.iloc[np.argsort(random_numbers(rows[OBJECT], seed + 1), kind="stable")]


def _as_sheet(rows: pd.DataFrame, checksums: pd.DataFrame | None) -> pd.DataFrame:
    if checksums is None:
        rows = rows.assign(checksum="")
    else:
        rows = rows.merge(checksums[[*FIELD, "checksum"]], on=FIELD, how="left")
    sheet = rows.rename(columns=_NAMES).assign(order=np.arange(len(rows)) + 1)
    centres: Mapping[str, pd.Series] = {
        name: sheet[name].round(1) for name in ("centre_y_px", "centre_x_px") if name in sheet
    }
    blank = dict.fromkeys(["reviewer", "answer", "f", "m"], "")
    return sheet.assign(**centres, **blank).reindex(columns=list(LIST_COLUMNS))
