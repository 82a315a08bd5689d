"""Ask servers, and ask again: what a network loses must not cost a site."""

import logging
import os
import random
import threading
import time
from collections.abc import Callable
from errno import EACCES, EIO, ENOENT
from socket import gethostname
from typing import Any, TypeVar

from levelfield.config.extras import needs_extra
from levelfield.remote.settings import RemoteSettings, settings
from levelfield.remote.urls import scheme_of

log = logging.getLogger("levelfield")

_ATTEMPTS = 7
_FIRST_WAIT = 0.25  # s; twice as long each time
_LONGEST = 200.0  # s, all attempts together: a read that takes 300 counts as stalled
_CONNECT_S, _READ_S = 20, 60
_CONNECTIONS = 32
_GONE, _FORBIDDEN = (404, 410), (401, 403)
_MAY_PASS = (408, 425, 429)

_filesystems: dict[tuple[int, str, RemoteSettings], Any] = {}
_lock = threading.Lock()

Result = TypeVar("Result")


class RemoteFault(Exception):
    """A server cannot be reached, or does not answer; the text says which, and what helps."""


class WrongContent(Exception):
    """What came is not what was promised; the text says how it differs."""


def filesystem(url: str) -> Any:
    """Return the fsspec file system of a URL, one for each process.

    Raises
    ------
    MissingLibraryError
        If the extra ``remote`` is not installed.
    """
    scheme, chosen = scheme_of(url), settings()
    scheme = "https" if scheme == "http" else scheme
    key = (os.getpid(), scheme, chosen)
    with _lock:
        if key not in _filesystems:
            with needs_extra(f"'{url}'"):
                _filesystems[key] = _made(scheme, chosen)
        return _filesystems[key]


def _made(scheme: str, chosen: RemoteSettings) -> Any:
    if scheme == "s3":
        from s3fs import S3FileSystem

        return S3FileSystem(
            anon=chosen.anonymous,
            endpoint_url=chosen.endpoint or None,
            max_concurrency=1,  # else it asks for the size of every file before the file
            use_listings_cache=False,
            skip_instance_cache=True,
            config_kwargs={
                "connect_timeout": _CONNECT_S,
                "read_timeout": _READ_S,
                "max_pool_connections": _CONNECTIONS,
            },
        )
    if scheme == "gs":
        from gcsfs.core import GCSFileSystem  # the other one asks a second service about buckets

        return GCSFileSystem(
            token="anon" if chosen.anonymous else None,
            requests_timeout=_READ_S,
            use_listings_cache=False,
            skip_instance_cache=True,
        )
    from aiohttp import ClientTimeout
    from fsspec.implementations.http import HTTPFileSystem

    timeout = ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_READ_S)
    return HTTPFileSystem(
        client_kwargs={"timeout": timeout}, use_listings_cache=False, skip_instance_cache=True
    )


def ask(url: str, question: Callable[[], Result]) -> Result:
    """Return what a server answers, asking again after longer and longer waits.

    Raises
    ------
    FileNotFoundError, PermissionError
        If the server says so; it is not asked again.
    OSError
        If the request is refused, or what comes is never what was promised.
    RemoteFault
        If no attempt came to an answer.
    """
    start = time.monotonic()
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return question()
        except Exception as error:
            _raise_if_final(error, url)
            if attempt == _ATTEMPTS or time.monotonic() - start > _LONGEST:
                if isinstance(error, WrongContent):
                    raise OSError(EIO, str(error)) from None
                raise RemoteFault(_given_up(url, error, attempt)) from error
            log.debug("%s: %s; asking again", url, _first_line(error))
            wait = _FIRST_WAIT * 2 ** (attempt - 1)
            time.sleep(wait * random.uniform(0.5, 1.5))  # that many jobs do not ask in step
    raise AssertionError


def _raise_if_final(error: BaseException, url: str) -> None:
    """Raise what asking again would not change, as the error of a file on a disk."""
    status = getattr(error, "status", None)
    if isinstance(error, FileNotFoundError) or status in _GONE:
        raise FileNotFoundError(ENOENT, "there is no such file", url) from None
    if isinstance(error, PermissionError) or status in _FORBIDDEN:
        raise PermissionError(EACCES, "access is denied", url) from None
    if isinstance(status, int) and 400 <= status < 500 and status not in _MAY_PASS:
        raise OSError(EIO, f"the server refuses the request ({status})", url) from None
    if type(error).__name__ in ("NoCredentialsError", "ProfileNotFound", "RefreshError"):
        raise PermissionError(
            EACCES, f"no account was found ({_first_line(error)}); see remote.anonymous", url
        ) from None
    if isinstance(error, ValueError | TypeError | ImportError):
        raise error


def _given_up(url: str, error: BaseException, attempts: int) -> str:
    chosen = settings()
    return (
        f"'{url}' could not be read on {gethostname()}: {_first_line(error)} ({attempts} attempts)."
        " The job ends here, and no site is left out for it; what was fetched is kept. If this "
        "machine has no network, as nodes of a cluster may, run `levelfield fetch` on one that has "
        f"(a login node): it puts all images of the screen into '{chosen.folder}', where jobs find "
        "them. Otherwise see to the network or the server, and run again."
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    text = lines[0][:200] if lines else ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
