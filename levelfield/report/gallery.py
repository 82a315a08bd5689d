"""The gallery: control images with the outlines of every object set, chosen by rule, not by eye."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from levelfield.arrays import Labels
from levelfield.io.pictures import rgb, transparent_png, webp
from levelfield.qc.statistics.comparison import comparisons
from levelfield.report.distributions import control_groups
from levelfield.report.records import grouped

Picture = NDArray[np.float32]
Number = TypeVar("Number", bound=np.generic)
LabelSets = Mapping[str, Labels]
Reader = Callable[[str, int], tuple[Picture, LabelSets]]

OUTLINE_COLOURS = ("#35d7ff", "#ffc533", "#ff7ad9", "#9dff57")
"""Bright on dark, and apart for every kind of colour vision; one per object set, in order."""
COMPOSITE = "All channels"
_DARK, _BRIGHT = 1.0, 99.8


@dataclass(frozen=True)
class Choice:
    """A field of a control that the gallery shows, and the rule that chose it, in words."""

    scope: str
    control: str
    well: str
    site: int
    why: str


@dataclass(frozen=True)
class GalleryPicture:
    """A drawn field, one px of the image to one of the picture.

    Attributes
    ----------
    views : dict of str to bytes
        The composite and each channel in grey, as WebP.
    outlines : dict of str to bytes
        Transparent PNG with the outlines of each object set.
    n_objects : dict of str to int
        Objects in the picture, by object set.
    """

    choice: Choice
    width: int
    height: int
    views: dict[str, bytes]
    outlines: dict[str, bytes]
    n_objects: dict[str, int]


@dataclass(frozen=True)
class Gallery:
    """All pictures, control by control, and how they are shown.

    Attributes
    ----------
    colours, outline_colours : dict of str to str
        ``#rrggbb`` of each channel, and of each object set's outlines.
    ranges : dict of str to (float, float)
        Intensities shown as black and as full colour, the same in all pictures.
    crop : int
        Largest side of a picture in px.
    """

    pictures: tuple[GalleryPicture, ...]
    colours: dict[str, str]
    ranges: dict[str, tuple[float, float]]
    outline_colours: dict[str, str]
    crop: int


def choose_gallery(
    sites: pd.DataFrame, qc_sites: pd.DataFrame, layout: pd.DataFrame
) -> list[Choice]:
    """Choose the fields of the gallery: for every control two representative ones and the worst.

    These are the two sites whose count of the first object set is nearest its median, and those
    with the largest threshold bias, imbalance and share of missed objects of any object set. A
    site that is chosen twice appears once with both reasons.

    Parameters
    ----------
    sites : pandas.DataFrame
        ``sites.csv``: the usable sites, with ``Count_<set>`` columns.
    qc_sites : pandas.DataFrame
        ``qc/sites.csv``; may be empty, and then only representative fields are chosen.
    layout : pandas.DataFrame
        See `levelfield.qc.statistics.comparison.comparisons`.
    """
    chosen: list[Choice] = []
    for group in control_groups(comparisons(layout)):
        own, judged = (
            table[table["Metadata_Well"].isin(group.wells)] if len(table) else table
            for table in (sites, qc_sites)
        )
        reasons = grouped([*_representative(own), *_worst(judged)], lambda found: found[0])
        chosen += [
            Choice(group.scope, group.name, *key, "; ".join(why for _, why in found))
            for key, found in reasons.items()
        ]
    return chosen


def _representative(sites: pd.DataFrame) -> list[tuple[tuple[str, int], str]]:
    column = next((name for name in sites if str(name).startswith("Count_")), None)
    if column is None or sites.empty:
        return []
    away = (sites[column] - sites[column].median()).abs()
    order = away.sort_values(kind="stable").index[:2]
    name = column.removeprefix("Count_")
    return [(_key(sites.loc[i]), f"typical: {sites.loc[i, column]:.0f} {name}") for i in order]


def _worst(judged: pd.DataFrame) -> list[tuple[tuple[str, int], str]]:
    found = []
    for column, name, unit, factor in (
        ("threshold_bias_px", "threshold bias", "px", 1),
        ("balance", "imbalance", "pp", 100),
        ("missed_rate", "share of missed objects", "pp", 100),
    ):
        if column not in judged:
            continue
        size = judged[column].abs() if len(judged) else pd.Series(dtype=float)
        if not size.notna().any():
            continue
        row = judged.loc[size.idxmax()]
        value = f"{factor * row[column]:+.2g} {unit}".replace("-", "−")
        found.append((_key(row), f"largest {name}: {row['object_set']} {value}"))
    return found


def _key(row: pd.Series) -> tuple[str, int]:
    return str(row["Metadata_Well"]), int(row["Metadata_Site"])


def draw_gallery(
    choices: Iterable[Choice], read: Reader, channels: Mapping[str, str], crop: int = 340
) -> Gallery:
    """Read and draw the chosen fields, all with the same contrast.

    Every channel is shown from the 1st to the 99.8th percentile of the pictures, so that classes
    can be compared by eye.

    Parameters
    ----------
    read : callable
        ``read(well, site)`` returns the corrected image (C, Y, X) float32 and the labels (Y, X)
        int32 by object set.
    channels : mapping of str to str
        Display colour of each channel (six hexadecimal digits), in the order of the image.
    crop : int
        Side in px of the middle part of the field that is shown.
    """
    parts = []
    for choice in choices:
        image, labels = read(choice.well, choice.site)
        # Only the part that is shown is kept, as all fields must be seen before one is drawn.
        kept = {name: middle(own, crop).copy() for name, own in labels.items()}
        parts.append((choice, middle(image, crop).copy(), kept))
    ranges = _ranges([image for _, image, _ in parts], list(channels))
    colours = {name: f"#{colour.lstrip('#')}" for name, colour in channels.items()}
    names = list(dict.fromkeys(name for _, _, labels in parts for name in labels))
    outlines = {name: OUTLINE_COLOURS[i % len(OUTLINE_COLOURS)] for i, name in enumerate(names)}
    pictures = tuple(
        _picture(choice, image, labels, colours, ranges, outlines)
        for choice, image, labels in parts
    )
    return Gallery(pictures, colours, ranges, outlines, crop)


def middle(image: NDArray[Number], side: int) -> NDArray[Number]:
    """Return the middle `side` × `side` px of the last two axes, or all px of a shorter one."""
    y, x = (max(0, (length - side) // 2) for length in image.shape[-2:])
    return image[..., y : y + side, x : x + side]


def _ranges(images: Sequence[Picture], names: Sequence[str]) -> dict[str, tuple[float, float]]:
    ranges = {}
    for i, name in enumerate(names):
        ends = [np.percentile(image[i], (_DARK, _BRIGHT)) for image in images]
        low = float(min((low for low, _ in ends), default=0.0))
        high = float(max((high for _, high in ends), default=1.0))
        ranges[name] = (low, high if high > low else low + 1.0)
    return ranges


def _picture(
    choice: Choice,
    image: Picture,
    labels: LabelSets,
    colours: Mapping[str, str],
    ranges: Mapping[str, tuple[float, float]],
    outline_colours: Mapping[str, str],
) -> GalleryPicture:
    """Draw one field (C, Y, X): each channel in grey, all in colour, the outlines apart."""
    height, width = image.shape[-2:]
    shown = {
        name: np.clip((plane - low) / (high - low), 0, 1)
        for plane, (name, (low, high)) in zip(image, ranges.items(), strict=True)
    }
    views = {}
    if len(shown) > 1:
        tinted = sum(plane[..., None] * rgb(colours[name]) for name, plane in shown.items())
        views[COMPOSITE] = webp(np.minimum(tinted, 1))
    views |= {name: webp(plane) for name, plane in shown.items()}
    return GalleryPicture(
        choice=choice,
        width=width,
        height=height,
        views=views,
        outlines={name: _outline(own, outline_colours[name]) for name, own in labels.items()},
        n_objects={name: len(np.unique(own[own > 0])) for name, own in labels.items()},
    )


def _outline(labels: Labels, colour: str) -> bytes:
    """Draw the outermost pixels of every object on a transparent ground, as PNG."""
    from levelfield.labels.boundaries import inner_boundary  # a screen's page has no pictures

    edges = inner_boundary(labels.astype(np.int32, copy=False), background_only=False)
    return transparent_png(edges, [colour])
