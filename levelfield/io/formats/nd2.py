"""ND2 files of Nikon's NIS-Elements, read by the package nd2.

A plate is one file whose positions are called by their wells (``B02``, ``B02_0001``), or a file
for each well or site that its name tells. Time points are those of the file's loops.
"""

from collections.abc import Mapping
from math import nan
from typing import Any

from levelfield.images.containers import ND2, nd2_channels, open_nd2
from levelfield.io.container_plates import NO_PAGE, Container, Position, read_containers, well_in
from levelfield.io.export import Export
from levelfield.io.listing import Listing, folder_of

TITLE = "ND2 (NIS-Elements)"


def plate_folders(files: Listing) -> list[str]:
    """Return the folders that hold ND2 files."""
    return sorted({folder_of(name) for name in files.ending(ND2)})


def read_export(files: Listing, images: Mapping[str, Any]) -> Export:
    """List the planes of all ND2 files of a plate; errors are those of `read_containers`."""
    return read_containers(files, ND2, "ND2", _read)


def _read(path: str) -> Container:
    with open_nd2(path) as file:
        sizes = dict(file.sizes)
        frames = {
            (at.get("P", 0), at.get("T", 0), at.get("Z", 0)): number
            for number, at in enumerate(file.loop_indices or ({},))
        }
        n_channels = nd2_channels(file)
        names = [made.channel.name or "" for made in file.metadata.channels or ()]
        size = float(file.voxel_size().x)
        calibrated = bool(
            file.metadata.channels and file.metadata.channels[0].volume.axesCalibrated[0]
        )
        return Container(
            positions=tuple(_positions(file, sizes.get("P", 1))),
            channels=tuple((names + [""] * n_channels)[:n_channels]),
            n_times=sizes.get("T", 1),
            n_z=sizes.get("Z", 1),
            dtype="RGB" if file.is_rgb else str(file.dtype),
            pixel_size_um=size if calibrated else nan,
            page=lambda p, t, z, c: (
                frames[p, t, z] * n_channels + c if (p, t, z) in frames else NO_PAGE
            ),
        )


def _positions(file: Any, number: int) -> list[Position]:
    loop = next((loop for loop in file.experiment if loop.type == "XYPosLoop"), None)
    points = list(loop.parameters.points) if loop is not None else []
    found = []
    for at in range(number):
        point = points[at] if at < len(points) else None
        name = (point.name if point is not None else "") or ""
        x, y = point.stagePositionUm[:2] if point is not None else (nan, nan)
        well = well_in(name.replace("_", " "))
        height, width = int(file.attributes.heightPx), int(file.attributes.widthPx)
        found.append(Position(name, well, height, width, float(x), float(y)))
    return found
