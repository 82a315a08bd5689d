"""The files below a folder, listed once for all who look for an export in it."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from levelfield.remote.files import size_of
from levelfield.remote.folders import Entry, list_folders
from levelfield.remote.urls import below as place_below
from levelfield.remote.urls import is_url

_STORE_MARKS = {"zarr.json", ".zattrs", ".zgroup"}
_NOT_EXPORTED = {"@eaDir", "__MACOSX"}  # what network disks and archives add
_SHEETS = (".csv", ".csv.gz", ".parquet", ".tsv", ".xdce", ".companion.ome", ".ome.xml")
"""Files that say what the images are, and that may be named in place of their folder."""


@dataclass(frozen=True)
class Listing:
    """What lies below a folder.

    Attributes
    ----------
    folder : Path or str
        The folder, a str where it is a URL.
    files : mapping of str to int
        Sizes in bytes by path below the folder, with ``/`` between its parts, sorted. Hidden
        files are no part of an export, and are left out.
    stores : tuple of str
        Folders that are Zarr groups; what they hold is not listed.
    checksums : mapping of str to str
        Checksums of files by path below the folder, where a server tells them.
    listed : bool
        Whether the files could be listed. Where a server does not do so, those that a sheet names
        are taken to be there.
    """

    folder: Path | str
    files: Mapping[str, int]
    stores: tuple[str, ...] = ()
    checksums: Mapping[str, str] = field(default_factory=dict)
    listed: bool = True

    def below(self, root: str) -> "Listing":
        """Return what lies below one of the folders, ``"."`` being the whole."""
        if root == ".":
            return self
        start = f"{root}/"
        files = {
            name.removeprefix(start): size
            for name, size in self.files.items()
            if name.startswith(start)
        }
        stores = [name for name in self.stores if name == root or name.startswith(start)]
        within = tuple("." if name == root else name.removeprefix(start) for name in stores)
        checksums = {
            name.removeprefix(start): text
            for name, text in self.checksums.items()
            if name.startswith(start)
        }
        return Listing(place_below(self.folder, root), files, within, checksums, self.listed)

    def path(self, name: str) -> str:
        """Return the whole path of a file."""
        return f"{self.folder}/{name}"

    def named(self, *names: str) -> list[str]:
        """Return the files of some names, whatever their case."""
        wanted = {name.lower() for name in names}
        return [name for name in self.files if base_name(name).lower() in wanted]

    def ending(self, *endings: str) -> list[str]:
        """Return the files whose names end so, whatever their case."""
        return [name for name in self.files if name.lower().endswith(endings)]

    def find(self, named: str, beside: str, names: Mapping[str, str]) -> str | None:
        r"""Return the file that metadata name, which may have been moved since.

        `named` is the path in the metadata, ``beside`` the folder that they lie in, and `names`
        are those of `by_base_name`: where the file is not where it was, one of its name is taken.
        """
        path = named.replace("\\", "/").removeprefix("./")
        if not self.listed:
            return base_name(path) if path[:1] == "/" or path[1:2] == ":" else path
        whole = path if beside == "." else f"{beside}/{path}"
        return whole if whole in self.files else names.get(base_name(path).lower())

    def by_base_name(self) -> dict[str, str]:
        """Return the files by the last part of their path in lower case; the first of several."""
        found: dict[str, str] = {}
        for name in self.files:
            found.setdefault(base_name(name).lower(), name)
        return found


def base_name(path: str) -> str:
    r"""Return the last part of a path, as Windows or others write it: ``D:\a\b.tif`` is b.tif."""
    return path.replace("\\", "/").rsplit("/", 1)[-1]


def folder_of(path: str) -> str:
    """Return the folder of a path of a `Listing`, ``"."`` for that of the listing itself."""
    return path.rpartition("/")[0] or "."


def list_files(folder: Path | str) -> Listing:
    """List the files of a folder and its subfolders, links included.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    RemoteFault
        If its server does not answer.
    """
    if is_url(folder):
        return _list_remote(str(folder).rstrip("/"))
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder '{folder}'. Correct its path.")
    files: dict[str, int] = {}
    stores: list[str] = []
    for name, size in _walk(str(folder), "", set()):
        if size is None:
            stores.append(name)
        else:
            files[name] = size
    return Listing(folder, dict(sorted(files.items())), tuple(sorted(stores)))


def _list_remote(url: str) -> Listing:
    """List a remote folder; or the one file in it that its URL names."""
    if url.lower().endswith(_SHEETS):
        above, _, name = url.rpartition("/")
        return Listing(above, {name: size_of(url) or 0})
    if url.lower().endswith(".zarr"):  # what it holds its metadata say
        return Listing(url, {}, (".",))
    files: dict[str, int] = {}
    checksums: dict[str, str] = {}
    stores: list[str] = []
    waiting = [""]
    while waiting:  # a floor of folders at a time
        found = _listed_floor(url, waiting)
        floor, waiting = waiting, []
        for start, entries in zip(floor, found, strict=True):
            if any(entry.name in _STORE_MARKS for entry in entries):
                stores.append(start.rstrip("/") or ".")
                continue
            for entry in entries:
                if entry.name.startswith(".") or entry.name in _NOT_EXPORTED:
                    continue
                if entry.is_folder:
                    waiting.append(f"{start}{entry.name}/")
                    continue
                files[start + entry.name] = entry.size or 0
                if entry.checksum:
                    checksums[start + entry.name] = entry.checksum
    return Listing(url, dict(sorted(files.items())), tuple(sorted(stores)), checksums)


def _listed_floor(url: str, folders: list[str]) -> list[list[Entry]]:
    try:
        return list_folders([f"{url}/{start}" for start in folders])
    except OSError as error:
        raise FileNotFoundError(
            f"'{error.filename or url}' cannot be listed: {error.strerror}. Correct the URL; or, "
            "where the server makes no list of its files, give the URL of a sheet that names them: "
            "CellProfiler's LoadData, or one of your own (docs/formats.md)."
        ) from None


def _walk(folder: str, start: str, linked: set[str]) -> Iterator[tuple[str, int | None]]:
    """Yield paths below a folder with their sizes; a size of None tells a Zarr group."""
    with os.scandir(folder) as found:
        entries = list(found)
    if any(entry.name in _STORE_MARKS for entry in entries):
        yield start.rstrip("/") or ".", None
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.name in _NOT_EXPORTED:
            continue
        if not entry.is_dir():
            yield start + entry.name, _size(entry)
            continue
        if entry.is_symlink():  # a link to a folder above would never end
            target = os.path.realpath(entry.path)
            if target in linked or os.path.realpath(folder).startswith(target):
                continue
            linked.add(target)
        yield from _walk(entry.path, f"{start}{entry.name}/", linked)


def _size(entry: "os.DirEntry[str]") -> int:
    try:
        return entry.stat().st_size
    except OSError:  # a link to nowhere: whoever reads it says so
        return 0
