"""Worst crops: of every error type and control, the objects for which the evidence is strongest."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from skimage.segmentation import find_boundaries

from levelfield.qc.evidence.features import NUMBER
from levelfield.qc.evidence.scores import OBJECT_SET
from levelfield.qc.statistics.comparison import comparisons
from levelfield.qc.statistics.summary import DEAD_ZONE_PX
from levelfield.report.distributions import control_groups
from levelfield.report.gallery import Reader, rgb
from levelfield.report.numbers import measured

PER_CONTROL = 5
OWN_COLOUR, OTHERS_COLOUR = "#35d7ff", "#9a9a94"
LEAST_EVIDENCE = 0.25
"""Of a merge or a split: below it an object says more about the floor of the evidence."""
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
        From rows of ``qc/objects.parquet`` to the strength of the evidence, larger for worse.
    least : float
        Below this strength an object is no example.
    unit : str
        ``px``, or nothing for a probability.
    """

    name: str
    text: str
    strength: Callable[[pd.DataFrame], pd.Series]
    least: float
    unit: str = ""


ERROR_TYPES = (
    ErrorType(
        "Merged",
        "one outline around several objects",
        lambda objects: objects["merge_evidence"],
        LEAST_EVIDENCE,
    ),
    ErrorType(
        "Split",
        "a piece of an object",
        lambda objects: objects["fragment_evidence"],
        LEAST_EVIDENCE,
    ),
    ErrorType(
        "Too large",
        "the outline lies outside of the visible edge",
        lambda objects: objects["threshold_bias_px"],
        DEAD_ZONE_PX,
        "px",
    ),
    ErrorType(
        "Too small",
        "the outline lies inside of the visible edge",
        lambda objects: -objects["threshold_bias_px"],
        DEAD_ZONE_PX,
        "px",
    ),
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
        Of the field, and of the object in it.
    centre : (float, float)
        y and x of the object, px.
    side : int
        Of the crop, px.
    says : str
        How strong the evidence is.
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


@dataclass(frozen=True)
class Crop:
    """A drawn object: the image in grey as WebP, and the outlines apart as transparent PNG."""

    choice: CropChoice
    picture: bytes
    outlines: bytes


def choose_crops(
    objects: pd.DataFrame, layout: pd.DataFrame, per_control: int = PER_CONTROL
) -> list[CropChoice]:
    """Choose the worst objects of every set, error type and control.

    Parameters
    ----------
    objects : pandas.DataFrame
        ``qc/objects.parquet``.
    layout : pandas.DataFrame
        See `levelfield.qc.statistics.comparison.comparisons`.
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
    chosen = []
    for object_set, own in whole.groupby(OBJECT_SET, sort=False):
        side = _side(own)
        for error in ERROR_TYPES:
            strength = error.strength(own)
            examples = own.assign(strength=strength)[strength >= error.least]
            for group in groups:
                worst = examples[examples["Metadata_Well"].isin(group.wells)]
                worst = worst.sort_values("strength", ascending=False, kind="stable")
                worst = worst.drop_duplicates(["Metadata_Well", "Metadata_Site"])
                head = (str(object_set), error.name, group.scope, group.name)
                chosen += [
                    CropChoice(*head, *_place(row), side, _says(row, error))
                    for row in worst.head(per_control).to_dict("records")
                ]
    return chosen


def _side(objects: pd.DataFrame) -> int:
    """Three times the typical diameter: an object with its neighbours, all at one scale."""
    diameter = np.sqrt(4 * float(objects["area_px"].median()) / np.pi)
    return int(np.clip(round(3 * diameter), *_SIDES))


def _place(row: Mapping) -> tuple[str, int, int, tuple[float, float]]:
    centre = float(row["centre_y_px"]), float(row["centre_x_px"])
    return row["Metadata_Well"], int(row["Metadata_Site"]), int(row[NUMBER]), centre


def _says(row: Mapping, error: ErrorType) -> str:
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


def draw_crop(choice: CropChoice, plane: NDArray[np.float32], labels: NDArray[np.int32]) -> Crop:
    """Draw one object with what lies around it."""
    window = _window(choice, plane.shape)
    shown, own = plane[window], labels[window]
    low, high = np.percentile(shown, (_DARK, _BRIGHT))
    grey = np.clip((shown - low) / (high - low if high > low else 1.0), 0, 1)
    file = io.BytesIO()
    pixels = np.rint(255 * grey).astype(np.uint8)
    Image.fromarray(pixels).save(file, format="WEBP", quality=88, method=4)
    return Crop(choice, file.getvalue(), _outlines(own, choice.number))


def _window(choice: CropChoice, shape: Sequence[int]) -> tuple[slice, slice]:
    """Return the square around the object, moved into the image where it would leave it."""
    slices = []
    for centre, length in zip(choice.centre, shape, strict=True):
        start = min(max(0, round(centre) - choice.side // 2), max(0, length - choice.side))
        slices.append(slice(start, start + choice.side))
    return slices[0], slices[1]


def _outlines(labels: NDArray[np.int32], number: int) -> bytes:
    """Draw the object's outline in colour and its neighbours' in grey, on a transparent ground."""
    edges = find_boundaries(labels, mode="inner")
    inks = np.where(labels == number, 1, 2) * edges
    picture = Image.fromarray(inks.astype(np.uint8))
    palette = [0, 0, 0]
    for colour in (OWN_COLOUR, OTHERS_COLOUR):
        palette += [round(255 * float(part)) for part in rgb(colour)]
    picture.putpalette(palette)
    file = io.BytesIO()
    picture.save(file, format="PNG", optimize=True, transparency=0, bits=2)
    return file.getvalue()
