"""Pages with a plate browser as the workflow writes them, of any size, with real pictures."""

from pathlib import Path

import numpy as np
import pandas as pd
from report_cases import excluded_of, layout_of, not_covered_of, real_field, report_of
from skimage.measure import regionprops

from levelfield.io.thumbnails import field_thumbnail
from levelfield.report import PlateReport, plate_page
from levelfield.report.well_files import MISSED_COLUMNS, OBJECT_COLUMNS, by_site, well_files

RANGES = {"DNA": (0.02, 0.6), "FKHR": (0.02, 0.4)}
CONFIG = {
    "channels": {"DNA": {"color": "3F7FFF"}, "FKHR": {"color": "40E060"}},
    "objects": {"Nuclei": {}, "Cells": {}},
}
FIELDS = ("A01", "C01", "E07", "G12")
"""Real fields, which the wells share in turn."""


def browser_report(n_wells: int = 384, n_sites: int = 9) -> PlateReport:
    """Return tables of a plate with several sites; C05 and D07 are not covered, B02 site 2 left
    out, and P24 (or the last well) without any image."""
    layout = layout_of(n_wells)
    one = report_of(layout, n_wells, with_browser=True)
    random = np.random.default_rng(3)

    def several(table: pd.DataFrame) -> pd.DataFrame:
        sites = [table.assign(Metadata_Site=site) for site in range(1, n_sites + 1)]
        every = pd.concat(sites, ignore_index=True)
        for name in ("split_rate", "merge_rate", "missed_rate", "balance", "threshold_bias_px"):
            if name in every:
                every[name] *= random.uniform(0.5, 1.5, len(every))
        last = layout["Metadata_Well"].iloc[-1]
        gone = (every["Metadata_Well"] == last) | (
            (every["Metadata_Well"] == "B02") & (every["Metadata_Site"] == 2)
        )
        return every[~gone].reset_index(drop=True)

    sites, qc_sites = several(one.sites), several(one.qc_sites)
    channels = ("DNA", "FKHR")
    illumination = pd.DataFrame(
        {
            **{"channel": channels, "status": "ok", "reason": "200 images"},
            "display_min_percent": [100 * RANGES[name][0] for name in channels],
            "display_max_percent": [100 * RANGES[name][1] for name in channels],
        }
    )
    changes = {"sites": sites, "qc_sites": qc_sites, "config": CONFIG, "illumination": illumination}
    changes |= {
        "not_covered": not_covered_of(),
        "excluded": excluded_of(
            [
                ("B02", 2, "FKHR: 31 % saturated", "B02_2.tif"),
                (str(layout["Metadata_Well"].iloc[-1]), -1, "no image", ""),
            ]
        ),
    }
    return report_of(layout, n_wells, with_browser=True, **changes)


def write_report(data: PlateReport, folder: Path, columns: tuple[str, ...] | None = None) -> Path:
    """Write the page and the files of the wells in some columns, or of all; return the page."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "report.html"
    page.write_text(plate_page(data))
    (folder / "browser").mkdir()
    fields = [_field(well) for well in FIELDS]
    every = data.sites["Metadata_Well"].unique()
    wells = [well for well in every if columns is None or well[1:] in columns]
    keys = data.sites[["Metadata_Well", "Metadata_Site"]].sort_values(
        ["Metadata_Well", "Metadata_Site"]
    )
    for start in range(0, len(wells), 24):
        own = keys[keys["Metadata_Well"].isin(wells[start : start + 24])]
        pack = list(own.itertuples(index=False, name=None))
        shared = [fields[(start + place) % len(fields)] for place in range(len(pack))]
        heads = [{"Metadata_Well": well, "Metadata_Site": site} for well, site in pack]
        thumbnails = pd.DataFrame(
            [head | field[0] for head, field in zip(heads, shared, strict=True)]
        )
        tables = [
            by_site(
                pd.concat(
                    [field[n].assign(**head) for head, field in zip(heads, shared, strict=True)]
                ),
                columns,
            )
            for n, columns in ((1, OBJECT_COLUMNS), (2, MISSED_COLUMNS))
        ]
        for well, content in well_files(thumbnails, *tables):
            (folder / "browser" / f"{well}.js").write_text(content)
    return page


def _field(well: str) -> tuple[dict, pd.DataFrame, pd.DataFrame]:
    """Return the pictures of a real field, its objects with made-up evidence, and missed ones."""
    image, labels = real_field(well)
    labels = {"Nuclei": labels["Nuclei"], "Cells": labels["Nuclei"]}
    row = field_thumbnail(image, ("DNA", "FKHR"), labels, RANGES).iloc[0].to_dict()
    random = np.random.default_rng(11)
    objects, missed = [], []
    for name, own in labels.items():
        for found in regionprops(own):
            y, x = found.centroid
            head = {"object_set": name, "centre_y_px": y, "centre_x_px": x, "area_px": found.area}
            objects.append(
                head
                | {
                    "Metadata_ObjectNumber": found.label,
                    "merge_evidence": random.beta(0.3, 3),
                    "fragment_evidence": random.beta(0.3, 3),
                    "invented_evidence": random.beta(0.2, 4),
                    "threshold_bias_px": random.normal(0, 0.6),
                }
            )
        missed.append(
            {"object_set": name, "candidate": 1, "centre_y_px": 40.0, "centre_x_px": 60.0}
            | {"area_px": 120.0, "missed_evidence": 0.8}
        )
    return row, pd.DataFrame(objects), pd.DataFrame(missed)
