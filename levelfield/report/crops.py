"""Worst crops: of every error type and control, the objects for which the evidence is strongest.

What is missed has no outline to show: a ring marks its place.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from levelfield.arrays import Labels
from levelfield.io.pictures import transparent_png, webp
from levelfield.qc.columns import NUMBER, OBJECT_SET
from levelfield.qc.statistics.comparison import comparisons
from levelfield.qc.statistics.summary import DEAD_ZONE_PX
from levelfield.qc.wording.numbers import measured
from levelfield.report.distributions import Group, control_groups
from levelfield.report.gallery import Reader
from levelfield.report.records import grouped

PER_CONTROL = 5
CANDIDATE = "candidate"
"""Column with the number of a possible missed object in its field."""
OWN_COLOUR, OTHERS_COLOUR = "#35d7ff", "#9a9a94"
LEAST_EVIDENCE = 0.25
"""Below this probability an object says more about the floor of the evidence."""
RING_WIDTH = 1.6
"""Width of the ring around a missed object, px."""
_SIDES = (32, 160)
_DARK, _BRIGHT = 1.0, 99.8


@dataclass(frozen=True)
class ErrorType:
    """A kind of error, and how strong the evidence for it is.

    Attributes
    ----------
    column : str
        Column of ``qc/objects.parquet`` (``qc/candidates.parquet`` for what is missed): the
        probability of an error, or for outlines the distance to the visible edge.
    sign : int
        For a distance, the side that is wrong; 0 for a probability.
    is_missed : bool
        Whether it is about objects without an outline.
    """

    name: str
    text: str
    column: str
    sign: int = 0
    is_missed: bool = False

    def examples(self, objects: pd.DataFrame) -> pd.DataFrame:
        """Return the objects with enough evidence, and its ``strength``, larger for worse."""
        strength = objects[self.column] * (self.sign or 1)
        least = DEAD_ZONE_PX if self.sign else LEAST_EVIDENCE
        return objects.assign(strength=strength)[strength >= least]


_EDGE = "threshold_bias_px"
ERROR_TYPES = (
    ErrorType(
        "Missed", "an object without an outline, in the ring", "missed_evidence", is_missed=True
    ),
    ErrorType("Invented", "an outline without an object", "invented_evidence"),
    ErrorType("Merged", "one outline around several objects", "merge_evidence"),
    ErrorType("Split", "a piece of an object", "fragment_evidence"),
    ErrorType("Too large", "the outline lies outside of the visible edge", _EDGE, 1),
    ErrorType("Too small", "the outline lies inside of the visible edge", _EDGE, -1),
)


@dataclass(frozen=True)
class CropChoice:
    """An object that is shown: of which set, as an example of which error, in which control.

    The centre is (y, x), px; `side` that of the crop, px; `ring` the radius in px of the ring
    around what has no outline, 0 where there is one.
    """

    object_set: str
    error: str
    scope: str
    control: str
    well: str
    site: int
    number: int
    centre: tuple[float, float]
    side: int
    says: str
    ring: float = 0.0


@dataclass(frozen=True)
class Crop:
    """A drawn object: the image in grey as WebP, and the outlines apart as transparent PNG."""

    choice: CropChoice
    picture: bytes
    outlines: bytes


def choose_crops(
    objects: pd.DataFrame,
    layout: pd.DataFrame,
    candidates: pd.DataFrame | None = None,
    per_control: int = PER_CONTROL,
) -> list[CropChoice]:
    """Choose the worst objects of every set, error type and control, the strongest evidence first.

    Objects at the border of a field are cut, and are no examples.

    Parameters
    ----------
    objects, candidates : pandas.DataFrame
        ``qc/objects.parquet``, and of places where an object may be missed
        ``qc/candidates.parquet``.
    layout : pandas.DataFrame
        See `levelfield.qc.statistics.comparison.comparisons`.
    per_control : int
        At most so many, and at most one of a field, so that one bad field does not hide others.
    """
    groups = control_groups(comparisons(layout))
    whole = objects[~objects["touches_border"].astype(bool)]
    missed = pd.DataFrame() if candidates is None else candidates
    named = [table[OBJECT_SET] for table in (objects, missed) if len(table)]
    sets = pd.concat(named).unique() if named else []
    chosen = []
    for object_set in sets:
        own = {
            False: whole[whole[OBJECT_SET] == object_set],
            True: missed[missed[OBJECT_SET] == object_set] if len(missed) else missed,
        }
        side = _side(own[False] if len(own[False]) else own[True])
        for error in ERROR_TYPES:
            if len(own[error.is_missed]):
                examples = error.examples(own[error.is_missed])
                for group in groups:
                    chosen += _worst(examples, str(object_set), error, group, side)[:per_control]
    return chosen


def _worst(
    examples: pd.DataFrame, object_set: str, error: ErrorType, group: Group, side: int
) -> list[CropChoice]:
    """Return the examples of one control, the strongest evidence first, one of a field."""
    worst = examples[examples["Metadata_Well"].isin(group.wells)]
    worst = worst.sort_values("strength", ascending=False, kind="stable")
    worst = worst.drop_duplicates(["Metadata_Well", "Metadata_Site"])
    head = (object_set, error.name, group.scope, group.name)
    return [_choice(head, row, error, side) for row in worst.to_dict("records")]


def _choice(
    head: tuple[str, str, str, str], row: Mapping[Any, Any], error: ErrorType, side: int
) -> CropChoice:
    # The ring leaves the object visible inside.
    ring = 1.3 * np.sqrt(float(row["area_px"]) / np.pi) + 3 if error.is_missed else 0.0
    return CropChoice(
        *head,
        well=row["Metadata_Well"],
        site=int(row["Metadata_Site"]),
        number=int(row[CANDIDATE if error.is_missed else NUMBER]),
        centre=(float(row["centre_y_px"]), float(row["centre_x_px"])),
        side=side,
        says=measured(row[_EDGE], "px") if error.sign else f"{100 * row['strength']:.0f} %",
        ring=float(ring),
    )


def _side(objects: pd.DataFrame) -> int:
    """Three times the median diameter: an object with its neighbours, all at one scale."""
    diameter = np.sqrt(4 * float(objects["area_px"].median()) / np.pi)
    return int(np.clip(round(3 * diameter), *_SIDES))


def draw_crops(
    choices: Iterable[CropChoice], read: Reader, channels: Mapping[str, int]
) -> tuple[Crop, ...]:
    """Read every field once, and draw what was chosen in it.

    Each crop has a contrast of its own, as dim objects should be seen.

    Parameters
    ----------
    read : callable
        ``read(well, site)`` returns the corrected image (C, Y, X) and the labels by object set.
    channels : mapping of str to int
        The channel in which each object set is shown: the one that its segmenter sees first.
    """
    places = list(enumerate(choices))
    by_field = grouped(places, lambda place: (place[1].well, place[1].site))
    drawn: dict[int, Crop] = {}
    for (well, site), own in sorted(by_field.items()):
        image, labels = read(well, site)
        for place, choice in own:
            plane = image[channels[choice.object_set]]
            drawn[place] = _draw_crop(choice, plane, labels[choice.object_set])
    return tuple(drawn[place] for place, _ in places)


def _draw_crop(choice: CropChoice, plane: NDArray[np.float32], labels: Labels) -> Crop:
    """Draw one object with what lies around it."""
    window = _window(choice, plane.shape)
    shown, own = plane[window], labels[window]
    low, high = np.percentile(shown, (_DARK, _BRIGHT))
    grey = np.clip((shown - low) / (high - low if high > low else 1.0), 0, 1)
    return Crop(choice, webp(grey, quality=88), _outlines(own, choice, window))


def _window(choice: CropChoice, shape: Sequence[int]) -> tuple[slice, slice]:
    """Return the square around the object, moved into the image where it would leave it."""
    slices = []
    for centre, length in zip(choice.centre, shape, strict=True):
        start = min(max(0, round(centre) - choice.side // 2), max(0, length - choice.side))
        slices.append(slice(start, start + choice.side))
    return slices[0], slices[1]


def _outlines(labels: Labels, choice: CropChoice, window: tuple[slice, slice]) -> bytes:
    """Draw the object's outline, or a ring where it has none, in colour; all others in grey.

    The ground is transparent.
    """
    from skimage.segmentation import find_boundaries  # slow, and a screen's page has no crops

    edges = find_boundaries(labels, mode="inner")
    own = (labels == choice.number) if not choice.ring else np.zeros(labels.shape, bool)
    inks = np.where(own, 1, 2) * edges
    if choice.ring:
        y, x = np.ogrid[: labels.shape[0], : labels.shape[1]]
        centre = [middle - part.start for middle, part in zip(choice.centre, window, strict=True)]
        distance = np.hypot(y - centre[0], x - centre[1])
        inks[np.abs(distance - choice.ring) <= RING_WIDTH / 2] = 1
    return transparent_png(inks, (OWN_COLOUR, OTHERS_COLOUR))
