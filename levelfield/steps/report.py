"""Gather what the report of a plate shows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from levelfield.config.plan import read_layout
from levelfield.config.planted import mark_layout
from levelfield.config.settings import object_sets
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
    config: Mapping,
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
    sites = read_csv(results / "sites.csv")
    qc_sites = read_csv(results / "qc" / "sites.csv")
    fields = results / "illumination.npz"
    reader = field_reader(store, config, read_flat_fields(fields))
    colors = {name: rule.get("color", "FFFFFF") for name, rule in config["channels"].items()}
    choices = choose_gallery(sites, qc_sites, layout)
    crops = choose_crops(
        pd.read_parquet(results / "qc" / "objects.parquet"),
        layout,
        pd.read_parquet(results / "qc" / "candidates.parquet"),
    )
    first_channels = {one.name: list(colors).index(one.channels[0]) for one in object_sets(config)}
    made_from = {"layout": Path(layout_path), "index": results / "index.csv", "flat fields": fields}
    return PlateReport(
        plate=read_csv(results / "plate.csv"),
        n_wells=n_wells,
        layout=layout,
        sites=sites,
        wells=read_csv(results / "wells.csv"),
        excluded=read_csv(results / "excluded_sites.csv"),
        readouts=read_csv(results / "readouts.csv"),
        answers=read_csv(results / "qc" / "answers.csv"),
        verdict=read_csv(results / "qc" / "verdict.csv"),
        counts=read_csv(results / "qc" / "counts.csv"),
        trend=read_csv(results / "qc" / "trend.csv"),
        not_covered=read_csv(results / "qc" / "not_covered.csv"),
        qc_sites=qc_sites,
        qc_wells=read_csv(results / "qc" / "wells.csv"),
        illumination=read_csv(results / "illumination.csv"),
        illumination_pictures={
            name: (results / "illumination" / f"{name}.png").read_bytes() for name in colors
        },
        gallery=draw_gallery(choices, reader.read, colors),
        crops=draw_crops(crops, reader.read, first_channels),
        methods=advice_methods(object_sets(config)),
        truth=read_csv(results / "qc" / "truth.csv") if with_truth else None,
        versions=versions(),
        config=config,
        fingerprints={name: file_sha256(path) for name, path in made_from.items()},
    )
