"""Fields in the viewers that people have: napari with labels and evidence, and calls to others."""

import json
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from levelfield.config.extras import MissingLibraryError, is_installed
from levelfield.config.results import in_plate, store_in
from levelfield.config.wells import row_column, row_letters
from levelfield.io.store import (
    EDITED_SUFFIX,
    field_path,
    label_names,
    read_labels,
    stored_pixel_size_um,
    write_edited,
)
from levelfield.qc.columns import NUMBER, OBJECT_SET

INSTALL = "pip install 'napari[all]' napari-ome-zarr"
READER = "napari-ome-zarr"
_NEAR = 12.0
"""The view is about so many diameters of a chosen object wide."""


@dataclass(frozen=True)
class Look:
    """What somebody wants to look at: a field of a plate, and perhaps an object in it.

    `object_set` is that of the object; of several fields of a well `site` is one.
    """

    results: Path
    well: str
    site: int
    object_set: str
    number: int | None = None

    @property
    def store(self) -> Path:
        """The store of the plate."""
        return store_in(self.results)

    @property
    def field(self) -> Path:
        """The OME-Zarr image of the field."""
        return field_path(self.store, self.well, self.site)

    @property
    def sets(self) -> list[str]:
        """The object sets in the field, without what people drew."""
        return [
            name
            for name in label_names(self.store, self.well, self.site)
            if not name.endswith(EDITED_SUFFIX)
        ]


def find_look(
    results: Path, well: str, site: int | None, object_set: str | None, number: int | None
) -> Look:
    """Find a field, and an object in it, among the results of a plate.

    The first site of the well is taken, and the first object set, where none is named.

    Raises
    ------
    ValueError
        If the well, site, object set or object is not there; it names those that are.
    """
    row, column = row_column(well)
    name = f"{row_letters(row)}{column:02d}"
    folder = field_path(store_in(results), name, 0).parent
    sites = sorted(int(path.name) for path in folder.glob("[0-9]*") if path.name.isdigit())
    if not sites:
        raise ValueError(
            f"well {name} of plate {results.name} has no field in the store '{folder}': it is not "
            f"in the layout, or all its images were left out ({results.name}/excluded_sites.csv)."
        )
    chosen = sites[0] if site is None else site
    if chosen not in sites:
        raise ValueError(f"well {name} has no site {chosen}. Its sites are {_listed(sites)}.")
    sets = Look(results, name, chosen, "").sets
    wanted = object_set or (sets[0] if sets else "")
    if wanted not in sets:
        raise ValueError(f"there is no object set '{wanted}'. The sets are {_listed(sets)}.")
    look = Look(results, name, chosen, wanted, number)
    if number is not None and not (read_labels(look.store, name, chosen, wanted) == number).any():
        raise ValueError(
            f"{name}, site {chosen}, has no {wanted} number {number}. Numbers are those of "
            "qc/objects.parquet and of the label image."
        )
    return look


def evidence_of(look: Look, object_set: str) -> pd.DataFrame:
    """Return what is known of every object of a set, with its number as ``index``.

    These are its row in ``qc/objects.parquet``, as napari shows it under the mouse; nothing but
    the numbers where the set is not judged or the plate has no verdict yet.
    """
    numbers = np.unique(read_labels(look.store, look.well, look.site, object_set))
    known = pd.DataFrame({"index": numbers.astype(np.int64)})
    path = in_plate(look.results, "qc_plate", "objects")
    if not path.is_file():
        return known
    here = [
        ("Metadata_Well", "==", look.well),
        ("Metadata_Site", "==", look.site),
        (OBJECT_SET, "==", object_set),
    ]
    rows = pd.read_parquet(path, filters=here)
    said = [
        name
        for name in rows
        if str(name).endswith("_evidence") or name in ("threshold_bias_px", "area_px", NUMBER)
    ]
    return known.merge(rows[said].rename(columns={NUMBER: "index"}), on="index", how="left")


def printed_calls(look: Look) -> str:
    """Return what to type to see the field in napari, vizarr and ngio."""
    store, row = look.store, look.well.rstrip("0123456789")
    column, folder = int(look.well[len(row) :]), look.results.parent
    below = look.field.relative_to(folder).as_posix()
    address = f"http://127.0.0.1:8000/{quote(below)}"
    return f"""napari ({INSTALL}):
  napari --plugin {READER} {shlex.quote(str(look.field))}

vizarr in a notebook (pip install vizarr), with the files served to this machine alone:
  npx http-server {shlex.quote(str(folder))} -a 127.0.0.1 -p 8000 --cors

  import vizarr
  viewer = vizarr.Viewer()
  viewer.add_image(source={json.dumps(address)})
  viewer

ngio (pip install ngio):
  import ngio
  plate = ngio.open_ome_zarr_plate({json.dumps(str(store))})
  field = plate.get_image({json.dumps(row)}, {column}, "{look.site}")
  pixels = field.get_image().get_as_numpy()
  labels = field.get_label({json.dumps(look.object_set)}).get_as_numpy()
"""


