"""The QC of a plate from the evidence of all its packs, and of a screen from its plates."""

from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from levelfield.config.planted import mark_verdict
from levelfield.config.settings import ObjectSetSettings, object_sets
from levelfield.config.wells import PLATE_SHAPES
from levelfield.qc.evidence.calibration import CALIBRATED_LEVEL, shipped_calibration
from levelfield.qc.plate import (
    PlateDesign,
    PlateFeatures,
    PlateQuality,
    ReviewInput,
    answer_table,
    assess_plate,
    verdict_table,
)
from levelfield.qc.review.sampling import ReviewPlan
from levelfield.qc.review.table import reviewed_rows
from levelfield.qc.statistics.readings import Reading
from levelfield.qc.statistics.records import from_table, to_table
from levelfield.qc.verdict.rule import judge
from levelfield.qc.verdict.rules import Margins, Rules
from levelfield.qc.verdict.screen import Drift, drift, screen_cases
from levelfield.steps.check_review import label_checksums
from levelfield.steps.methods import advice_methods
from levelfield.steps.qc_evidence import TABLES, judged_sets
from levelfield.steps.summarise_plate import stack

_BY_LEVEL = ("bias", "agreement")
"""Measures that depend on where the edge is sought."""


def verdict_rules(science: Mapping[str, Any], withheld: str = "") -> Rules:
    """Return what turns readings into verdicts, from the config's ``objects`` and ``qc``."""
    sets = judged_sets(object_sets(science))
    calibrations = shipped_calibration().constants
    if science["qc"]["threshold_level"] != CALIBRATED_LEVEL:
        calibrations = {key: one for key, one in calibrations.items() if key[0] not in _BY_LEVEL}
    return Rules(
        margins=Margins(**science["qc"]["margins"]),
        calibrations=calibrations,
        kinds={one.name: kinds_of(one) for one in sets},
        withheld=withheld,
        review_per_class=science["qc"]["review_per_class"],
    )


def kinds_of(one: ObjectSetSettings) -> tuple[str, str]:
    """Return the kinds of objects and of segmenter that a calibration is looked up by.

    Objects that are grown from others are cells; all others count as nuclei, and what does not
    look like nuclei is recognised by its features (`levelfield.qc.evidence.calibration`).
    """
    return ("cells" if one.parents else "nuclei"), one.method


def assess(
    plate: str,
    packs: Mapping[str, Sequence[pd.DataFrame]],
    sites: pd.DataFrame,
    facts: pd.Series,
    layout: pd.DataFrame,
    n_wells: int,
    science: Mapping[str, Any],
    segmented: Sequence[pd.DataFrame],
    review: pd.DataFrame | None = None,
) -> PlateQuality:
    """Judge a plate.

    Parameters
    ----------
    plate : str
        Name of the plate.
    packs : mapping of str to sequence of DataFrame
        `TABLES` of every pack.
    sites : DataFrame
        The plate's table of sound sites.
    facts : Series
        Its row of ``plate.csv``: with too many sites left out there is no verdict.
    layout : DataFrame
        The plate's layout.
    n_wells : int
        Plate format.
    science : mapping
        The config's sections ``channels``, ``objects`` and ``qc``.
    segmented : sequence of DataFrame
        The packs' tables of fields, for the checksums of the labels.
    review : DataFrame, optional
        The review sheet of all plates (`levelfield.steps.check_review.read_review`).
    """
    sets = judged_sets(object_sets(science))
    names = [one.name for one in sets]
    design = PlateDesign(
        plate,
        sites[["Metadata_Plate", "Metadata_Well", "Metadata_Site"]],
        layout,
        PLATE_SHAPES[n_wells],
        names,
        advice_methods(sets),
    )
    quality = assess_plate(
        PlateFeatures(*(stack(packs[name]) for name in TABLES)),
        design,
        verdict_rules(science, "" if facts["within_limit"] else _withheld(facts)),
        ReviewInput(
            review,
            label_checksums(segmented, names),
            ReviewPlan(per_class=science["qc"]["review_per_class"]),
        ),
    )
    return quality._replace(
        verdict=mark_verdict(quality.verdict, science["objects"]),
        answers=_mark_answers(quality.answers, science["objects"]),
    )


