"""The QC of a plate from the evidence of all its packs, and of a screen from its plates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from levelfield.pipeline.evidence import judged_sets
from levelfield.pipeline.review import label_checksums
from levelfield.pipeline.settings import ObjectSetSettings, object_sets
from levelfield.pipeline.summary import stack
from levelfield.plan import PLATE_SHAPES
from levelfield.planted import mark_verdict
from levelfield.qc.evidence.calibration import CALIBRATED_LEVEL, shipped_calibration
from levelfield.qc.plate import PlateQuality, ReviewInput, assess_plate
from levelfield.qc.review.sampling import ReviewPlan
from levelfield.qc.verdict.rules import Margins, Rules
from levelfield.qc.verdict.tables import screen_verdict


def verdict_rules(science: Mapping, withheld: str = "") -> Rules:
    """Return what turns estimates into verdicts, from the config's ``objects`` and ``qc``."""
    sets = judged_sets(object_sets(science))
    calibrations = shipped_calibration().constants
    if science["qc"]["threshold_level"] != CALIBRATED_LEVEL:
        calibrations = {key: one for key, one in calibrations.items() if key[0] != "threshold"}
    return Rules(
        margins=Margins(**science["qc"]["margins"]),
        methods={one.name: one.method for one in sets},
        calibrations=calibrations,
        kinds={one.name: kinds_of(one) for one in sets},
        withheld=withheld,
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
    science: Mapping,
    segmented: Sequence[pd.DataFrame],
    review: pd.DataFrame | None = None,
) -> PlateQuality:
    """Judge a plate.

    Parameters
    ----------
    plate : str
        Name of the plate.
    packs : mapping of str to sequence of DataFrame
        ``evidence`` and ``pairs`` of every pack.
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
        The review sheet of all plates (`levelfield.pipeline.review.read_review`).
    """
    names = [one.name for one in judged_sets(object_sets(science))]
    rules = verdict_rules(science, "" if facts["within_limit"] else _withheld(facts))
    quality = assess_plate(
        plate,
        stack(packs["evidence"]),
        stack(packs["pairs"]),
        sites[["Metadata_Plate", "Metadata_Well", "Metadata_Site"]],
        layout,
        PLATE_SHAPES[n_wells],
        names,
        rules,
        ReviewInput(
            review,
            label_checksums(segmented, names),
            ReviewPlan(per_class=science["qc"]["review_per_class"]),
        ),
    )
    return quality._replace(verdict=mark_verdict(quality.verdict, science["objects"]))


def _withheld(facts: pd.Series) -> str:
    return (
        f"{facts['n_excluded']} of {facts['n_sites']} sites are left out "
        f"({facts['excluded_percent']:.1f} %), more than the {facts['excluded_limit_percent']:g} % "
        "that the config allows (qc.excluded_sites_percent); see excluded_sites.csv"
    )


def assess_screen(
    estimates: Sequence[pd.DataFrame],
    plates: pd.DataFrame,
    science: Mapping,
    reviewed: Sequence[pd.DataFrame] = (),
) -> pd.DataFrame:
    """Judge a screen from its plates; plates that get no verdict of their own do not count.

    Parameters
    ----------
    estimates : sequence of DataFrame
        ``qc/estimates.csv`` of every plate.
    plates : DataFrame
        A row per plate, as ``plate.csv``.
    science : mapping
        The config's sections ``channels``, ``objects`` and ``qc``.
    reviewed : sequence of DataFrame
        ``qc/reviewed.csv`` of every plate.
    """
    within = plates["within_limit"].to_numpy(bool)
    counted = [table for table, good in zip(estimates, within, strict=True) if good]
    reviews = list(reviewed)
    if counted and reviews:
        reviews = [table for table, good in zip(reviews, within, strict=True) if good]
    none_counts = "no plate of the screen has few enough sites left out"
    rules = verdict_rules(science, "" if counted else none_counts)
    verdict = screen_verdict(counted or estimates, rules, reviews)
    return mark_verdict(verdict, science["objects"])
