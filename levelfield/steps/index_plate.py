"""List the raw images of a plate, and stop where the rest of the run would be in vain."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from levelfield.io.bit_depth import check_bit_depth
from levelfield.io.formats import list_plate
from levelfield.io.left_out import check_left_out
from levelfield.io.plate_index import IndexFault

log = logging.getLogger("levelfield")


def list_images(
    folder: Path | str, plate: str, layout: pd.DataFrame, config: Mapping[str, Any]
) -> pd.DataFrame:
    """Return the index of a plate; `config` is that of the run, checked.

    Raises
    ------
    IndexFault
        If nothing can be used, or more is left out than the config allows, or lengths are wanted
        in µm and nothing tells the size of a pixel.
    """
    listed = list_plate(folder, plate, layout, config["images"], config["channels"])
    for note in listed.notes:
        log.info("%s", note)
    faulty = (listed.planes["fault"] != "").sum()
    log.info("plate %s: %d planes listed, %d with a fault", plate, len(listed.planes), faulty)
    if warning := _check(listed.planes, plate, layout, config, listed.notes):
        log.warning("%s", warning)
    return listed.planes


def look_at_images(
    folder: Path | str, plate: str, layout: pd.DataFrame, config: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return what is to be said of a plate's images before the run; only a few are opened.

    Parameters and errors are those of `list_images`.
    """
    look = list_plate(folder, plate, layout, config["images"], config["channels"], headers=False)
    warning = _check(look.planes, plate, layout, config, look.notes)
    return (*look.notes, warning) if warning else look.notes


def _check(
    index: pd.DataFrame,
    plate: str,
    layout: pd.DataFrame,
    config: Mapping[str, Any],
    notes: Sequence[str],
) -> str:
    """Raise `IndexFault` if the run would be in vain; return a warning, or nothing."""
    limit = config["images"].get("left_out_percent", config["qc"]["excluded_sites_percent"])
    check_left_out(index, plate, layout, float(limit), " ".join(notes))
    if config["measurement"]["unit"] == "um" and index["pixel_size_um"].isna().all():
        raise IndexFault(
            f"plate {plate}: measurement.unit is 'um', but the images do not tell the size of a "
            "pixel. Add images.pixel_size_um, or measure in px."
        )
    return check_bit_depth(index, plate, config["images"].get("bit_depth"))
