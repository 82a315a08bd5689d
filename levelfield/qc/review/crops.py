"""Fields cut into crops of about seven objects, so that one look gives seven answers.

A field is cut in two again and again, across its longer side, so that the parts hold multiples of
seven objects, until one holds about seven and is not too large to be looked at; what holds few
objects is halved in the middle. Every object, and every place where one may be missed, lies in one
crop. How a field is cut depends on its own objects and the size of the plate's fields alone.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from levelfield.arrays import Floats, Integers
from levelfield.qc.columns import FIELD, NUMBER

OBJECTS, MOST_OBJECTS = 7, 10
"""Of a crop: on the average, and at most."""
LONGEST_SIDE = 16
"""Of a crop, in diameters of the plate's typical object: what is larger is hard to see."""
CENTRE = ["centre_y_px", "centre_x_px"]
WINDOW = ["top_px", "left_px", "bottom_px", "right_px"]
CROP = "crop"
"""Number of a crop in its field, from 1."""


class Crops(NamedTuple):
    """The crops of one control class and object set.

    Attributes
    ----------
    table : DataFrame
        A row per crop: `FIELD`, ``crop``, `WINDOW` in px, ``n_objects``.
    of_objects, of_candidates : (n,) int
        The place in the table of the crop in which each object lies, and each possible missed one.
    """

    table: pd.DataFrame
    of_objects: Integers
    of_candidates: Integers


class Frame(NamedTuple):
    """Height and width of the plate's fields in px, and the longest side of a crop."""

    height: float
    width: float
    longest: float


def frame_of(objects: pd.DataFrame, candidates: pd.DataFrame) -> Frame:
    """Return the frame of a plate's fields, by the objects of one set: all of them lie in it."""
    centres = pd.concat([objects[CENTRE], candidates[CENTRE]])
    if centres.empty:
        return Frame(1.0, 1.0, 1.0)
    areas = objects["area_px"] if len(objects) else candidates["area_px"]
    diameter = 2 * np.sqrt(float(areas.median()) / np.pi)
    height, width = (float(np.ceil(centres[name].max() + diameter / 2)) for name in CENTRE)
    return Frame(height, width, LONGEST_SIDE * diameter)


def cut_into_crops(objects: pd.DataFrame, candidates: pd.DataFrame, frame: Frame) -> Crops:
    """Cut the fields of a class into crops.

    Parameters
    ----------
    objects, candidates : DataFrame
        Of one object set; `FIELD` and `CENTRE`. Fields with neither are not there.
    frame : Frame
        Of the plate, so that both classes are cut alike.
    """
    tables = [table[[*FIELD, *CENTRE]] for table in (objects, candidates) if len(table)]
    places = pd.concat(tables or [objects[[*FIELD, *CENTRE]]], ignore_index=True)
    n_objects = len(objects)
    rows: list[tuple[Any, ...]] = []
    crop_of = np.zeros(len(places), np.int64)
    for field, own in places.groupby(FIELD, sort=True):
        index = own.index.to_numpy()
        whole = (0.0, 0.0, frame.height, frame.width)
        centres = own[CENTRE].to_numpy(float)
        for number, (window, inside) in enumerate(
            _halved(centres, index < n_objects, np.arange(len(index)), whole, frame.longest), 1
        ):
            crop_of[index[inside]] = len(rows)
            rows.append((*field, number, *window, int((index[inside] < n_objects).sum())))
    table = pd.DataFrame(rows, columns=[*FIELD, CROP, *WINDOW, "n_objects"])
    return Crops(table, crop_of[:n_objects], crop_of[n_objects:])


def _halved(
    centres: Floats,
    counts: np.ndarray,
    inside: Integers,
    window: tuple[float, float, float, float],
    longest: float,
) -> Iterator[tuple[tuple[float, float, float, float], Integers]]:
    """Yield windows with the places that lie in them."""
    top, left, bottom, right = window
    sides = (bottom - top, right - left)
    axis = int(sides[1] > sides[0])
    values = np.sort(centres[inside[counts[inside]], axis])
    if len(values) <= MOST_OBJECTS and sides[axis] <= longest:
        yield window, inside
        return
    cut = window[axis] + sides[axis] / 2
    if len(values) > MOST_OBJECTS:
        parts = round(len(values) / OBJECTS)
        first_part = len(values) * (parts // 2) // parts
        middle = float(np.round((values[first_part - 1] + values[first_part]) / 2))
        # Objects on one spot, which no labels have, cannot be told apart by any cut.
        if window[axis] < middle < window[axis] + sides[axis]:
            cut = middle
    if sides[axis] < 2:
        yield window, inside
        return
    first = centres[inside, axis] < cut
    low, high = list(window), list(window)
    low[axis + 2], high[axis] = cut, cut
    yield from _halved(centres, counts, inside[first], (low[0], low[1], low[2], low[3]), longest)
    yield from _halved(
        centres, counts, inside[~first], (high[0], high[1], high[2], high[3]), longest
    )


def sums(places: Integers, values: Floats, number: int) -> Floats:
    """Sum values by place (n,): how much lies in each of a number of crops, or wells."""
    return np.bincount(places, values, number).astype(np.float64)


def numbers_in(objects: pd.DataFrame, crops: Crops, place: int) -> list[int]:
    """Return the numbers of the objects of a crop, ascending."""
    return sorted(int(number) for number in objects[NUMBER].to_numpy()[crops.of_objects == place])
