"""Libraries that the base installation does not bring, and the extras that do."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

# The extras of pyproject.toml by the name under which a library is imported.
EXTRAS = {
    "torch": "gpu",
    "torchvision": "gpu",
    "cellpose": "gpu",
    "segment_anything": "gpu",
    "h5py": "gpu",
    "sklearn": "train",
    "anndata": "anndata",
    "dask": "dask",
    "s3fs": "remote",
    "gcsfs": "remote",
    "aiohttp": "remote",
    "nd2": "formats",
    "pylibCZIrw": "formats",
}


class MissingLibraryError(ValueError):
    """A library is missing that an extra would have installed."""


def missing_library(what: str, library: str, environment: str = "") -> MissingLibraryError:
    """Return the error for a missing library: `what` cannot be done without it.

    The environment that brings it is an extra, or told in words; of `EXTRAS` where left out.
    """
    place = environment or (f"levelfield[{EXTRAS[library]}]" if library in EXTRAS else library)
    remedy = f"Use {place}" if " " in place else f"Install it with `pip install '{place}'`"
    absent = f"{what} needs {library}, which is not installed here."
    return MissingLibraryError(f"{absent} {remedy}, or choose what does without.")


@contextmanager
def needs_extra(what: str) -> Iterator[None]:
    """Raise `MissingLibraryError`, with the extra to install, if one of `EXTRAS` is not installed.

    `what` cannot be done without it, e.g. ``"method cellpose"``.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").split(".")[0]
        if library not in EXTRAS:
            raise
        raise missing_library(what, library) from error


def is_installed(library: str) -> bool:
    """Return whether a library can be imported, without importing it."""
    return find_spec(library) is not None
