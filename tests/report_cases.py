"""Plates of any format with made-up tables, as the report gets them."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
from PIL import Image
from real_images import BBBC013
from skimage.filters import gaussian, threshold_otsu
from skimage.measure import label

from levelfield.config.wells import PLATE_SHAPES, row_letters
from levelfield.qc.statistics.comparison import comparisons
from levelfield.qc.statistics.estimates import Estimate
from levelfield.qc.statistics.records import to_table
from levelfield.qc.verdict.rows import Answer, NextStep, ReviewCounts, Row
from levelfield.qc.verdict.tables import AnswerLine, VerdictLine, answer_lines, verdict_lines
from levelfield.qc.wording.advice import row_advice
from levelfield.qc.wording.headlines import answer_headline
from levelfield.qc.wording.parameters import Method
from levelfield.questions import MEASURES, QUESTIONS, measures_of
from levelfield.report import Gallery, PlateReport
from levelfield.segmentation.methods.classical import METHOD as CLASSICAL
from levelfield.segmentation.methods.propagation import METHOD as PROPAGATION

OBJECT_SETS = ("Nuclei", "Cells")
MARGINS = {
    "agreement": (0.9, 0.1),
    "found": (0.05, 0.05),
    "threshold": (1.0, 0.5),
    "split_merge": (0.15, 0.1),
}
"""For a class and for the difference, in fractions and px, by question."""
METHODS = {
    "Nuclei": Method(
        {
            "outline": 0.4,
            "declump.depth": 0.1,
            "threshold.correction": 1.0,
            "threshold.value": None,
        },
        {
            "outline": 0.4,
            "declump.depth": 0.08,
            "threshold.correction": 1.0,
            "threshold.value": None,
        },
        knobs=CLASSICAL.knobs,
    ),
    "Cells": Method(
        {"threshold.correction": 1.0}, {"threshold.correction": 1.0}, "Nuclei", PROPAGATION.knobs
    ),
}
ORDER = {"pass": 0, "undecided": 1, "fail": 2}
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


def estimate_of(value: float, half_width: float = 0.02) -> Estimate:
    """Return an estimate whose 90 % interval has about that half width."""
    return Estimate(value, (half_width / 1.7) ** 2, 20.0, 8)


def row_of(measure: str = "merges", scope: str = "negcon", value: float = 0.02, **changes) -> Row:
    """Return a row as the verdict makes it; a pass, unreviewed, unless changed."""
    own, difference = MARGINS[MEASURES[measure].question]
    names = {"negcon": "DMSO", "poscon": "Drug A", "difference": "Drug A"}
    is_difference = scope == "difference"
    width = 0.2 if measure == "bias" else 0.02
    facts = {
        "plate": "P1",
        "object_set": "Nuclei",
        "measure_name": measure,
        "scope": scope,
        "perturbation": names[scope],
        "estimate": estimate_of(value, width),
        "margin": difference if is_difference else own,
        "verdict": "pass",
        "reason": "inside",
        "evidence": estimate_of(value, width),
        "matched": estimate_of(value * 0.8, width) if is_difference else None,
        "positive_value": 1.2 * value if is_difference else np.nan,
        "negative_value": 0.2 * value if is_difference else np.nan,
        "fraction_low": 0.25 if measure == "bias" and not is_difference else np.nan,
        "fraction_high": 0.125 if measure == "bias" and not is_difference else np.nan,
        "n_wells": 8,
        "fewest_wells": 4,
        "n_sites": 8,
        "n_objects": 1234,
        "next_step": NextStep("review", 50, 9),
    }
    return Row(**(facts | changes))


def answer_of(rows, **changes) -> Answer:
    """Return the answer that rows of one question add up to."""

    def worst(some):
        return max(some, key=lambda row: ORDER[row.verdict])

    rows = tuple(rows)
    facts = {
        name: worst([row for row in rows if row.scope == scope] or rows).verdict
        for name, scope in (("negative", "negcon"), ("positive", "poscon"), ("both", "difference"))
    }
    first = rows[0]
    head = {"plate": first.plate, "object_set": first.object_set, "question": first.question}
    decides = worst(rows)
    facts |= head | {"verdict": decides.verdict, "worst": decides, "rows": rows}
    facts["next_step"] = decides.next_step
    return Answer(**(facts | changes))


def tables_of(answers) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return ``qc/answers.csv`` and ``qc/verdict.csv`` of some answers."""
    by_set = {answer.object_set: [] for answer in answers}
    for answer in answers:
        by_set[answer.object_set] += answer.rows
    rows = [row for answer in answers for row in answer.rows]
    advice = [
        row_advice(row, METHODS.get(row.object_set, Method()), by_set[row.object_set])
        for row in rows
    ]
    coverage = dict.fromkeys(by_set, (72, 2))
    lines = answer_lines(answers, map(answer_headline, answers), coverage)
    return to_table(lines, AnswerLine), to_table(verdict_lines(rows, advice), VerdictLine)


UNMEASURED = Estimate(np.nan, np.nan, np.nan, 0)


def answers_of(
    layout: pd.DataFrame,
    verdicts: dict | None = None,
    *,
    empty: bool = False,
    plate: str = "P1",
    **changes,
) -> list[Answer]:
    """Return the answers of a plate of that layout, with every row that it has.

    Parameters
    ----------
    layout
        From `layout_of`.
    verdicts
        Verdict by (object set, question); the others are undecided. What fails does so by its last
        difference.
    empty
        Whether nothing could be measured.
    plate
        Its name.
    **changes
        Fields of every row.
    """
    answers = []
    for object_set in OBJECT_SETS:
        for question in QUESTIONS:
            verdict = (verdicts or {}).get((object_set, question), "undecided")
            rows = _rows_of(layout, question, verdict, empty=empty)
            rows = [replace(row, plate=plate, object_set=object_set, **changes) for row in rows]
            answers.append(answer_of(rows))
    return answers


