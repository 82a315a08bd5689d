"""What lies in a remote folder."""

from base64 import b64decode
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from levelfield.remote.files import note_sizes
from levelfield.remote.requests import ask, filesystem
from levelfield.remote.urls import encoded, scheme_of

_READERS = 16
_PLAIN_ETAG = 32  # hexadecimal digits; of files in several parts it is no checksum


@dataclass(frozen=True)
class Entry:
    """A file or folder: its name, size in bytes where it is told, and checksum where it is."""

    name: str
    is_folder: bool
    size: int | None = None
    checksum: str = ""


def list_folder(url: str) -> list[Entry]:
    """List what lies in a folder, and not what lies in its subfolders.

    A web server lists only if it makes a page of links (an index).

    Raises
    ------
    FileNotFoundError, PermissionError, OSError
        If there is no such folder, or the server does not list it.
    RemoteFault
        If the server does not answer.
    """
    start = url.rstrip("/") + "/"
    found = ask(url, lambda: filesystem(url).ls(encoded(start), detail=True))
    entries = []
    for facts in found:
        if entry := _entry(start, facts):
            entries.append(entry)
    note_sizes({start + entry.name: entry.size for entry in entries if not entry.is_folder})
    return entries


def list_folders(urls: list[str]) -> list[list[Entry]]:
    """List several folders at a time, see `list_folder`."""
    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(list_folder, urls))


def _entry(start: str, facts: Mapping[str, Any]) -> Entry | None:
    """Return an entry of a listing; None for what is not directly in the folder."""
    whole = str(facts["name"])
    if "://" not in whole:  # S3 and Google name the bucket first
        whole = f"{scheme_of(start)}://{whole}"
    for beginning in (start, encoded(start)):
        if whole.startswith(beginning):
            name = whole.removeprefix(beginning).removeprefix("./")
            break
    else:
        return None
    is_folder = facts.get("type") == "directory" or name.endswith("/")
    name = _readable(name.strip("/"), start)
    if not name or "/" in name or "?" in name or "#" in name:
        return None  # links that sort a page, or lead elsewhere; marks of empty folders
    return Entry(name, is_folder, facts.get("size"), _checksum(facts))


def _readable(name: str, start: str) -> str:
    if not scheme_of(start).startswith("http"):
        return name
    from urllib.parse import unquote

    return unquote(name)


def _checksum(facts: Mapping[str, Any]) -> str:
    if facts.get("md5Hash"):
        return f"md5:{b64decode(facts['md5Hash']).hex()}"
    if facts.get("crc32c"):
        return f"crc32c:{int.from_bytes(b64decode(facts['crc32c']), 'big')}"
    etag = str(facts.get("ETag", "")).strip('"')
    return f"etag:{etag}" if len(etag) == _PLAIN_ETAG and "-" not in etag else ""
