"""Weights of networks: fetched once, and never used unchecked."""

import logging
import os
import shutil
import time
import uuid
from contextlib import suppress
from pathlib import Path

from levelfield.config.weights import Weights
from levelfield.io.checksums import file_sha256
from levelfield.io.download import DownloadError, download

log = logging.getLogger("levelfield")

_PART = ".part"
_ABANDONED_AFTER = 3600  # s; a download that lives writes at least once a minute, or gives up


class WeightsError(ValueError):
    """Weights cannot be had, or are not those that the config names."""


def fetch_weights(weights: Weights, place: Path, cache: Path) -> None:
    """Put weights, as `find_weights` finds them, where they are expected, whole or not at all."""
    found = find_weights(weights, place, cache)
    if found != place:
        # The user's own file must not change when somebody writes into ours.
        _put(found, place, link=weights.is_url)


def find_weights(weights: Weights, place: Path, cache: Path) -> Path:
    """Return a checked file of some weights, after downloading it if need be.

    The `place` where jobs expect the file is looked at first. What is downloaded is kept in the
    folder `cache`, for other workflows; a download that was cut off goes on where it ended.

    Raises
    ------
    WeightsError
        If the file cannot be had, or its checksum is wrong.
    """
    if place.is_file():
        _check(place, weights, f"Remove '{place}', and it is fetched again")
        return place
    if weights.is_url:
        return _cached(weights, place, cache)
    source = Path(weights.source)
    if not source.is_file():
        raise WeightsError(f"weights {weights.name}: there is no file '{source}'.")
    _check(source, weights, "Correct weights.source or weights.sha256 in the config")
    return source


def _cached(weights: Weights, place: Path, cache: Path) -> Path:
    """Return the cache's file of some weights, downloading it if need be.

    No lock is taken, as shared file systems break them: a download has a file of its own and is
    renamed when it is whole, so that two workflows that start together both end with one file.
    """
    cache.mkdir(parents=True, exist_ok=True)
    kept = cache / weights.sha256
    if kept.is_file():
        if file_sha256(kept) == weights.sha256:
            return kept
        log.warning("weights %s: '%s' is damaged and is fetched again", weights.name, kept)
    left = cache / f"{weights.sha256}{_PART}"
    part = _take_over(left)
    try:
        download(weights.source, part, f"weights {weights.name}")
    except BaseException as error:
        if part.is_file():  # nothing came when it is not
            part.replace(left)
        if isinstance(error, DownloadError):
            raise WeightsError(_offline(weights, place, error)) from None
        raise
    try:
        _check(part, weights, "The publisher's file may have changed: see docs/cellpose.md")
    except WeightsError:
        part.unlink()
        raise
    part.replace(kept)
    return kept


def _take_over(left: Path) -> Path:
    """Return a file for a download of our own; it holds what a download that has ended left.

    When several take over the same file, one wins its renaming; the others look further.
    """
    own = left.with_name(f"{left.name}.{uuid.uuid4().hex}")
    for found in [left, *sorted(left.parent.glob(f"{left.name}.*"))]:
        with suppress(FileNotFoundError):
            if found == left or time.time() - found.stat().st_mtime > _ABANDONED_AFTER:
                found.rename(own)
                break
    return own


def _offline(weights: Weights, place: Path, error: DownloadError) -> str:
    return (
        f"weights {weights.name}: cannot download {weights.source} ({error}). On a machine "
        f"without a network, fetch that file elsewhere and put it at '{place.absolute()}', or give "
        f"its path as weights.{weights.name}.source in the config. Its sha256 must be "
        f"{weights.sha256}."
    )


def _check(path: Path, weights: Weights, advice: str) -> None:
    found = file_sha256(path)
    if found != weights.sha256:
        raise WeightsError(
            f"weights {weights.name}: '{path}' is not the file that the config names. Its sha256 "
            f"is {found}; it should be {weights.sha256}. {advice}."
        )


def _put(source: Path, place: Path, *, link: bool) -> None:
    """Make `place` from a checked file: by a hard link where that is possible, else a copy.

    Either keeps the time of the last change, so that nothing downstream looks out of date.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f"{place.name}.{os.getpid()}.part")
    draft.unlink(missing_ok=True)
    try:
        if not link:
            raise OSError
        os.link(source, draft)
    except OSError:
        shutil.copy2(source, draft)
    draft.replace(place)
