"""Which crops people should look at: chances by what a crop may change, and a seeded draw.

A few objects hold most of the errors, and the evidence knows roughly which. A crop is drawn with a
chance that grows with the root of what its objects may vary by; what seems faultless keeps a floor.
Every crop has a clock of its own, made from its place and a seed, that runs as fast as its chance
is large: crops are drawn in the order in which their clocks ring. So a larger review contains the
smaller one, and one may stop or go on at any crop.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from levelfield.arrays import Floats, Integers
from levelfield.qc.columns import FIELD, OBJECT_SET
from levelfield.qc.review.crops import CROP, WINDOW, Crops, Frame, cut_into_crops, frame_of, sums
from levelfield.qc.statistics.comparison import ClassKey, Comparison, Wells, control_classes

SPREAD_OF_ERRORS = 0.5
"""A merge may hold two nuclei or five: errors of one kind differ in size."""
FLOOR = 0.01
"""Variance of an object that seems faultless."""
SEED = 1
USUALLY_LACKING = 1.25
"""Objects that a merge lacks, about; the draw needs no more than the order of risks."""
WEIGHT_OF_INVENTED, WEIGHT_OF_WRONG = 0.25, 0.1
"""How far a label without an object, and anything else that is not right, count beside errors of
the balance: outlines that are off everywhere must not push doubtful merges and fragments out."""
LIST_COLUMNS = (
    *("order", "plate", "object_set", "well", "site", CROP, *WINDOW, "n_objects"),
    *("checksum", "sample"),
)


@dataclass(frozen=True)
class ReviewPlan:
    """How much is reviewed.

    Attributes
    ----------
    per_class : int
        Crops of every object set and control class; all of them where a class has fewer.
    seed : int
        Seed of the draw.
    """

    per_class: int = 50
    seed: int = SEED


@dataclass(frozen=True)
class ClassDraw:
    """The crops of one control class and object set, in the order in which they are drawn.

    Attributes
    ----------
    objects, candidates : DataFrame
        Scored objects and possible missed objects of the class.
    crops : Crops
        What the fields were cut into.
    chances : (j,) float64
        Chance of each crop to be drawn first.
    order : (j,) int64
        Places of all crops, the first drawn first.
    planned : int
        How many are to be reviewed.
    mark : str
        Fingerprint of what was drawn from, and how.
    """

    objects: pd.DataFrame
    candidates: pd.DataFrame
    crops: Crops
    chances: Floats
    order: Integers
    planned: int
    mark: str


@dataclass(frozen=True)
class SetDraw:
    """The draws of one object set, by control class.

    Its `sample` is a fingerprint of what was drawn from, and how: answers to another sample do not
    count.
    """

    classes: Mapping[ClassKey, ClassDraw]
    seed: int

    @cached_property
    def sample(self) -> str:
        """The fingerprint of all classes."""
        marks = "\n".join(f"{key} {draw.mark}" for key, draw in self.classes.items())
        return hashlib.blake2b(marks.encode(), digest_size=8).hexdigest()

    def shown(self) -> Iterator[tuple[ClassKey, int]]:
        """Yield class and place of the planned crops, in the order in which they are shown.

        The n-th crops of all classes stand together, shuffled: every class advances alike, and
        nobody can tell which one a crop is of.
        """
        most = max((draw.planned for draw in self.classes.values()), default=0)
        places = pd.DataFrame(
            [(turn, *key) for turn in range(most) for key in self.classes],
            columns=["turn", "scope", "name"],
        )
        chance = random_numbers(places, self.seed + 1)
        for row in np.lexsort((chance, places["turn"])):
            turn, key = (
                int(row) // len(self.classes),
                list(self.classes)[int(row) % len(self.classes)],
            )
            if turn < self.classes[key].planned:
                yield key, int(self.classes[key].order[turn])


def object_risk(objects: pd.DataFrame) -> Floats:
    """How far scored objects (n,) may change what is judged, 0 to 1, by their evidence.

    The largest of: what the object may change of the balance (half of a fragment; 1.25 objects of a
    merge), a quarter of the evidence that it is invented, and a tenth of that that it is not
    right. It never falls when any of these grows. Unknown evidence counts as none.
    """
    weights = {"fragment": 0.5, "merge": USUALLY_LACKING, "invented": WEIGHT_OF_INVENTED}
    risks = [own * objects[f"{name}_evidence"].to_numpy(float) for name, own in weights.items()]
    risks.append(WEIGHT_OF_WRONG * (1 - objects["right_evidence"].to_numpy(float)))
    return np.clip(np.nan_to_num(np.fmax.reduce(risks)), 0, 1)


def crop_sizes(objects: pd.DataFrame, candidates: pd.DataFrame, crops: Crops) -> Floats:
    """Return the root of what the answers of each crop may vary by (j,).

    Whether there is an error, how large it is, and whether an object is missed; a crop without
    objects keeps half of the floor of one.
    """
    risk, number = object_risk(objects), len(crops.table)
    of_objects = risk * (1 - risk) + SPREAD_OF_ERRORS * risk + FLOOR
    chance = np.clip(np.nan_to_num(candidates["missed_evidence"].to_numpy(float)), 0, 1)
    variance = sums(crops.of_objects, of_objects, number)
    variance += sums(crops.of_candidates, chance * (1 - chance), number) + FLOOR / 2
    # Rounded: the same draw whatever the machine adds up first.
    sizes: Floats = np.round(np.sqrt(variance), 9).astype(np.float64)
    return sizes


def random_numbers(places: pd.DataFrame, seed: int) -> Floats:
    """Return a uniform random number per row, made from the row's content and a seed alone."""
    texts = map("\n".join, zip(*(places[name].astype(str) for name in places), strict=True))
    numbers = [
        int.from_bytes(hashlib.blake2b(f"{seed}\n{text}".encode(), digest_size=6).digest(), "big")
        for text in texts
    ]
    return (np.array(numbers, float) + 0.5) / 2.0**48


