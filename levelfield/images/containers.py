"""Files that hold many images of a plate: ND2 (Nikon) and CZI (Zeiss), by libraries of their own.

Their planes are counted through: of ND2 by frames, in the order in which they were taken, and
within a frame by channels; of CZI by scenes, time points, z planes and channels.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from levelfield.arrays import AnyArray
from levelfield.config.extras import needs_extra

ND2, CZI = ".nd2", ".czi"
CONTAINERS = (ND2, CZI)


def is_container(path: Path | str) -> bool:
    """Say whether a file is one of these, by its name."""
    return str(path).lower().endswith(CONTAINERS)


def open_nd2(path: Path | str) -> Any:
    """Open an ND2 file; `MissingLibraryError` without the package ``nd2``."""
    with needs_extra(f"'{path}'"):
        import nd2
    return nd2.ND2File(path)


def open_czi(path: Path | str) -> Any:
    """Open a CZI file; `MissingLibraryError` without the package ``pylibCZIrw``."""
    with needs_extra(f"'{path}'"):
        from pylibCZIrw import czi
    return czi.open_czi(str(path))


def czi_sizes(document: Any) -> dict[str, int]:
    """Return the numbers of scenes, time points, z planes and channels: S, T, Z, C, in order."""
    box: Mapping[str, tuple[int, int]] = document.total_bounding_box
    scenes = len(document.scenes_bounding_rectangle) or 1
    return {"S": scenes} | {axis: box[axis][1] if axis in box else 1 for axis in "TZC"}


def read_container_plane(path: Path | str, page: int) -> AnyArray:
    """Read one plane (Y, X).

    Raises
    ------
    IndexError
        If the file has fewer planes.
    OSError, ValueError, KeyError, RuntimeError
        If it cannot be read.
    """
    return _nd2_plane(path, page) if str(path).lower().endswith(ND2) else _czi_plane(path, page)


def _nd2_plane(path: Path | str, page: int) -> AnyArray:
    with open_nd2(path) as file:
        frame, channel = divmod(page, nd2_channels(file))
        pixels = np.asarray(file.read_frame(frame))
        return np.array(pixels if pixels.ndim == 2 else pixels[channel])


def nd2_channels(file: Any) -> int:
    """Return the number of channels in each frame of an ND2 file."""
    return int(file.attributes.channelCount or 1)


def _czi_plane(path: Path | str, page: int) -> AnyArray:
    with open_czi(path) as document:
        sizes = czi_sizes(document)
        if page >= np.prod(list(sizes.values())):
            raise IndexError(f"there are fewer planes than {page + 1}")
        at = dict(zip(sizes, map(int, np.unravel_index(page, tuple(sizes.values()))), strict=True))
        scenes = sorted(document.scenes_bounding_rectangle)
        scene = scenes[at.pop("S")] if scenes else None
        return np.array(document.read(plane=at, scene=scene)[..., 0])
