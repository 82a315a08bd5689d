"""Raw image files: what their headers promise, and the pixels of one plane."""

import errno
import io
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tifffile
from PIL import Image

from levelfield.arrays import AnyArray
from levelfield.images.containers import is_container, read_container_plane
from levelfield.images.tiff_header import read_plain_page
from levelfield.images.zarr_planes import read_zarr_plane
from levelfield.remote.files import (
    WHOLE_BYTES,
    check_content,
    fetched,
    kept_part,
    open_ranges,
    size_of,
)
from levelfield.remote.urls import is_url, local_or_url

TIFF_SUFFIXES = (".tif", ".tiff")
SUFFIXES = (*TIFF_SUFFIXES, ".png")
READ_ERRORS = (OSError, ValueError, KeyError, IndexError, RuntimeError, tifffile.TiffFileError)
PASSING_ERRORS = (errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Errors of the machine or the network, not of the file: they must not cost a site."""
_NO_FILE = "is a pipe, a device or a folder, not a file"
_TRUNCATED = "is truncated: the file ends before its pixels do"
_LONGEST_READ = 300.0  # s; a plane is read in well under one, a hanging server never answers
_DTYPES = {8: "uint8", 16: "uint16"}
_CAMERA_MAXIMA = tuple(2**bits - 1 for bits in (10, 12, 14, 16))
_HEADER_READERS = 16  # headers wait for the file system, not for a core

Result = TypeVar("Result")


class PlaneError(ValueError):
    """A plane cannot be read; the text says why."""


class StalledRead(Exception):
    """A file did not answer in time; the text says which, what follows and what helps."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of a file says of its planes: sizes in px, and the type as numpy names it.

    ``n_pages`` is 0 where the file, of so many ``bytes``, cannot be read; ``fault`` says why it
    cannot be used, and is empty where it can. Files of one ``mark`` are likely to be copies, but
    for 0.
    """

    n_pages: int
    size_y: int
    size_x: int
    dtype: str
    bytes: int
    fault: str
    mark: int = 0


def read_header(path: Path | str) -> Header:
    """Read the header of a TIFF or PNG file, and say what is wrong with it.

    A TIFF whose pixel data would lie beyond the end of the file is reported as truncated, so
    that most damaged files are found without decoding a pixel.
    """
    return _within_time(lambda: _read_header(local_or_url(path)), path)


def read_headers(paths: Sequence[str]) -> list[Header]:
    """Read the headers of many files, several at a time, as `read_header` does."""
    found: list[Header | None] = [None] * len(paths)
    failed: list[BaseException] = []
    waiting = iter(range(len(paths)))
    finished = [0.0]

    def work() -> None:
        for at in waiting:  # threads share what waits
            try:
                found[at] = _read_header(local_or_url(paths[at]))
            except BaseException as error:  # carried to the caller
                failed.append(error)
            if failed:
                return
            finished[0] = time.monotonic()

    finished[0] = time.monotonic()
    readers = [threading.Thread(target=work, daemon=True) for _ in range(_HEADER_READERS)]
    for reader in readers:
        reader.start()
    for reader in readers:
        while reader.is_alive():
            reader.join(1.0)
            if time.monotonic() - finished[0] > _LONGEST_READ:
                stalled = next(
                    path for path, header in zip(paths, found, strict=True) if not header
                )
                raise StalledRead(_stalled(stalled))
    if failed:
        raise failed[0]
    return [header for header in found if header is not None]


def _read_header(path: Path | str) -> Header:
    try:
        size = path.stat().st_size if isinstance(path, Path) else _remote_size(path)
    except OSError as error:
        _raise_if_passing(error)
        return Header(0, 0, 0, "", 0, f"cannot be opened ({error.strerror})")
    if isinstance(path, Path) and not path.is_file():
        return Header(0, 0, 0, "", 0, _NO_FILE)
    if size == 0:
        return Header(0, 0, 0, "", 0, "the file is empty")
    try:
        if str(path).lower().endswith(TIFF_SUFFIXES):
            return _tiff_header(path, size)
        return _png_header(path, size)
    except READ_ERRORS as error:
        _raise_if_passing(error)
        return Header(0, 0, 0, "", size, f"is damaged or not an image ({_first_line(error)})")


def _remote_size(url: str) -> int:
    """Return the size of a remote file; where its server does not tell it, the file is fetched."""
    size = size_of(url)
    return len(fetched(url)) if size is None else size


def _tiff_header(path: Path | str, size: int) -> Header:
    if (plain := read_plain_page(path)) is not None:
        fault = "" if plain.data_end <= size else _TRUNCATED
        dtype = _DTYPES[plain.bits]
        return Header(1, plain.size_y, plain.size_x, dtype, size, fault, plain.mark)
    with open_ranges(path) as file, tifffile.TiffFile(file) as tiff:
        pages = list(tiff.pages)
        page: Any = pages[0].keyframe
        fault = ""
        if any(_data_end(p) > size for p in pages):
            fault = _TRUNCATED
        elif len(page.shape) != 2:
            fault = f"holds colour or volume pixels of shape {page.shape}; one grey plane is needed"
        elif page.dtype not in (np.uint8, np.uint16):
            fault = f"holds {page.dtype} pixels; 8- or 16-bit unsigned integers are needed"
        height, width = page.shape[:2]
        return Header(len(pages), height, width, str(page.dtype), size, fault)


def _data_end(page: tifffile.TiffPage | tifffile.TiffFrame) -> int:
    """Return the offset just after the last pixel data of a page."""
    ends = [a + n for a, n in zip(page.dataoffsets, page.databytecounts, strict=True)]
    return max(ends, default=0)


def _png_header(path: Path | str, size: int) -> Header:
    kinds = {"L": "uint8", "I;16": "uint16", "I;16B": "uint16", "I": "uint16"}
    with open_ranges(path) as file, Image.open(file) as image:
        dtype = kinds.get(image.mode, image.mode)
        fault = ""
        if image.mode not in kinds:
            fault = f"is a PNG of mode {image.mode}; an 8- or 16-bit grey image is needed"
        return Header(1, image.height, image.width, dtype, size, fault)


def read_plane(
    path: Path | str, page: int = 0, size: int | None = None, checksum: str = ""
) -> AnyArray:
    """Read one plane (Y, X) of uint8 or uint16; `page` counts from 0 in a multi-page TIFF.

    Of a Zarr array, `page` counts the planes of its leading axes. What lies behind a URL is taken
    from the cache, or fetched, and must have the `size` in bytes that the index has of the file;
    and wherever it lies the `checksum`.

    `PlaneError` if the file cannot be decoded, `StalledRead` if the storage does not answer, and
    `levelfield.remote.files.RemoteFault` if a server does not.
    """
    if is_url(path):
        return _within_time(lambda: _read_remote(str(path), page, size, checksum), path)
    return _within_time(lambda: _read_plane(Path(path), page, checksum), path)


def _read_remote(url: str, page: int, size: int | None, checksum: str) -> AnyArray:
    """Read a plane of a file that is fetched whole if it is small, and else by what is needed."""
    try:
        if url.lower().endswith(SUFFIXES):
            size = size_of(url) if size is None else size
            if size is None or size <= WHOLE_BYTES:
                return _decoded(io.BytesIO(fetched(url, size, checksum)), url, page)
        kept = kept_part(url, f"plane {page}", checksum, lambda: _part(url, page))
        return np.load(io.BytesIO(kept), allow_pickle=False)
    except (*READ_ERRORS, SyntaxError) as error:
        _raise_if_passing(error)
        raise PlaneError(f"cannot be decoded ({_first_line(error)})") from error


def _part(url: str, page: int) -> bytes:
    """Return a plane as a NumPy file; only what it needs is asked for."""
    made = io.BytesIO()
    if url.lower().endswith(SUFFIXES):
        with open_ranges(url) as file:
            pixels = _decoded(file, url, page)
    else:
        pixels = read_zarr_plane(url, page)
    np.save(made, pixels, allow_pickle=False)
    return made.getvalue()


def _decoded(file: Any, name: str, page: int) -> AnyArray:
    """Decode a plane of an open TIFF or PNG file, or of one that is named by its path."""
    if name.lower().endswith(TIFF_SUFFIXES):
        return tifffile.imread(file, key=page)
    with Image.open(file) as image:
        pixels = np.asarray(image)
    return pixels.astype(np.uint16) if pixels.dtype == np.int32 else pixels


def _read_plane(path: Path, page: int, checksum: str) -> AnyArray:
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise PlaneError(_NO_FILE)
    try:
        if path.is_dir():
            return read_zarr_plane(path, page)
        if checksum:
            check_content(path.read_bytes(), checksum)
        if is_container(path):
            return read_container_plane(path, page)
        return _decoded(path, path.name, page)
    except (*READ_ERRORS, SyntaxError) as error:
        _raise_if_passing(error)
        raise PlaneError(f"cannot be decoded ({_first_line(error)})") from error


def _within_time(read: Callable[[], Result], path: Path | str) -> Result:
    """Read in a thread, which can be left behind if the storage never answers."""
    outcome: list[Any] = []

    def work() -> None:
        try:
            outcome.append((read(), None))
        except BaseException as error:  # carried to the caller
            outcome.append((None, error))

    reader = threading.Thread(target=work, daemon=True)
    reader.start()
    reader.join(_LONGEST_READ)
    if not outcome:
        raise StalledRead(_stalled(path))
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


def _stalled(path: Path | str) -> str:
    return (
        f"{path} could not be read within {_LONGEST_READ:g} s: its storage does not answer. "
        "The job ends here rather than wait for ever, and the site is not left out for it. "
        "See to the storage, or the mount."
    )


def _raise_if_passing(error: BaseException) -> None:
    if isinstance(error, OSError) and error.errno in PASSING_ERRORS:
        raise error


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0][:160] if text else type(error).__name__


def pixel_fault(plane: AnyArray) -> str:
    """Say what is wrong with the pixels of a plane (Y, X); empty where nothing is.

    Two faults that acquisition software leaves behind are looked for: a plane that is one
    value throughout, and a file that was allocated but not filled to its end, so that its
    last rows are all zero while the rest is an image.
    """
    if plane.min() == plane.max():
        return f"every pixel is {int(plane.flat[0])}"
    filled_rows = np.flatnonzero(plane.any(axis=1))
    empty = plane.shape[0] - 1 - filled_rows[-1]
    above = plane[: filled_rows[-1] + 1]
    if empty >= 0.05 * plane.shape[0] and np.count_nonzero(above) > 0.5 * above.size:
        return f"the last {empty} of {plane.shape[0]} rows are zero: the file was not filled"
    return ""


def saturated_fraction(plane: AnyArray, maximum: int) -> float:
    """Return the fraction of pixels at or above the largest value the camera can write.

    Cameras of 10, 12 or 14 bits write files of 16, and nobody may have said so (`maximum` is then
    that of the file): where the brightest pixels all are the largest value of so many bits, they
    count as saturated too.
    """
    brightest = int(plane.max())
    if brightest in _CAMERA_MAXIMA:
        maximum = min(maximum, brightest)
    return float(np.count_nonzero(plane >= maximum) / plane.size)
