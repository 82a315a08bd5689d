"""The review page: crops with outlines, blinded, in one file that needs nothing but itself."""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import jinja2
import numpy as np
from PIL import Image

from levelfield.arrays import AnyArray, Integers, Labels
from levelfield.qc.review.crops import CROP, WINDOW
from levelfield.qc.review.page_data import CONSTANTS
from levelfield.qc.verdict.steps import SECONDS_PER_CROP, review_step
from levelfield.qc.wording.numbers import count
from levelfield.qc.wording.questions import MEASURE_TITLES
from levelfield.questions import QUESTIONS, THRESHOLD
from levelfield.report.gallery import Reader, webp
from levelfield.report.records import grouped

MOST_BYTES = 4_600_000
"""Of all pictures together: the page stays below 5 MB."""
LEVELS = ((256, 82), (208, 74), (160, 64), (120, 52), (88, 40))
"""Longest side in px and quality of the pictures, from the best; the first that fits is taken."""
AROUND = 0.75
"""What is shown around a crop, in diameters of an object."""
_DARK, _BRIGHT = 1.0, 99.8
_STATISTICS = ("distributions", "estimator", "betting", "rows")
_HANDLING = ("answers", "pictures", "panel", "input")
SCRIPTS = tuple(f"review_{name}.js" for name in (*_STATISTICS, *_HANDLING))
_MOST_LABELS = 255


@dataclass(frozen=True)
class ShownCrop:
    """A crop of the page.

    Attributes
    ----------
    row : mapping
        Its row in `levelfield.qc.review.crops.Crops.table`.
    numbers : sequence of int
        Its objects, ascending.
    turns : sequence of (int, int)
        Every class that it counts for, and its turn there, from 0.
    checksum : str
        Of its field's labels.
    """

    row: Mapping[Any, Any]
    numbers: Sequence[int]
    turns: Sequence[tuple[int, int]]
    checksum: str


@dataclass(frozen=True)
class ShownSet:
    """An object set of the page: its numbers (`page_data.set_numbers`), crops, and own channel.

    ``diameter`` is that of its typical object, px.
    """

    name: str
    numbers: Mapping[str, Any]
    crops: Sequence[ShownCrop]
    channel: int
    diameter: float


def review_page(
    plate: str, sets: Sequence[ShownSet], read: Reader, channels: Sequence[str], path: str
) -> str:
    """Return the page of a plate.

    Parameters
    ----------
    plate, path : str
        Its name, and where its review belongs.
    sets : sequence of ShownSet
        Object sets with the crops to be looked at, in their order.
    read : callable
        ``read(well, site)`` returns the corrected image (C, Y, X) and the labels by object set.
    channels : sequence of str
        Names, in the order of the image.
    """
    for side, quality in LEVELS:
        pictures = _pictures(sets, read, side, quality)
        if sum(map(_size, pictures.values())) <= MOST_BYTES:
            break
    shown = [
        {
            "name": own.name,
            "channel": own.channel,
            **own.numbers,
            "crops": [_crop_data(crop) | pictures[own.name, i] for i, crop in enumerate(own.crops)],
        }
        for own in sets
    ]
    data = {
        "plate": plate,
        "path": path,
        "channels": list(channels),
        "sets": shown,
        "questions": [(name, own.title) for name, own in QUESTIONS.items() if name != THRESHOLD],
        "measures": dict(MEASURE_TITLES),
        "constants": CONSTANTS,
    }
    loader = jinja2.PackageLoader("levelfield.report")
    environment = jinja2.Environment(loader=loader)
    return environment.get_template("review.html.j2").render(
        data=json.dumps(data, separators=(",", ":"), allow_nan=False).replace("</", "<\\/"),
        script="\n".join(loader.get_source(environment, name)[0] for name in SCRIPTS),
        style=loader.get_source(environment, "review.css")[0],
        sets=[own.name for own in sets],
        promises=[_promises(own) for own in sets],
    )


def _promises(own: ShownSet) -> list[str]:
    """Say before the first crop what the review of an object set will take, by question."""
    n_classes, rows = len(own.numbers["classes"]), own.numbers["rows"]
    planned = max((each["planned"] for each in own.numbers["classes"]), default=0)
    minutes = ceil(len(own.crops) * SECONDS_PER_CROP / 60)
    said = [f"{own.name}: {len(own.crops)} crops, about {minutes} minutes."]
    for name, question in QUESTIONS.items():
        needed = [row["needed"] for row in rows if row["question"] == name]
        if not needed:
            continue
        step, never = review_step(needed, n_classes), needed.count(None)
        words = f"{question.title}: "
        if step.amount:
            words += (
                f"about {step.amount} crops per class ({step.amount * n_classes} in all, "
                f"{count(step.minutes, 'minute')}) should decide "
                f"{len(needed) - never} of {count(len(needed), 'row')}."
            )
        if step.amount > planned:
            words += (
                f" That is more than the {planned} that are drawn: set qc.review_per_class to "
                f"{step.amount}."
            )
        if never:
            words += (
                f" {count(never, 'row')} will stay open whatever you answer: too close to a "
                "margin, or the wells scatter too much."
            )
        said.append(words)
    return said


