"""Collages in the report: what was read of them, and a contact sheet beside real fields."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from PIL import Image as Pictures

from levelfield.arrays import AnyFloats, Image, Labels
from levelfield.io.pictures import rgb
from levelfield.qc.collage.read_back import ReadBackLine
from levelfield.qc.collage.reading import MEASURES_READ, CollageLine
from levelfield.qc.statistics.records import from_table
from levelfield.qc.wording.numbers import measured, plain, sentence
from levelfield.qc.wording.questions import CLASS_TITLES, MEASURE_TITLES
from levelfield.report.records import grouped

OUTLINE = "#35d7ff"
_GAP_PX, _MIDDLE_PX = 4, 16
_GROUND = 1.0
_DARK, _BRIGHT = 1.0, 99.8

Shown = tuple[Image, Labels]
"""A plane (Y, X) and its labels (Y, X)."""


@dataclass(frozen=True)
class SheetRow:
    """A control class of an object set on the contact sheet: real fields left, collages right."""

    object_set: str
    scope: str
    perturbation: str
    real: Sequence[Shown]
    collages: Sequence[Shown]


@dataclass(frozen=True)
class ShownClass:
    """A control class in the report's table: what it is made of, and its readings in words.

    ``readings`` hold for every measure what was read and what is true.
    """

    line: CollageLine
    facts: str
    readings: tuple[tuple[str, str], ...]
    note: str


@dataclass(frozen=True)
class ShownCollages:
    """What the report shows of collages; the sheet is a PNG.

    ``planted`` says in words what is read of errors planted into the plate's own labels.
    """

    measures: tuple[str, ...]
    classes: tuple[ShownClass, ...]
    sheet: bytes
    planted: tuple[str, ...]

    @property
    def drawn(self) -> list[ShownClass]:
        """The classes that have a row on the sheet, in order."""
        return [shown for shown in self.classes if shown.line.n_collages]


def shown_collages(
    table: pd.DataFrame | None, planted: pd.DataFrame | None, sheet: bytes
) -> ShownCollages | None:
    """Prepare ``qc/collages.csv``, ``qc/planted_read.csv`` and the contact sheet.

    None where no collages were made.
    """
    if table is None or table.empty:
        return None
    lines = from_table(table, CollageLine, "qc/collages.csv")
    classes = grouped(lines, lambda line: (line.object_set, line.scope, line.perturbation))
    shown = tuple(_shown_class(own) for own in classes.values())
    titles = tuple(MEASURE_TITLES[name] for name in MEASURES_READ)
    read = [] if planted is None or planted.empty else _planted_words(planted)
    return ShownCollages(titles, shown, sheet, tuple(read))


_ERRORS = {
    "split_percent": "{n} of splits",
    "merge_percent": "{n} of merges",
    "drop_percent": "{n} of missed objects",
    "grow_px": "outlines moved by {n}",
}
"""Planted errors in words, by their names."""


def _planted_words(table: pd.DataFrame) -> list[str]:
    """Say of every class what is read of the largest error of each kind."""
    lines = from_table(table, ReadBackLine, "qc/planted_read.csv")
    by_class = grouped(lines, lambda line: (line.object_set, line.scope, line.perturbation))
    return [_class_words(own) for own in by_class.values()]


def _class_words(lines: Sequence[ReadBackLine]) -> str:
    first = lines[0]
    largest = {(line.error, line.amount > 0): line for line in lines}  # doses rise
    parts = [
        f"{_ERRORS[line.error].format(n=measured(line.planted, line.unit))} would have been read "
        f"as {measured(line.read, line.unit)}"
        for line in largest.values()
    ]
    where = f"{first.object_set}, {CLASS_TITLES[first.scope]} {first.perturbation}".strip()
    return f"{where}: {'; '.join(parts)}."


def _shown_class(lines: Sequence[CollageLine]) -> ShownClass:
    first, by_measure = lines[0], {line.measure: line for line in lines}
    facts = ""
    if first.n_windows:
        facts = f"{first.n_donors} donors, {plain(first.donor_yield, 2)} per object; " + (
            f"{first.n_collages} collages, {first.n_objects:,} objects"
        )
    own = [by_measure[name] for name in MEASURES_READ]
    readings = ((measured(line.reading, "pp"), measured(line.truth, "pp")) for line in own)
    return ShownClass(first, facts, tuple(readings), sentence(first.note))


def draw_contact_sheet(rows: Sequence[SheetRow]) -> bytes:
    """Draw a row of pictures for each class, with the outlines that the plate's segmenter makes.

    All pictures of a row have one contrast, so that brightness can be compared. Without any class
    it is a picture of one white pixel.

    Returns
    -------
    bytes
        A PNG, the same for the same pixels.
    """
    drawn = [_draw_row(row) for row in rows]
    width = max((picture.shape[1] for picture in drawn), default=1)
    gap = np.full((_GAP_PX, width, 3), _GROUND, np.float32)
    parts: list[AnyFloats] = []
    for picture in drawn:
        missing = width - picture.shape[1]
        parts += [np.pad(picture, ((0, 0), (0, missing), (0, 0)), constant_values=_GROUND), gap]
    whole = np.concatenate(parts[:-1]) if parts else np.full((1, 1, 3), _GROUND)
    file = io.BytesIO()
    Pictures.fromarray(np.rint(255 * whole).astype(np.uint8)).save(file, format="PNG")
    return file.getvalue()


def _draw_row(row: SheetRow) -> AnyFloats:
    planes = [plane for plane, _ in (*row.real, *row.collages)]
    low, high = np.percentile(np.concatenate([plane.ravel() for plane in planes]), (_DARK, _BRIGHT))
    height = max(plane.shape[0] for plane in planes)
    parts: list[AnyFloats] = []
    for side, gap in ((row.real, _MIDDLE_PX), (row.collages, 0)):
        for plane, labels in side:
            grey = np.clip((plane - low) / max(high - low, 1e-6), 0, 1)
            picture = _outlined(grey, labels)
            missing = ((0, height - picture.shape[0]), (0, _GAP_PX), (0, 0))
            parts.append(np.pad(picture, missing, constant_values=_GROUND))
        parts.append(np.full((height, gap, 3), _GROUND, np.float32))
    return np.concatenate(parts, axis=1)


def _outlined(grey: AnyFloats, labels: Labels) -> AnyFloats:
    from skimage.segmentation import find_boundaries  # slow, and few pages need it

    picture = np.repeat(grey[..., None], 3, axis=2).astype(np.float32)
    picture[find_boundaries(labels, mode="inner")] = rgb(OUTLINE)
    return picture