def draw_class(
    objects: pd.DataFrame, candidates: pd.DataFrame, frame: Frame, plan: ReviewPlan
) -> ClassDraw:
    """Cut the fields of a class into crops, and put these in the order of the draw."""
    crops = cut_into_crops(objects, candidates, frame)
    sizes = crop_sizes(objects, candidates, crops)
    whole = max(float(sizes.sum()), 1e-300)
    clocks = -np.log(random_numbers(crops.table[[*FIELD, CROP, *WINDOW]], plan.seed))
    order = np.argsort(clocks / np.maximum(sizes, 1e-12), kind="stable")
    mark = hashlib.blake2b(digest_size=8)
    for part in (crops.table.to_csv(index=False), np.array2string(sizes, threshold=10**9)):
        mark.update(part.encode())
    mark.update(f"{plan.seed}".encode())
    return ClassDraw(
        objects,
        candidates,
        crops,
        sizes / whole,
        order,
        min(plan.per_class, len(order)),
        mark.hexdigest(),
    )


def review_classes(pairs: Sequence[Comparison]) -> dict[ClassKey, Wells]:
    """Return the wells of every control class that has any: ``{(scope, name): wells}``."""
    return {key: wells for key, wells in control_classes(pairs).items() if wells}


def draw_plate(
    objects: pd.DataFrame,
    candidates: pd.DataFrame,
    pairs: Sequence[Comparison],
    plan: ReviewPlan | None = None,
) -> dict[str, SetDraw]:
    """Draw the crops of every object set and control class of a plate.

    Parameters
    ----------
    objects, candidates : DataFrame
        Scored objects and possible missed objects of the fields that are judged.
    pairs, plan : sequence of Comparison, ReviewPlan
        The plate's controls; how many, and the seed.
    """
    plan, found = plan or ReviewPlan(), {}
    for object_set in sorted({*objects[OBJECT_SET], *candidates[OBJECT_SET]}):
        own = [table[table[OBJECT_SET] == object_set] for table in (objects, candidates)]
        frame = frame_of(*own)
        classes = {}
        for key, wells in review_classes(pairs).items():
            of_class = [table[table["Metadata_Well"].isin(wells)] for table in own]
            classes[key] = draw_class(of_class[0], of_class[1], frame, plan)
        found[object_set] = SetDraw(classes, plan.seed)
    return found


def choose_for_review(
    draws: Mapping[str, SetDraw], checksums: pd.DataFrame | None = None
) -> pd.DataFrame:
    """List the crops that people should look at, in the order of the review page.

    Parameters
    ----------
    draws : mapping of str to SetDraw
        From `draw_plate`.
    checksums : DataFrame, optional
        `FIELD`, ``checksum`` of the label images.

    Returns
    -------
    DataFrame
        `LIST_COLUMNS`: ``qc/review_list.csv``. Blinded: neither class nor evidence is told. A crop
        of two classes (negative wells of two controls) is listed once.
    """
    tables = []
    for draw in draws.values():
        order: dict[ClassKey, list[tuple[int, int]]] = {}
        for rank, (key, place) in enumerate(draw.shown()):
            order.setdefault(key, []).append((place, rank))
        for key, chosen in order.items():
            places, ranks = zip(*chosen, strict=True)
            table = draw.classes[key].crops.table.iloc[list(places)]
            tables.append(table.assign(order=ranks, sample=draw.sample))
    if not tables:
        return pd.DataFrame(columns=list(LIST_COLUMNS))
    table = pd.concat(tables).sort_values([OBJECT_SET, "order"], kind="stable")
    table = table.drop_duplicates([*FIELD, CROP]).assign(checksum="")
    table["order"] = table.groupby(OBJECT_SET, sort=False).cumcount() + 1
    if checksums is not None:
        table = table.drop(columns="checksum").merge(checksums, on=FIELD, how="left")
    names = dict(zip(FIELD, ("plate", "well", "site", "object_set"), strict=True))
    return table.rename(columns=names)[list(LIST_COLUMNS)].reset_index(drop=True)