def _crop_data(crop: ShownCrop) -> dict[str, Any]:
    row = crop.row
    return {
        "well": row["Metadata_Well"],
        "site": int(row["Metadata_Site"]),
        "crop": int(row[CROP]),
        "checksum": crop.checksum,
        "numbers": list(crop.numbers),
        "in": [list(turn) for turn in crop.turns],
    }


def _size(picture: Mapping[str, Any]) -> int:
    return sum(map(len, [picture["labels"], *picture["channels"]]))


def _pictures(
    sets: Sequence[ShownSet], read: Reader, side: int, quality: int
) -> dict[tuple[str, int], dict[str, Any]]:
    """Draw all crops, every field read once."""
    places = [(own, i) for own in sets for i in range(len(own.crops))]

    def field(place: tuple[ShownSet, int]) -> tuple[str, int]:
        row = place[0].crops[place[1]].row
        return str(row["Metadata_Well"]), int(row["Metadata_Site"])

    found = {}
    for (well, site), here in sorted(grouped(places, field).items()):
        image, labels = read(well, site)
        for own, i in here:
            found[own.name, i] = _picture(own, own.crops[i], image, labels[own.name], side, quality)
    return found


def _picture(
    own: ShownSet, crop: ShownCrop, image: AnyArray, labels: Labels, side: int, quality: int
) -> dict[str, Any]:
    """Return the pictures of a crop, and where in them it and its objects lie."""
    inside = [float(crop.row[name]) for name in WINDOW]
    inside[2:] = [min(end, size) for end, size in zip(inside[2:], labels.shape, strict=True)]
    window = _window(inside, crop.numbers, labels, AROUND * own.diameter)
    seen = labels[window]
    scale = min(1.0, side / max(seen.shape))
    size = tuple(max(1, round(length * scale)) for length in seen.shape[::-1])
    small = np.asarray(
        Image.fromarray(_local_numbers(seen, crop.numbers)).resize(size, Image.Resampling.NEAREST)
    )
    top, left = window[0].start, window[1].start
    return {
        "labels": _url("png", _png(small)),
        "channels": [_url("webp", _grey(plane[window], size, quality)) for plane in image],
        "inside": [
            round(scale * (end - start), 2)
            for end, start in zip(inside, (top, left, top, left), strict=True)
        ],
        "origin": [top, left],
        "scale": scale,
        "diameter": round(own.diameter * scale, 1),
        **_object_places(small, len(crop.numbers)),
    }


def _window(
    inside: Sequence[float], numbers: Sequence[int], labels: Labels, around: float
) -> tuple[slice, slice]:
    """Return the part of the field that shows a crop, its objects whole, and what lies around."""
    low = np.array(inside[:2]) - around
    high = np.array(inside[2:]) + around
    rough = tuple(
        slice(max(0, int(a - 4 * around)), int(b + 4 * around))
        for a, b in zip(low, high, strict=True)
    )
    y, x = np.nonzero(np.isin(labels[rough], list(numbers)))
    if len(y):
        start = np.array([part.start for part in rough])
        low = np.minimum(low, start + np.array([y.min(), x.min()]) - 3)
        high = np.maximum(high, start + np.array([y.max(), x.max()]) + 4)
    first, last = (
        np.maximum(low.astype(int), 0),
        np.minimum(np.ceil(high).astype(int), labels.shape),
    )
    return slice(int(first[0]), int(last[0])), slice(int(first[1]), int(last[1]))


def _local_numbers(labels: Labels, numbers: Sequence[int]) -> AnyArray:
    """Return labels in which the objects of the crop count from 1, and those around after them."""
    others = np.setdiff1d(labels[labels > 0], list(numbers))
    known = np.concatenate([list(numbers), others]).astype(np.int64)
    order = np.argsort(known, kind="stable")
    local = np.zeros(labels.shape, np.uint8)
    if len(known):
        place: Integers = order[
            np.searchsorted(known[order], np.maximum(labels, known.min())).clip(max=len(known) - 1)
        ]
        local = np.where(labels > 0, np.minimum(place + 1, _MOST_LABELS), 0).astype(np.uint8)
    return local


def _object_places(local: AnyArray, number: int) -> dict[str, Any]:
    """Return the middle (y, x) of every object, and where its number is written: above it."""
    centres, tops = [], []
    for i in range(1, number + 1):
        y, x = np.nonzero(local == i)
        if not len(y):  # an object of one pixel may vanish when it is made smaller
            y, x = np.array([0]), np.array([0])
        centres.append([round(float(y.mean()), 1), round(float(x.mean()), 1)])
        tops.append([int(y.min()), round(float(x[y == y.min()].mean()), 1)])
    return {"centres": centres, "tops": tops}


def _grey(plane: AnyArray, size: tuple[int, ...], quality: int) -> bytes:
    """Return a channel as WebP, stretched to its own range: dim objects should be seen."""
    low, high = np.percentile(plane, (_DARK, _BRIGHT))
    grey = np.clip((plane - low) / (high - low if high > low else 1.0), 0, 1)
    if size != plane.shape[::-1]:
        small = Image.fromarray(grey.astype(np.float32)).resize(size, Image.Resampling.BOX)  # type: ignore[arg-type]
        grey = np.clip(np.asarray(small), 0, 1)
    return webp(grey, quality=quality)


def _png(pixels: AnyArray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG", compress_level=6)
    return file.getvalue()


def _url(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