def _mark_answers(answers: pd.DataFrame, objects: Mapping[str, Any]) -> pd.DataFrame:
    """Put what was planted on purpose before the headlines, as before the advice."""
    marked = mark_verdict(answers.rename(columns={"headline": "advice"}), objects)
    return marked.rename(columns={"advice": "headline"})


def _withheld(facts: pd.Series) -> str:
    return (
        f"{facts['n_excluded']} of {facts['n_sites']} sites are left out "
        f"({facts['excluded_percent']:.1f} %), more than the {facts['excluded_limit_percent']:g} % "
        "that the config allows (qc.excluded_sites_percent); see excluded_sites.csv"
    )


class ScreenQuality(NamedTuple):
    """The QC tables of a screen, named as the files under ``screen/``."""

    verdict: pd.DataFrame
    answers: pd.DataFrame
    drift: pd.DataFrame


def assess_screen(
    estimates: Sequence[pd.DataFrame],
    plates: pd.DataFrame,
    science: Mapping[str, Any],
    reviewed: Sequence[pd.DataFrame] = (),
    answers: Sequence[pd.DataFrame] = (),
) -> ScreenQuality:
    """Judge a screen from its plates; plates that get no verdict of their own do not count.

    Parameters
    ----------
    estimates : sequence of DataFrame
        ``qc/estimates.csv`` of every plate.
    plates : DataFrame
        A row per plate, as ``plate.csv``; where all have a ``Metadata_Date``, drift follows it.
    science : mapping
        The config's sections ``channels``, ``objects`` and ``qc``.
    reviewed : sequence of DataFrame
        ``qc/reviewed.csv`` of every plate.
    answers : sequence of DataFrame
        ``qc/answers.csv`` of every plate, for the wells that the controls say nothing of.

    Raises
    ------
    ValueError
        Without any plate.
    """
    if not len(estimates):
        raise ValueError("A screen without plates has no verdict; pass at least one plate's table.")
    within = plates["within_limit"].to_numpy(bool)
    counts = within if within.any() else np.ones(len(within), bool)
    none_counts = "" if within.any() else "no plate of the screen has few enough sites left out"
    rules = verdict_rules(science, none_counts)
    readings = [from_table(table, Reading) for table in compress(estimates, counts)]
    reviews = [reviewed_rows(table) for table in compress(reviewed, counts)]
    rows = judge(screen_cases(readings, reviews, rules), rules)
    sets = judged_sets(object_sets(science))
    verdict = verdict_table(rows, advice_methods(sets))
    found = answer_table(rows, _coverage(list(compress(answers, counts))))
    return ScreenQuality(
        mark_verdict(verdict, science["objects"]),
        _mark_answers(found, science["objects"]),
        to_table(drift(readings, reviews, rules, _dates(plates)), Drift),
    )


def _coverage(answers: Sequence[pd.DataFrame]) -> dict[str, tuple[int, int]]:
    """Sum over plates the treated wells, and those that look like neither control class."""
    if not answers:
        return {}
    once = pd.concat([table.drop_duplicates("object_set") for table in answers])
    sums = once.groupby("object_set")[["n_treated", "n_not_covered"]].sum()
    return {
        str(row.Index): (int(row.n_treated), int(row.n_not_covered)) for row in sums.itertuples()
    }


def _dates(plates: pd.DataFrame) -> dict[str, str]:
    """Return when every plate was imaged, empty where nobody said."""
    dates = plates["Metadata_Date"].fillna("").astype(str)
    return dict(zip(plates["Metadata_Plate"], dates, strict=True))
