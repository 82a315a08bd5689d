"""Worst crops: of every error type and control, the objects for which the evidence is strongest.

What is missed has no outline to show: a ring marks its place.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries

from levelfield.arrays import Labels
from levelfield.qc.columns import NUMBER, OBJECT_SET
from levelfield.qc.statistics.comparison import comparisons
from levelfield.qc.statistics.summary import DEAD_ZONE_PX
from levelfield.qc.wording.numbers import measured
from levelfield.report.distributions import Group, control_groups
from levelfield.report.gallery import Reader, transparent_png, webp

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
    name, text : str
        In a heading, and what it means.
    strength : callable
        From rows of ``qc/objects.parquet`` (of what is missed, ``qc/candidates.parquet``) to the
        strength of the evidence, larger for worse.
    least : float
        Below this strength an object is no example.
    unit : str
        ``px``, or nothing for a probability.
    is_missed : bool
        Whether it is about objects without an outline.
    """

    name: str
    text: str
    strength: Callable[[pd.DataFrame], pd.Series]
    least: float
    unit: str = ""
    is_missed: bool = False


def _by_evidence(name: str, text: str, column: str, *, is_missed: bool = False) -> ErrorType:
    """Return an error whose strength is a probability."""
    return ErrorType(name, text, lambda table: table[column], LEAST_EVIDENCE, "", is_missed)


def _by_edge(name: str, text: str, sign: int) -> ErrorType:
    """Return an error of the outline, in px."""
    return ErrorType(
        name, text, lambda objects: sign * objects["threshold_bias_px"], DEAD_ZONE_PX, "px"
    )


ERROR_TYPES = (
    _by_evidence(
        "Missed", "an object without an outline, in the ring", "missed_evidence", is_missed=True
    ),
    _by_evidence("Invented", "an outline without an object", "invented_evidence"),
    _by_evidence("Merged", "one outline around several objects", "merge_evidence"),
    _by_evidence("Split", "a piece of an object", "fragment_evidence"),
    _by_edge("Too large", "the outline lies outside of the visible edge", 1),
    _by_edge("Too small", "the outline lies inside of the visible edge", -1),
)


@dataclass(frozen=True)
class CropChoice:
    """An object that is shown.

    Attributes
    ----------
    object_set, error, scope, control : str
        Of which set, an example of which error, in which control.
    well : str
        Name of the well.
    site, number : int
        Of the field, and of the object (or the candidate) in it.
    centre : (float, float)
        y and x of the object, px.
    side : int
        Of the crop, px.
    says : str
        How strong the evidence is.
    ring : float
        Radius in px of the ring around what has no outline; 0 where there is one.
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
    """Choose the worst objects of every set, error type and control.

    Parameters
    ----------
    objects : pandas.DataFrame
        ``qc/objects.parquet``.
    layout : pandas.DataFrame
        See `levelfield.qc.statistics.comparison.comparisons`.
    candidates : pandas.DataFrame, optional
        ``qc/candidates.parquet``: places where an object may be missed.
    per_control : int
        At most so many, and at most one of a field, so that one bad field does not hide others.

    Returns
    -------
    list of CropChoice
        By object set, error type and control, the strongest evidence first. Objects at the border
        of a field are cut, and are no examples.
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
            table = own[error.is_missed]
            if table.empty:
                continue
            strength = error.strength(table)
            examples = table.assign(strength=strength)[strength >= error.least]
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
    return [
        CropChoice(*head, *_place(row, error), side, _says(row, error), _ring(row, error))
        for row in worst.to_dict("records")
    ]


def _side(objects: pd.DataFrame) -> int:
    """Three times the median diameter: an object with its neighbours, all at one scale."""
    diameter = np.sqrt(4 * float(objects["area_px"].median()) / np.pi)
    return int(np.clip(round(3 * diameter), *_SIDES))


def _place(row: Mapping[Any, Any], error: ErrorType) -> tuple[str, int, int, tuple[float, float]]:
    centre = float(row["centre_y_px"]), float(row["centre_x_px"])
    number = int(row[CANDIDATE if error.is_missed else NUMBER])
    return row["Metadata_Well"], int(row["Metadata_Site"]), number, centre


def _ring(row: Mapping[Any, Any], error: ErrorType) -> float:
    """Return the radius of a ring that leaves the object visible inside."""
    radius = np.sqrt(float(row["area_px"]) / np.pi) if error.is_missed else 0.0
    return float(1.3 * radius + 3) if error.is_missed else 0.0


def _says(row: Mapping[Any, Any], error: ErrorType) -> str:
    if error.unit:
        return measured(row["threshold_bias_px"], error.unit)
    return f"{100 * row['strength']:.0f} %"


def draw_crops(
    choices: Iterable[CropChoice], read: Reader, channels: Mapping[str, int]
) -> tuple[Crop, ...]:
    """Read every field once, and draw what was chosen in it.

    Parameters
    ----------
    choices : iterable of CropChoice
        From `choose_crops`.
    read : callable
        ``read(well, site)`` returns the corrected image (C, Y, X) and the labels by object set.
    channels : mapping of str to int
        The channel in which each object set is shown: the one that its segmenter sees first.

    Returns
    -------
    tuple of Crop
        In the order of `choices`; each with a contrast of its own, as dim objects should be seen.
    """
    choices = list(choices)
    by_field: dict[tuple[str, int], list[int]] = {}
    for place, choice in enumerate(choices):
        by_field.setdefault((choice.well, choice.site), []).append(place)
    drawn: dict[int, Crop] = {}
    for (well, site), places in sorted(by_field.items()):
        image, labels = read(well, site)
        for place in places:
            choice = choices[place]
            plane = image[channels[choice.object_set]]
            drawn[place] = draw_crop(choice, plane, labels[choice.object_set])
    return tuple(drawn[place] for place in range(len(choices)))


def draw_crop(choice: CropChoice, plane: NDArray[np.float32], labels: Labels) -> Crop:
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
    edges = find_boundaries(labels, mode="inner")
    own = (labels == choice.number) if not choice.ring else np.zeros(labels.shape, bool)
    inks = np.where(own, 1, 2) * edges
    if choice.ring:
        y, x = np.ogrid[: labels.shape[0], : labels.shape[1]]
        centre = [middle - part.start for middle, part in zip(choice.centre, window, strict=True)]
        distance = np.hypot(y - centre[0], x - centre[1])
        inks[np.abs(distance - choice.ring) <= RING_WIDTH / 2] = 1
    return transparent_png(inks, (OWN_COLOUR, OTHERS_COLOUR))