def open_in_napari(look: Look) -> None:
    """Open the field in napari, and wait until its window is closed.

    Raises
    ------
    MissingLibraryError
        If napari or its reader of OME-Zarr is not installed.
    """
    missing = [name for name in ("napari", "napari_ome_zarr") if not is_installed(name)]
    if missing:
        raise MissingLibraryError(
            f"levelfield open needs {' and '.join(missing).replace('_', '-')}, which is not "
            f"installed here. Install it with\n  {INSTALL}\nor see the calls of other viewers with "
            "--print."
        )
    import napari

    viewer = napari.Viewer(title=f"{look.results.name} {look.well}, site {look.site}")
    show(viewer, look)
    napari.run()


def show(viewer: Any, look: Look) -> None:
    """Put a field into a viewer: images, labels with their evidence, and what was drawn before.

    Shift-E copies the chosen labels for drawing; Shift-S saves what was drawn.
    """
    layers = viewer.open(str(look.field), plugin=READER)
    for layer in layers:
        name = Path(str(layer.name)).name.split(" ")[0]
        if name in look.sets:
            layer.name = name
            layer.features = evidence_of(look, name)
            layer.visible = name == look.object_set
    for name in label_names(look.store, look.well, look.site):
        if name.endswith(EDITED_SUFFIX):
            _remove(viewer, name)
            _add_drawing(viewer, look, name.removesuffix(EDITED_SUFFIX), edited=True)
    if look.number is not None:
        _go_to(viewer, look)
    viewer.bind_key("Shift-E", partial(begin_drawing, look=look))
    viewer.bind_key("Shift-S", partial(save_drawings, look=look))


def begin_drawing(viewer: Any, look: Look) -> None:
    """Copy the chosen labels into a layer to draw on; a pyramid of sizes cannot be drawn on."""
    chosen = viewer.layers.selection.active
    name = chosen.name if chosen is not None and chosen.name in look.sets else look.object_set
    if f"{name}{EDITED_SUFFIX}" not in [layer.name for layer in viewer.layers]:
        _add_drawing(viewer, look, name, edited=False)
    viewer.status = f"Draw on {name}{EDITED_SUFFIX}; Shift-S saves it."


def save_drawings(viewer: Any, look: Look) -> list[Path]:
    """Write what was drawn into the store, from where it comes into training and truth."""
    saved = [
        write_edited(
            look.store,
            look.well,
            look.site,
            layer.name.removesuffix(EDITED_SUFFIX),
            np.asarray(layer.data),
            stored_pixel_size_um(look.store),
        )
        for layer in viewer.layers
        if layer.name.endswith(EDITED_SUFFIX) and not getattr(layer, "multiscale", False)
    ]
    said = ", ".join(map(str, saved))
    viewer.status = f"Saved {said}" if saved else "Nothing was drawn: Shift-E copies the labels."
    return saved


def _add_drawing(viewer: Any, look: Look, name: str, edited: bool) -> None:
    source = f"{name}{EDITED_SUFFIX}" if edited else name
    labels = read_labels(look.store, look.well, look.site, source)
    like = next(layer for layer in viewer.layers if layer.name == name)
    viewer.add_labels(
        labels.copy(),
        name=f"{name}{EDITED_SUFFIX}",
        scale=like.scale[-2:],
        translate=like.translate[-2:],
    )


def _remove(viewer: Any, name: str) -> None:
    for layer in [layer for layer in viewer.layers if Path(str(layer.name)).name == name]:
        viewer.layers.remove(layer)


def _go_to(viewer: Any, look: Look) -> None:
    labels = read_labels(look.store, look.well, look.site, look.object_set)
    rows, columns = np.nonzero(labels == look.number)
    layer = viewer.layers[look.object_set]
    layer.selected_label = look.number
    viewer.layers.selection.active = layer
    scale = [float(each) for each in layer.scale[-2:]]
    viewer.camera.center = (float(rows.mean()) * scale[0], float(columns.mean()) * scale[1])
    diameter = 2 * np.sqrt(len(rows) / np.pi) * scale[0]
    viewer.camera.zoom = 800 / (_NEAR * diameter)


def _listed(items: Iterable[object]) -> str:
    return ", ".join(map(str, items)) or "none"
