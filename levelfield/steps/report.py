"""Gather what the report of a plate shows."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from levelfield.config.layouts import read_layout
from levelfield.config.planted import mark_layout
from levelfield.config.results import in_plate, packs_in
from levelfield.config.settings import Science
from levelfield.execution.timings import gpu_timings, plate_timings
from levelfield.io.checksums import file_sha256
from levelfield.io.provenance import versions
from levelfield.io.tables import read_csv, write_text
from levelfield.report import PlateReport, choose_gallery, draw_gallery
from levelfield.report.collages import ShownCollages, shown_collages
from levelfield.report.crops import choose_crops, draw_crops
from levelfield.report.well_files import (
    LIKELY,
    MISSED_COLUMNS,
    OBJECT_COLUMNS,
    by_site,
    columns_of,
    well_files,
)
from levelfield.steps.fields import field_reader, read_flat_fields
from levelfield.steps.methods import advice_methods

_TABLES = {
    **{name: ("summarise_plate", name) for name in ("plate", "sites", "wells", "excluded")},
    **{name: ("summarise_plate", name) for name in ("readouts", "image_quality")},
    **{name: ("qc_plate", name) for name in ("answers", "verdict", "counts", "trend")},
    **{"not_covered": ("qc_plate", "not_covered"), "illumination": ("fit_illumination", "table")},
    **{f"qc_{name}": ("qc_plate", name) for name in ("sites", "wells")},
}
"""Tables that the report shows: the rule that makes each, and the rule's name for it."""


def plate_report(
    results: Path,
    layout_path: Path | str,
    n_wells: int,
    store: Path | str,
    config: Mapping[str, Any],
    with_truth: bool = False,
) -> PlateReport:
    """Read a plate's tables and pictures, and draw its gallery.

    `config` is the science of the run; with reference labels there is a ``qc/truth.csv``.
    """
    science, path = Science(config), partial(in_plate, results)
    layout = mark_layout(read_layout(Path(layout_path), n_wells), config["objects"])
    tables = {name: read_csv(path(*made)) for name, made in _TABLES.items()}
    illumination = path("fit_illumination", "fields")
    read = field_reader(store, science, read_flat_fields(illumination)).read
    colors = {name: channel.color for name, channel in science.channels.items()}
    first_channels = {
        made.name: list(colors).index(made.channels[0]) for made in science.object_sets
    }
    objects, candidates = (
        pd.read_parquet(path("qc_plate", name)) for name in ("objects", "candidates")
    )
    gallery = choose_gallery(tables["sites"], tables["qc_sites"], layout)
    made_from = {"layout": layout_path, "index": path("index_plate"), "flat fields": illumination}
    return PlateReport(
        n_wells=n_wells,
        layout=layout,
        illumination_pictures={
            name: path("fit_illumination", "pictures", channel=name).read_bytes() for name in colors
        },
        gallery=draw_gallery(gallery, read, colors),
        crops=draw_crops(choose_crops(objects, layout, candidates), read, first_channels),
        methods=advice_methods(science.object_sets),
        truth=read_csv(path("qc_truth")) if with_truth else None,
        versions=versions(),
        config=config,
        fingerprints={name: file_sha256(Path(made)) for name, made in made_from.items()},
        timings=plate_timings(results),
        gpu_timings=gpu_timings(results),
        with_browser=True,
        collages=_collages(results, science),
        **tables,
    )


def _collages(results: Path, science: Science) -> ShownCollages | None:
    if not science.collages.make:
        return None
    table, planted, sheet = (
        in_plate(results, "qc_collages", name) for name in ("collages", "planted_read", "sheet")
    )
    return shown_collages(read_csv(table), read_csv(planted), sheet.read_bytes())


def write_browser(results: Path, folder: Path) -> int:
    """Write the files of the plate browser, one per well, and return how many.

    One pack of pictures is held at a time.
    """
    tables = {
        name: pd.read_parquet(in_plate(results, "qc_plate", name), columns=columns_of(columns))
        for name, columns in (("objects", OBJECT_COLUMNS), ("candidates", MISSED_COLUMNS))
    }
    likely = tables["candidates"]["missed_evidence"] >= LIKELY
    objects = by_site(tables["objects"], OBJECT_COLUMNS)
    missed = by_site(tables["candidates"][likely], MISSED_COLUMNS)
    folder.mkdir(parents=True, exist_ok=True)
    number = 0
    for pack in packs_in(results, "measure", "thumbnails"):
        for well, content in well_files(pd.read_parquet(pack), objects, missed):
            write_text(content, folder / f"{well}.js")
            number += 1
    return number