def _rows_of(layout: pd.DataFrame, question: str, verdict: str, *, empty: bool) -> list[Row]:
    rows: dict[tuple, Row] = {}
    pairs = comparisons(layout)
    for measure in measures_of(question):
        for number, pair in enumerate(pairs):
            for scope, name, missing in (
                ("negcon", pair.negative_name, not pair.negative_wells),
                ("poscon", pair.perturbation, not pair.positive_wells),
                ("difference", pair.perturbation, not pair.positive_wells),
            ):
                last = scope == "difference" and number == len(pairs) - 1
                judged = verdict if verdict != "fail" or last else "undecided"
                reason = {"pass": "inside", "fail": "beyond", "undecided": "sampling"}[judged]
                own = MARGINS[question][scope == "difference"]
                value = {"pass": 0.1, "undecided": 0.8, "fail": 1.5}[judged] * own
                if measure.is_share_of_right and scope != "difference":
                    value = {"pass": 0.97, "undecided": 0.91, "fail": 0.7}[judged]
                row = row_of(measure.name, scope, value, verdict=judged, reason=reason)
                row = replace(row, perturbation=name)
                if empty or missing:
                    row = _nothing(row, "no_wells" if missing else "nothing_measured")
                rows.setdefault((measure.name, scope, name), row)
    return list(rows.values())


def _nothing(row: Row, reason: str) -> Row:
    return replace(
        row,
        estimate=UNMEASURED,
        evidence=None,
        matched=None,
        verdict="undecided",
        reason=reason,
        missing=("poscon",) if reason == "no_wells" else (),
        positive_value=np.nan,
        negative_value=np.nan,
        fraction_low=np.nan,
        fraction_high=np.nan,
        n_wells=0,
        n_sites=0,
        n_objects=0,
        next_step=NextStep("layout" if reason == "no_wells" else "look"),
    )


def reviewed_row(row: Row, state: str, n_reviewed: int = 90) -> Row:
    """Return a row with a review; a complete one decides it."""
    counts = ReviewCounts(state, 120, n_reviewed, 3, 800)
    if state != "complete":
        return replace(row, review=counts)
    seen = {"reviewed": row.estimate, "reviewed_these_wells": row.estimate}
    return replace(row, review=counts, basis="review", **seen)


def counts_of(layout: pd.DataFrame) -> pd.DataFrame:
    """Return ``qc/counts.csv``."""
    rows = []
    for object_set in OBJECT_SETS:
        for pair in comparisons(layout):
            for scope, name in (("negcon", pair.negative_name), ("poscon", pair.perturbation)):
                rows.append(("P1", object_set, scope, name, 8, 8, 1234, 1301.0, 5.2, np.nan))
    names = ["plate", "object_set", "scope", "perturbation", "n_wells", "n_fields", "n_labels"]
    return pd.DataFrame(rows, columns=[*names, "n_second_opinion", "missed", "invented"])


def trend_of() -> pd.DataFrame:
    """Return ``qc/trend.csv``: one measure that rises with the dose, and one that does not vary."""
    rows = [
        ("P1", "Nuclei", "merges", "Drug A", 4, 12, 0.81, 3.4, "pp", 0.002),
        ("P1", "Nuclei", "bias", "Drug A", 3, 12, np.nan, np.nan, "px", np.nan),
    ]
    names = ["plate", "object_set", "measure", "perturbation", "n_doses", "n_wells", "spearman"]
    return pd.DataFrame(rows, columns=[*names, "slope", "unit", "p_value"])


def not_covered_of() -> pd.DataFrame:
    """Return ``qc/not_covered.csv``."""
    rows = [
        ("P1", "Nuclei", "C05", "compound 5", 6.3, "size 0.62"),
        ("P1", "Nuclei", "D07", "compound 7", np.nan, "too few objects"),
    ]
    names = ["plate", "object_set", "well", "perturbation", "distance", "reason"]
    return pd.DataFrame(rows, columns=names)


def report_of(
    layout: pd.DataFrame, n_wells: int, *, empty: bool = False, judged=None, **changes
) -> PlateReport:
    """Return the tables of a plate of one site per well; all values missing if `empty`.

    `judged` are its answers; by default all are undecided.
    """
    answers, verdict = tables_of(judged or answers_of(layout, empty=empty))
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
    rates = [
        head.assign(
            object_set=name,
            Metadata_Site=1,
            n_objects=0 if empty else 100,
            split_rate=values(0, 0.05),
            merge_rate=values(0, 0.05),
            balance=values(-0.05, 0.05),
            threshold_bias_px=values(-0.8, 0.8),
            missed_rate=values(0, 0.1),
            invented_rate=values(0, 0.1),
            agreement=values(0.8, 1),
            n_second_opinion=0 if empty else 105,
            threshold_call="" if empty else "ok",
        )
        for name in OBJECT_SETS
    ]
    qc_sites = pd.concat(rates, ignore_index=True)
    tables = {
        "plate": plate_facts(n),
        "n_wells": n_wells,
        "layout": layout,
        "sites": sites.iloc[:0] if empty else sites,
        "wells": wells,
        "excluded": excluded_of([]),
        "readouts": readouts_of(layout),
        "answers": answers,
        "verdict": verdict,
        "methods": METHODS,
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
    facts = (name, "", n, n, n_excluded, percent, limit, percent <= limit)
    names = ["Metadata_Plate", "Metadata_Date", "n_wells", "n_sites", "n_excluded"]
    names.append("excluded_percent")
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
