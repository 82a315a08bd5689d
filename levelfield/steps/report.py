"""Gather what the report of a plate shows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from levelfield.config.layouts import read_layout
from levelfield.config.planted import mark_layout
from levelfield.config.results import in_plate
from levelfield.config.settings import object_sets
from levelfield.execution.timings import plate_timings
from levelfield.io.checksums import file_sha256
from levelfield.io.provenance import versions
from levelfield.io.tables import read_csv
from levelfield.report import PlateReport, choose_gallery, draw_gallery
from levelfield.report.crops import choose_crops, draw_crops
from levelfield.steps.fields import field_reader, read_flat_fields
from levelfield.steps.methods import advice_methods


def plate_report(
    results: Path,
    layout_path: Path | str,
    n_wells: int,
    store: Path | str,
    config: Mapping[str, Any],
    with_truth: bool = False,
) -> PlateReport:
    """Read a plate's tables and pictures, and draw its gallery.

    Parameters
    ----------
    results : Path
        The plate's folder of results.
    layout_path : Path
        The layout sheet.
    n_wells : int
        Plate format.
    store : Path
        The plate store.
    config : mapping
        The science of the run.
    with_truth : bool
        Whether the plate has reference labels, and so ``qc/truth.csv``.
    """
    layout = mark_layout(read_layout(Path(layout_path), n_wells), config["objects"])
    tables = _tables(results)
    fields = in_plate(results, "fit_illumination", "fields")
    reader = field_reader(store, config, read_flat_fields(fields))
    colors = {name: rule.get("color", "FFFFFF") for name, rule in config["channels"].items()}
    sets = object_sets(config)
    first_channels = {made.name: list(colors).index(made.channels[0]) for made in sets}
    crops = choose_crops(
        pd.read_parquet(in_plate(results, "qc_plate", "objects")),
        layout,
        pd.read_parquet(in_plate(results, "qc_plate", "candidates")),
    )
    gallery = choose_gallery(tables["sites"], tables["qc_sites"], layout)
    made_from = {
        "layout": Path(layout_path),
        "index": in_plate(results, "index_plate"),
        "flat fields": fields,
    }
    return PlateReport(
        n_wells=n_wells,
        layout=layout,
        illumination_pictures={
            name: in_plate(results, "fit_illumination", "pictures", channel=name).read_bytes()
            for name in colors
        },
        gallery=draw_gallery(gallery, reader.read, colors),
        crops=draw_crops(crops, reader.read, first_channels),
        methods=advice_methods(sets),
        truth=read_csv(in_plate(results, "qc_truth")) if with_truth else None,
        versions=versions(),
        config=config,
        fingerprints={name: file_sha256(path) for name, path in made_from.items()},
        timings=plate_timings(results),
        **tables,
    )


_TABLES = {
    "summarise_plate": ("plate", "sites", "wells", "excluded", "readouts"),
    "qc_plate": ("answers", "verdict", "counts", "trend", "not_covered"),
}
"""Tables that the report shows under the names that the rules have for them."""


def _tables(results: Path) -> dict[str, pd.DataFrame]:
    """Read the tables of a plate, by their names in the report."""
    files = {name: (rule, name) for rule, names in _TABLES.items() for name in names}
    files |= {f"qc_{name}": ("qc_plate", name) for name in ("sites", "wells")}
    files["illumination"] = ("fit_illumination", "table")
    return {name: read_csv(in_plate(results, *made)) for name, made in files.items()}
