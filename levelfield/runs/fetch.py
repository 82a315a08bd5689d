"""Put the images of a screen into the cache, for machines that have no network."""

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from levelfield.config.layouts import read_layout
from levelfield.config.plan import Plan
from levelfield.config.plates import Plate
from levelfield.images.planes import PlaneError, read_plane
from levelfield.io.plate_index import IndexFault
from levelfield.io.tables import read_csv
from levelfield.remote.settings import settings, use_settings
from levelfield.remote.urls import is_url
from levelfield.steps.index_plate import list_images

_READERS = 16
_USED_SHARE = 0.9  # of the cache: it deletes down to that when it is full


def fetch_plates(plan: Plan, names: Sequence[str]) -> str:
    """Fetch all images that the run will read of plates behind URLs; return what was done.

    `names` are those of plates, all of the screen where there are none. What is in the cache is
    not fetched again.

    Raises
    ------
    ValueError
        If there is nothing to fetch, or it is more than the cache may hold.
    RemoteFault
        If a server does not answer.
    """
    use_settings(plan.config["remote"])
    plates = [plan.plates[name] for name in names or plan.plates if is_url(_images(plan, name))]
    if not plates:
        raise ValueError("the images of these plates lie on a disk already: nothing is to fetch.")
    indexes = {plate.name: _index(plan, plate) for plate in plates}
    files = pd.concat(index[["path", "bytes"]] for index in indexes.values())
    total = int(files.drop_duplicates("path")["bytes"].sum())
    chosen = settings()
    if total > _USED_SHARE * 1e9 * chosen.cache_gb:
        raise ValueError(
            f"the images of {', '.join(indexes)} are {total / 1e9:.1f} GB, and the cache "
            f"'{chosen.folder}' may hold {chosen.cache_gb:g} GB: what is fetched first would be "
            "deleted again. Raise remote.cache_gb, or fetch and run fewer plates at a time "
            "(`levelfield fetch PLATE`)."
        )
    faults = [text for plate, index in indexes.items() for text in _fetch(plate, index)]
    number = sum(map(len, indexes.values()))
    text = f"{number} images ({total / 1e9:.2f} GB) are in '{chosen.folder}'."
    shown = "\n".join(f"  {fault}" for fault in faults[:5])
    return f"{text}\n{len(faults)} could not be had, such as\n{shown}" if faults else text


def _images(plan: Plan, name: str) -> str:
    if name not in plan.plates:
        raise ValueError(
            f"there is no plate '{name}' in the plate sheet. Its plates: {', '.join(plan.plates)}."
        )
    return str(plan.plates[name].images)


def _index(plan: Plan, plate: Plate) -> pd.DataFrame:
    """Return the usable planes of a plate, by its index or by a new listing."""
    path = Path(plan.results.file("index_plate", plate=plate.name))
    if path.is_file():
        index = read_csv(path)
    else:
        config: Mapping[str, Any] = plan.config
        layout = read_layout(plate.layout_path, plate.n_wells)
        index = list_images(str(plate.images), plate.name, layout, config)
    usable = index[(index["fault"] == "") & (index["path"] != "")]
    if usable.empty:
        raise IndexFault(f"plate {plate.name}: none of its images can be used.")
    return usable


def _fetch(plate: str, index: pd.DataFrame) -> list[str]:
    """Read every plane once, several at a time; return what is wrong with some."""
    rows = [
        (row.path, int(row.page), int(row.bytes) or None, row.checksum)
        for row in index.itertuples()
        if is_url(row.path)
    ]
    columns = zip(*rows, strict=True) if rows else repeat(())
    with ThreadPoolExecutor(_READERS) as pool:
        done = tqdm(
            pool.map(_read, *columns), total=len(rows), desc=plate, file=sys.stderr, unit="images"
        )
        return [fault for fault in done if fault]


def _read(path: str, page: int, size: int | None, checksum: str) -> str:
    try:
        read_plane(path, page, size, checksum)
    except PlaneError as error:
        return f"{path} {error}"
    return ""
