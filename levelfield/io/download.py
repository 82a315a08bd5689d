"""Download a large file, and go on where a download was cut off."""

import http.client
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger("levelfield")

_BLOCK = 1 << 20
_ATTEMPTS = 3
_SECONDS_BETWEEN_LINES = 10.0
_TIMEOUT_S = 60
_ALREADY_WHOLE = 416  # "Range Not Satisfiable": there is nothing after what we have


class DownloadError(Exception):
    """Why a file could not be downloaded."""


def download(url: str, part: Path, what: str, seconds_between_attempts: float = 2.0) -> None:
    """Download a file (http or https), from the end of what an earlier attempt left.

    What comes is appended to `part`, which keeps it for the next attempt after an error. A
    connection that breaks off is tried again twice, some seconds later. `what` names the file in
    lines of progress, for instance ``"weights cpsam_v2"``.

    Raises
    ------
    DownloadError
        If the file is not there, or no attempt came to its end.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _append(url, part, what)
            return
        except urllib.error.HTTPError as error:
            raise DownloadError(f"the server answers {error.code} {error.reason}") from None
        except (OSError, http.client.HTTPException) as error:
            reason = str(getattr(error, "reason", error))
            if attempt == _ATTEMPTS:
                raise DownloadError(f"{reason}; {_size(part)} bytes are kept") from None
            log.warning("%s: %s; trying again from %d bytes", what, reason, _size(part))
            time.sleep(seconds_between_attempts)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _append(url: str, part: Path, what: str) -> None:
    start = _size(part)
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if start and error.code == _ALREADY_WHOLE:
            return
        raise
    with response:
        # A server that knows no ranges sends the whole file again.
        start = start if response.status == http.client.PARTIAL_CONTENT else 0
        promised = response.headers.get("Content-Length")
        total = start + int(promised) if promised else None
        with part.open("ab" if start else "wb") as file:
            for block in _with_progress(response, start, total, what):
                file.write(block)
    if total is not None and _size(part) < total:
        raise ConnectionError(f"the connection broke off after {_size(part)} of {total} bytes")


def _with_progress(
    response: http.client.HTTPResponse, start: int, total: int | None, what: str
) -> Iterator[bytes]:
    begun = last = time.monotonic()
    done = start
    while block := response.read(_BLOCK):
        yield block
        done += len(block)
        now = time.monotonic()
        if now - last >= _SECONDS_BETWEEN_LINES:
            rate, last = (done - start) / (now - begun), now
            of, left = "", ""
            if total is not None:
                of, left = f" of {total / 1e6:.0f}", f", {(total - done) / rate:.0f} s left"
            log.info("%s: %.0f%s MB, %.1f MB/s%s", what, done / 1e6, of, rate / 1e6, left)
