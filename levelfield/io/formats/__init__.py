"""Raw plate exports, each turned into one index table: a row for every plane.

The index has the columns of `INDEX_COLUMNS`. A plane that cannot be used stays in the index,
with the reason in the column ``fault``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from levelfield.io.formats.index import INDEX_COLUMNS, check_index
from levelfield.io.formats.pattern import find_planes

FORMATS = {"pattern": find_planes}
"""Finders by the name that the config key ``images.format`` uses."""

__all__ = ["FORMATS", "INDEX_COLUMNS", "index_plate"]


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
    """
    planes = FORMATS[images["format"]](folder, plate, images, channels)
    return check_index(planes, plate, layout, images, list(channels))
