"""Raw plate exports, each turned into one index table: a row for every plane.

A format is a file of this folder with a function `find_planes`; ``images.format`` is its name. The
index has the columns of `INDEX_COLUMNS`. A plane that cannot be used stays in the index, with the
reason in the column ``fault``.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from levelfield.io.plate_index import INDEX_COLUMNS, check_index

__all__ = ["INDEX_COLUMNS", "index_plate"]


def index_plate(
    folder: Path,
    plate: str,
    layout: pd.DataFrame,
    images: Mapping[str, Any],
    channels: Mapping[str, Any],
) -> pd.DataFrame:
    """List every plane of a plate, with what is wrong with it.

    `images` and `channels` are those sections of the config.

    Returns
    -------
    DataFrame
        `INDEX_COLUMNS`, sorted by well, site, channel, z and time.

    Raises
    ------
    IndexFault
        If nothing matches, or wells that the layout declares as controls have no images.
    TypeError
        If a format's table lacks columns.
    """
    finder = import_module(f"{__name__}.{images['format']}")
    planes = finder.find_planes(folder, plate, images, channels)
    if missing := [name for name in INDEX_COLUMNS if name not in planes]:
        raise TypeError(f"{finder.__file__}: its planes lack the columns {', '.join(missing)}")
    return check_index(planes, plate, layout, images, list(channels))
