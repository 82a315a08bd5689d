"""What a dry run says of the raw images: their names and metadata are read, and no image."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from levelfield.config.layouts import read_layout
from levelfield.io.plate_index import IndexFault
from levelfield.remote.files import RemoteFault
from levelfield.remote.urls import is_url, local_or_url
from levelfield.steps.index_plate import look_at_images

_SECONDS = 60.0  # of a screen of many plates, that are looked at for so long


def look_at(
    plates: Sequence[tuple[str, str, str, int]], config: Mapping[str, Any]
) -> tuple[list[str], list[str]]:
    """Return what is to be said of plates, and what is wrong with them.

    A plate is its name, folder of images, layout and number of wells.
    """
    notes: list[str] = []
    faults: list[str] = []
    empty: list[str] = []
    start = time.monotonic()
    for at, (name, images, layout_path, n_wells) in enumerate(plates):
        if time.monotonic() - start > _SECONDS:
            notes.append(
                f"{at} of {len(plates)} plates were looked at within {_SECONDS:g} s; the others "
                "will be when they are listed."
            )
            break
        folder = Path(images)
        is_folder = not is_url(images) and folder.is_dir()
        if is_folder and not any(folder.iterdir()):  # images may still be on their way
            empty.append(name)
            continue
        try:
            layout = read_layout(layout_path, n_wells)
            notes += look_at_images(local_or_url(images), name, layout, config)
        except (IndexFault, RemoteFault) as fault:
            faults.append(str(fault))
    if empty:
        shown = ", ".join(empty[:5]) + (", …" if len(empty) > 5 else "")
        notes.append(f"{len(empty)} of {len(plates)} plates have no file in their folder: {shown}.")
    return notes, faults
