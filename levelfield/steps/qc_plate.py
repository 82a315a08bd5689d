"""The QC of a plate from the evidence of all its packs, and of a screen from its plates."""

from collections.abc import Mapping, Sequence
from itertools import compress
from typing import NamedTuple

import numpy as np
import pandas as pd

from levelfield.config.planted import mark_verdict
from levelfield.config.settings import ObjectSetSettings, Science
from levelfield.config.wells import PLATE_SHAPES
from levelfield.io.tables import stack
from levelfield.qc.columns import SITE
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
from levelfield.qc.review.calibrate import with_unlike
from levelfield.qc.review.lab import KIND, LabCalibration
from levelfield.qc.review.sampling import ReviewPlan
from levelfield.qc.review.table import reviewed_rows
from levelfield.qc.statistics.readings import Reading
from levelfield.qc.statistics.records import from_table, to_table
from levelfield.qc.verdict.rule import judge
from levelfield.qc.verdict.rules import UNCALIBRATED, Margins, Rules
from levelfield.qc.verdict.screen import Drift, drift, screen_cases
from levelfield.qc.verdict.screen_review import PlannedPlate, review_plan
from levelfield.steps.check_review import label_checksums
from levelfield.steps.lab import lab_calibrations
from levelfield.steps.methods import advice_methods
from levelfield.steps.qc_evidence import TABLES, judged_sets

_BY_LEVEL = ("bias", "agreement")
"""Measures that depend on where the edge is sought."""


def verdict_rules(
    science: Science, withheld: str = "", labs: Mapping[str, LabCalibration] | None = None
) -> Rules:
    """Return what turns readings into verdicts, from the config's ``objects`` and ``qc``.

    `labs` are the lab's own calibrations, which are read from ``qc.calibration`` if left out.
    """
    calibrations = dict(shipped_calibration().constants)
    if science.qc.threshold_level != CALIBRATED_LEVEL:
        calibrations = {key: own for key, own in calibrations.items() if key[0] not in _BY_LEVEL}
    kinds = {made.name: _kinds_of(made) for made in judged_sets(science)}
    for name, own in (lab_calibrations(science) if labs is None else labs).items():
        # What was not reviewed, as the threshold in px, keeps what is known of the method.
        known = {key[0]: each for key, each in calibrations.items() if key[1:] == kinds[name]}
        kinds[name] = (KIND + name, own.method)
        known |= with_unlike(own.constants, UNCALIBRATED)
        calibrations |= {(measure, *kinds[name]): each for measure, each in known.items()}
    return Rules(
        margins=Margins(science.qc.margins),
        calibrations=calibrations,
        kinds=kinds,
        withheld=withheld,
        review_per_class=science.qc.review_per_class,
    )


def _kinds_of(made: ObjectSetSettings) -> tuple[str, str]:
    """Return the kinds of objects and of segmenter that a calibration is looked up by.

    Objects that are grown from others are cells; all others count as nuclei, and what does not
    look like nuclei is recognised by its features (`levelfield.qc.evidence.calibration`).
    """
    return ("cells" if made.parents else "nuclei"), made.method


def assess(
    packs: Mapping[str, Sequence[pd.DataFrame]],
    segmented: Sequence[pd.DataFrame],
    sites: pd.DataFrame,
    facts: pd.Series,
    layout: pd.DataFrame,
    n_wells: int,
    science: Science,
    review: pd.DataFrame | None = None,
) -> PlateQuality:
    """Judge a plate.

    Parameters
    ----------
    packs : mapping of str to sequence of DataFrame
        `TABLES` of every pack.
    segmented : sequence of DataFrame
        The packs' tables of fields, for the checksums of the labels.
    facts : Series
        The row of ``plate.csv``: with too many sites left out there is no verdict.
    review : DataFrame, optional
        The review sheet of all plates (`levelfield.steps.check_review.read_review`).
    """
    sets = judged_sets(science)
    names = [made.name for made in sets]
    plate, shape = str(facts["Metadata_Plate"]), PLATE_SHAPES[n_wells]
    plan = ReviewPlan(per_class=science.qc.review_per_class)
    labs = lab_calibrations(science)
    quality = assess_plate(
        PlateFeatures(*(stack(packs[name]) for name in TABLES)),
        PlateDesign(plate, sites[SITE], layout, shape, names, advice_methods(sets), labs),
        verdict_rules(science, "" if facts["within_limit"] else _withheld(facts), labs),
        ReviewInput(review, label_checksums(segmented, names), plan),
    )
    return quality._replace(
        verdict=mark_verdict(quality.verdict, science.sections["objects"]),
        answers=_mark_answers(quality.answers, science),
    )


def _mark_answers(answers: pd.DataFrame, science: Science) -> pd.DataFrame:
    """Put what was planted on purpose before the headlines, as before the advice."""
    named = answers.rename(columns={"headline": "advice"})
    return mark_verdict(named, science.sections["objects"]).rename(columns={"advice": "headline"})


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
    review_plan: pd.DataFrame


def assess_screen(
    estimates: Sequence[pd.DataFrame],
    plates: pd.DataFrame,
    science: Science,
    reviewed: Sequence[pd.DataFrame] = (),
    answers: Sequence[pd.DataFrame] = (),
) -> ScreenQuality:
    """Judge a screen from its plates; plates that get no verdict of their own do not count.

    Parameters
    ----------
    estimates, reviewed, answers : sequence of DataFrame
        The tables of those names under ``qc/``, of every plate; the last for the wells that the
        controls say nothing of.
    plates : DataFrame
        A row per plate, as ``plate.csv``; where all have a ``Metadata_Date``, drift follows it.

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
    verdict = verdict_table(rows, advice_methods(judged_sets(science)))
    found = answer_table(rows, _coverage(list(compress(answers, counts))))
    dates = plates["Metadata_Date"].fillna("").astype(str)
    imaged = dict(zip(plates["Metadata_Plate"], dates, strict=True))
    return ScreenQuality(
        mark_verdict(verdict, science.sections["objects"]),
        _mark_answers(found, science),
        to_table(drift(readings, reviews, rules, imaged), Drift),
        to_table(review_plan(reviews), PlannedPlate),
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
