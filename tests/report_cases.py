"""Plates of any format with made-up tables, as the report gets them."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
from PIL import Image
from real_images import BBBC013
from skimage.filters import gaussian, threshold_otsu
from skimage.measure import label

from levelfield.plan import PLATE_SHAPES, row_letters
from levelfield.qc.statistics.comparison import comparisons
from levelfield.qc.verdict.tables import VERDICT_COLUMNS
from levelfield.report import Gallery, PlateReport

OBJECT_SETS = ("Nuclei", "Cells")
UNITS = {"agreement": ("pp", 10.0), "threshold": ("px", 0.5), "split_merge": ("pp", 10.0)}
NO_GALLERY = Gallery((), {}, {}, {}, 340)


def layout_of(n_wells: int, negative: str = "DMSO", positives: tuple[str, ...] = ("Drug A",)):
    """Return a full layout: column 1 negative, one further column for each positive control."""
    rows, columns = PLATE_SHAPES[n_wells]
    kinds = {1: ("negcon", negative)}
    kinds |= {number: ("poscon", name) for number, name in enumerate(positives, start=2)}
    wells = [
        (f"{row_letters(row)}{column:02d}", *kinds.get(column, ("trt", f"compound {column}")))
        for row in range(1, rows + 1)
        for column in range(1, columns + 1)
    ]
    names = ["Metadata_Well", "Metadata_ControlType", "Metadata_Perturbation"]
    blank = ["Metadata_Concentration", "Metadata_ConcentrationUnit", "Metadata_ControlGroup"]
    return pd.DataFrame(wells, columns=names).assign(**dict.fromkeys(blank, ""))


def verdict_of(
    layout: pd.DataFrame, verdicts: dict | None = None, estimate: float = 0.4, plate: str = "P1"
) -> pd.DataFrame:
    """Return a verdict table with every row that a plate of that layout has."""
    rows = []
    for object_set in OBJECT_SETS:
        for question in UNITS:
            answer = (verdicts or {}).get((object_set, question), "undecided")
            rows += _question_rows(plate, object_set, question, answer, layout, estimate)
    return pd.DataFrame(rows, columns=list(VERDICT_COLUMNS))


def _question_rows(plate, object_set, question, answer, layout, estimate) -> list[dict]:
    unit, margin = UNITS[question]
    rows = []
    for number, pair in enumerate(comparisons(layout)):
        for scope, name in (
            ("negcon", pair.negative_name),
            ("poscon", pair.perturbation),
            ("difference", pair.perturbation),
        ):
            if scope == "negcon" and any(row[3:5] == (scope, name) for row in rows):
                continue  # negative wells that several positive controls share stand there once
            share = question == "agreement" and scope != "difference"
            size = estimate * (number + 1)
            values = (85.0 if share else size, "%" if share else unit, size - 0.3, size + 0.3)
            judged = answer if scope == "difference" else "undecided"
            text = f"Advice on {object_set}, {question}, {scope} {name}."
            counts = (90.0 if share else margin, len(pair.negative_wells), 8, 1234, 0)
            head = (plate, question, object_set, scope, name)
            rows.append((*head, *values, *counts, judged, text))
    rows = [dict(zip(VERDICT_COLUMNS, row, strict=True)) for row in rows]
    worst = rows[-1] | {"perturbation": "worst", "advice": f"Worst: {rows[-1]['advice']}"}
    return [*rows, worst]


def report_of(layout: pd.DataFrame, n_wells: int, *, empty: bool = False, **changes) -> PlateReport:
    """Return the tables of a plate of one site per well; all values missing if `empty`."""
    random = np.random.default_rng(7)
    n = len(layout)

    def values(low: float, high: float) -> np.ndarray:
        return np.full(n, np.nan) if empty else random.uniform(low, high, n)

    head = layout.assign(Metadata_Plate="P1")
    counts = np.round(values(80, 250))
    wells = head.assign(Count_Nuclei=counts, Count_Cells=counts, Readout_ratio=values(0.6, 2))
    sites = head.assign(
        Metadata_Site=1,
        Count_Nuclei=counts,
        Threshold_FinalThreshold_Nuclei=values(0.1, 0.2),
        Threshold_FinalThreshold_Cells=values(0.05, 0.1),
    )
    judged = [
        head.assign(
            object_set=name,
            Metadata_Site=1,
            n_objects=0 if empty else 100,
            split_rate=values(0, 0.05),
            merge_rate=values(0, 0.05),
            balance=values(-0.05, 0.05),
            threshold_bias_px=values(-0.8, 0.8),
            threshold_call="" if empty else "ok",
        )
        for name in OBJECT_SETS
    ]
    qc_sites = pd.concat(judged, ignore_index=True)
    tables = {
        "plate": plate_facts(n),
        "n_wells": n_wells,
        "layout": layout,
        "sites": sites.iloc[:0] if empty else sites,
        "wells": wells,
        "excluded": excluded_of([]),
        "readouts": readouts_of(layout),
        "verdict": verdict_of(layout, estimate=np.nan if empty else 0.4),
        "qc_sites": qc_sites,
        "qc_wells": qc_sites.drop(columns=["Metadata_Site", "threshold_call"]),
        "illumination": pd.DataFrame(
            {"channel": ["DNA"], "status": ["weak"], "reason": ["only 12 images"]}
        ),
        "illumination_pictures": {"DNA": png()},
        "gallery": NO_GALLERY,
        "versions": {"levelfield": "0.1.0", "numpy": "2.2.0"},
        "config": {"channels": {"DNA": {"color": "0000FF"}}},
    }
    return PlateReport(**(tables | changes))


def plate_facts(n: int, n_excluded: int = 0, limit: float = 5.0, name: str = "P1") -> pd.DataFrame:
    """Return ``plate.csv``."""
    percent = 100 * n_excluded / n
    facts = (name, n, n, n_excluded, percent, limit, percent <= limit)
    names = ["Metadata_Plate", "n_wells", "n_sites", "n_excluded", "excluded_percent"]
    return pd.DataFrame([facts], columns=[*names, "excluded_limit_percent", "within_limit"])


def excluded_of(rows: list[tuple]) -> pd.DataFrame:
    """Return ``excluded_sites.csv`` from (well, site, reason, file)."""
    table = pd.DataFrame(rows, columns=["Metadata_Well", "Metadata_Site", "reason", "file"])
    return table.assign(Metadata_Plate="P1", rule="segment")


def readouts_of(layout: pd.DataFrame, plate: str = "P1", z_prime: float = 0.61) -> pd.DataFrame:
    """Return ``readouts.csv``."""
    names = layout.loc[layout["Metadata_ControlType"] == "poscon", "Metadata_Perturbation"].unique()
    return pd.DataFrame(
        {
            "Metadata_Plate": plate,
            "readout": "ratio",
            "perturbation": names,
            "control_group": "",
            "n_negative": 8,
            "n_positive": 8,
            "median_negative": 0.7,
            "median_positive": 1.6,
            "z_prime": z_prime,
        }
    )


def png() -> bytes:
    """Return a small picture."""
    file = io.BytesIO()
    Image.new("L", (4, 4)).save(file, format="PNG")
    return file.getvalue()


def real_field(well: str, brightness: float = 1.0) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return a field of the BBBC013 plate, DNA then FKHR, and its nuclei by Otsu's threshold."""
    ending = f"-{well[0]}-{well[1:]}.*"
    planes = []
    for channel in ("Channel2", "Channel1"):
        found = sorted(BBBC013.glob(f"{channel}-*{ending}"))
        planes.append(np.asarray(Image.open(found[0]), np.float32) / 255)
    image = brightness * np.stack(planes)
    smooth = gaussian(image[0], 1)
    nuclei = label(smooth > threshold_otsu(smooth)).astype(np.int32)
    return image, {"Nuclei": nuclei}
