"""The plates of a screen: where their images lie, what their wells hold, how they are packed.

All is decided from the plate sheet and the layout sheets alone, so that Snakemake knows every job
before the first one starts. No pixel is read here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from levelfield.config.layouts import check_repeats, layout_columns
from levelfield.config.results import SCREEN_FOLDERS
from levelfield.config.sheets import SheetError, check_sheet, checked_url, path_below, read_columns


@dataclass
class _Layouts:
    """The wells of the layouts of a screen, each read once; plates often share one."""

    schema: Mapping[str, Any] | None
    read: dict[tuple[Path, int], dict[str, str]] = field(default_factory=dict)

    def control_types(self, path: Path, n_wells: int) -> dict[str, str]:
        if (path, n_wells) not in self.read:
            layout = layout_columns(path, n_wells, self.schema)
            wells, kinds = layout["Metadata_Well"], layout["Metadata_ControlType"]
            self.read[path, n_wells] = dict(zip(wells, kinds, strict=True))
        return self.read[path, n_wells]


@dataclass(frozen=True)
class Plate:
    """One plate of the screen: where its images are, what its wells hold, how it is packed."""

    name: str  # unique in the screen; also the plate's folder under the results
    images: Path | str  # folder of the raw images; a str is a URL
    layout_path: Path
    n_wells: int  # plate format
    n_packs: int  # most jobs that the wells are divided among
    date: str  # when it was imaged, in ISO 8601; empty where the sheet does not say
    layouts: _Layouts = field(repr=False, compare=False)

    # Read when asked for: a job of a large screen needs the layout of one plate only.
    @cached_property
    def control_types(self) -> dict[str, str]:
        """By well of the layout, row by row, what it is to the screen."""
        return self.layouts.control_types(self.layout_path, self.n_wells)

    @cached_property
    def wells(self) -> tuple[str, ...]:
        """Wells of the layout, row by row, as ``A01``."""
        return tuple(self.control_types)

    @cached_property
    def packs(self) -> dict[str, tuple[str, ...]]:
        """The wells of each job, by the name of the pack, so that jobs are few and large."""
        return divide_into_packs(self.wells, self.n_packs)


def divide_into_packs(wells: Sequence[str], n_packs: int) -> dict[str, tuple[str, ...]]:
    """Divide wells into at most `n_packs` packs of nearly equal size, in plate order."""
    n_packs = min(n_packs, len(wells))
    digits = len(str(n_packs))
    edges = [round(i * len(wells) / n_packs) for i in range(n_packs + 1)]
    return {
        f"pack{number:0{digits}d}": tuple(wells[start:stop])
        for number, (start, stop) in enumerate(pairwise(edges), start=1)
    }


def read_plates(
    config: Mapping[str, Any],
    schemas: Mapping[str, Mapping[str, Any]] | None = None,
    base: str = ".",
) -> dict[str, Plate]:
    """Read the plate sheet and every layout: the plates by name, in the order of the sheet.

    The JSON Schemas of a row of the plate sheet (``plates``) and of a layout (``layout``) are left
    out where the plan has checked the sheets before. Then no layout is read until its plate's
    wells are asked for, as every job of a screen reads the plan. Relative paths of layouts count
    from the `base`.

    Raises
    ------
    SheetError
        If a sheet is wrong or a folder of images does not exist.
    """
    path = Path(config["plates"])
    sheet = {name.lower(): values for name, values in read_columns(path).items()}
    if schemas is not None:
        check_sheet(sheet, schemas["plates"], path)
        check_repeats(sheet["plate"], path, "plate")
    layouts = _Layouts(schemas["layout"] if schemas is not None else None)
    plates = {}
    for line, values in enumerate(zip(*sheet.values(), strict=True), start=2):
        row, where = dict(zip(sheet, values, strict=True)), f"{path}, line {line}"
        plate = Plate(
            name=row["plate"],
            images=_images(config["data_folder"], row["images"], f"{where}: images"),
            layout_path=path_below(base, row["layout"], f"{where}: layout"),
            n_wells=int(row["wells"]),
            n_packs=config["packs_per_plate"],
            date=row.get("date", ""),
            layouts=layouts,
        )
        plates[plate.name] = plate
        if schemas is not None:
            _check_plate(plate, where, schemas["plates"])
            layouts.control_types(plate.layout_path, plate.n_wells)
    return plates


def _images(folder: str, text: str, where: str) -> Path | str:
    """Return the folder of a plate's images, or its URL; a data folder may be a URL too."""
    if "://" in text:
        return checked_url(text, where)
    if "://" in folder:
        path_below("", text, where)
        return checked_url(f"{folder.rstrip('/')}/{text}", where)
    return path_below(folder, text, where)


def _check_plate(plate: Plate, where: str, schema: Mapping[str, Any]) -> None:
    """Refuse what the schema of the plate sheet cannot."""
    if plate.name.lower() in SCREEN_FOLDERS:
        raise SheetError(
            f"{where}: a plate cannot be called '{plate.name}', as the results of the screen lie "
            f"in folders called {', '.join(SCREEN_FOLDERS)}. Rename the plate."
        )
    try:
        datetime.fromisoformat(plate.date or "2000-01-01")
    except ValueError:
        raise SheetError(
            f"{where}: column 'date' holds '{plate.date}', which no calendar or clock has. "
            f"Expected: {schema['properties']['date']['description']}"
        ) from None
    if isinstance(plate.images, Path) and not plate.images.is_dir():
        raise SheetError(
            f"{where}: plate {plate.name} has no folder of images at '{plate.images}'. Correct "
            "the column 'images', or the config key 'data_folder' it starts from."
        )
