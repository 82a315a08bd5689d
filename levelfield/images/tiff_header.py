"""The header of a plain TIFF file, without the library: a plate has a hundred thousand of them.

Only what microscopes usually write is understood: one grey page of 8 or 16 bits, not BigTIFF. All
else is left to tifffile. The structure is that of the TIFF 6.0 specification (Adobe, 1992).
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import google_crc32c

from levelfield.remote.files import open_ranges
from levelfield.remote.urls import is_url

_TYPES = {1: "B", 3: "H", 4: "I"}  # BYTE, SHORT, LONG
_WIDTH, _LENGTH, _BITS, _PHOTOMETRIC = 256, 257, 258, 262
_SAMPLES, _SAMPLE_FORMAT, _SUBFILES = 277, 339, 330
_DATA = ((273, 279), (324, 325))  # offsets and byte counts of strips, of tiles
_GREY = (0, 1)
_BLOCK = 1024  # bytes; more than a page's entries usually take
_MARKED = 128  # bytes; noise of a camera never repeats so many


@dataclass(frozen=True)
class PlainPage:
    """What the header of a TIFF of one grey page says; ``data_end`` is where its pixels end.

    ``mark`` is made of a few pixels in its middle, by which copies are suspected; 0 without one.
    """

    size_y: int
    size_x: int
    bits: int
    data_end: int
    mark: int


def read_plain_page(path: Path | str) -> PlainPage | None:
    """Return what the header of a TIFF says; None where tifffile has to read it."""
    with open_ranges(path) as file:
        start = file.read(8)
        order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(start[:4])
        if order is None or len(start) < 8:
            return None
        try:
            at = struct.unpack(order + "I", start[4:])[0]
            return _page(file, order, at, marked=not is_url(path))
        except struct.error:  # the file ends too early: tifffile says how
            return None


def _page(file: BinaryIO, order: str, at: int, marked: bool) -> PlainPage | None:
    file.seek(at)
    block = file.read(_BLOCK)
    count = struct.unpack_from(order + "H", block)[0]
    length = 2 + 12 * count + 4
    if length > len(block):
        block += file.read(length - len(block))
    if struct.unpack_from(order + "I", block, length - 4)[0]:
        return None  # there are more pages
    tags = {}
    for place in range(2, length - 4, 12):
        tag, kind, number = struct.unpack_from(order + "HHI", block, place)
        tags[tag] = (kind, number, block[place + 8 : place + 12])
    if _SUBFILES in tags:
        return None

    def values(tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        return _values(file, order, tags[tag]) if tag in tags else default

    bits, grey = values(_BITS, (1,)), values(_PHOTOMETRIC, (1,))[0] in _GREY
    plain = values(_SAMPLES, (1,)) == (1,) and values(_SAMPLE_FORMAT, (1,)) == (1,)
    if not (plain and grey and bits in ((8,), (16,))):
        return None
    parts = [
        (start, start + length)
        for offsets, counts in _DATA
        for start, length in zip(values(offsets), values(counts), strict=True)
    ]
    height, width = values(_LENGTH), values(_WIDTH)
    if not (parts and height and width):
        return None
    start, end = min(parts)[0], max(end for _, end in parts)
    mark = _mark(file, (start + end) // 2) if marked else 0
    return PlainPage(height[0], width[0], bits[0], end, mark)


def _mark(file: BinaryIO, at: int) -> int:
    """Return a checksum of the bytes at a place; 0 where they are too much alike to tell images."""
    file.seek(at)
    block = file.read(_MARKED)
    return int(google_crc32c.value(block)) if len(set(block)) >= _MARKED // 8 else 0


def _values(file: BinaryIO, order: str, entry: tuple[int, int, bytes]) -> tuple[int, ...]:
    """Return the whole numbers of a tag, which lie in its entry or where that points to."""
    kind, number, inline = entry
    letter = _TYPES.get(kind)
    if letter is None:
        raise struct.error(f"type {kind} is not for numbers")
    form = f"{order}{number}{letter}"
    size = struct.calcsize(form)
    if size > 4:
        file.seek(struct.unpack(order + "I", inline)[0])
        inline = file.read(size)
    return struct.unpack(form, inline[:size])
