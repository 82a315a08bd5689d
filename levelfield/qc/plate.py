"""The QC of one plate from end to end: features of all packs in, five tables out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from levelfield.qc.evidence.calibration import shipped_calibration
from levelfield.qc.evidence.features import empty_features
from levelfield.qc.evidence.scores import OBJECT_SET, score_objects
from levelfield.qc.review.estimates import read_answers, review_estimates
from levelfield.qc.review.reviewers import reviewer_agreement
from levelfield.qc.review.sampling import ReviewPlan, choose_for_review
from levelfield.qc.statistics.comparison import comparisons, plate_estimates
from levelfield.qc.statistics.confounders import confounder_table
from levelfield.qc.statistics.summary import SITE, flag_objects, site_table, well_table
from levelfield.qc.verdict.rules import Rules
from levelfield.qc.verdict.tables import plate_verdict, reviewed_table


class ReviewInput(NamedTuple):
    """What the review brings in.

    Attributes
    ----------
    rows : pandas.DataFrame or None
        The review sheet (workflow/schemas/review.yaml), all text; None where there is none yet.
    checksums : pandas.DataFrame or None
        ``Metadata_Plate, Metadata_Well, Metadata_Site, object_set, checksum`` of the label images.
    plan : ReviewPlan
        How many objects and fields are to be reviewed.
    """

    rows: pd.DataFrame | None = None
    checksums: pd.DataFrame | None = None
    plan: ReviewPlan = ReviewPlan()


class PlateQuality(NamedTuple):
    """The QC tables of a plate, named as the files under ``qc/``."""

    objects: pd.DataFrame
    sites: pd.DataFrame
    wells: pd.DataFrame
    estimates: pd.DataFrame
    confounders: pd.DataFrame
    reviewed: pd.DataFrame
    reviewers: pd.DataFrame
    review_list: pd.DataFrame
    verdict: pd.DataFrame


def assess_plate(
    plate: str,
    objects: pd.DataFrame,
    pairs: pd.DataFrame,
    fields: pd.DataFrame,
    layout: pd.DataFrame,
    shape: tuple[int, int],
    object_sets: Sequence[str],
    rules: Rules | None = None,
    review: ReviewInput | None = None,
) -> PlateQuality:
    """Assess one plate.

    Parameters
    ----------
    plate : str
        Name of the plate.
    objects, pairs : pandas.DataFrame
        Features of all packs (`levelfield.qc.evidence.features.field_features`), with
        ``Metadata_Plate, Metadata_Well, Metadata_Site, object_set`` in front. May be empty.
    fields : pandas.DataFrame
        ``Metadata_Plate, Metadata_Well, Metadata_Site`` of all fields that are not excluded;
        features of other fields are dropped.
    layout : pandas.DataFrame
        One row per well: ``Metadata_Well, Metadata_ControlType, ...``.
    shape : (int, int)
        Rows and columns of the plate format.
    object_sets : sequence of str
        Object sets to assess. Leave out sets made by subtraction: their outlines are those of
        their parents.
    rules : Rules, optional
        Margins, methods, constants, and the reason if the verdict is withheld.
    review : ReviewInput, optional
        What people said, and how much they are asked.
    """
    rules, review = rules or Rules(), review or ReviewInput()
    kept = fields[SITE].drop_duplicates()
    chosen = [
        _rows_of(table if len(table.columns) else _without_rows(empty), kept, object_sets)
        for table, empty in zip((objects, pairs), empty_features(), strict=True)
    ]
    scored = flag_objects(score_objects(*chosen, _classes(layout)))
    outside = shipped_calibration().outside(scored)
    sites = site_table(scored, fields, layout, object_sets, outside)
    wells = well_table(sites)
    estimates = plate_estimates(plate, scored, sites, layout, object_sets)
    pairs_of_controls = comparisons(layout)
    answers = read_answers(review.rows, plate, scored, review.checksums)
    reviewed = review_estimates(
        plate, scored, estimates, pairs_of_controls, answers, rules, review.plan
    )
    return PlateQuality(
        objects=scored,
        sites=sites,
        wells=wells,
        estimates=estimates,
        confounders=confounder_table(plate, wells, *shape),
        reviewed=reviewed_table(estimates, reviewed, rules),
        reviewers=reviewer_agreement(plate, answers),
        review_list=choose_for_review(scored, pairs_of_controls, review.plan, review.checksums),
        verdict=plate_verdict(estimates, rules, reviewed),
    )


def _classes(layout: pd.DataFrame) -> dict[str, str]:
    return dict(layout[["Metadata_Well", "Metadata_ControlType"]].astype(str).to_numpy())


def _rows_of(table: pd.DataFrame, fields: pd.DataFrame, object_sets: Sequence[str]) -> pd.DataFrame:
    return table[table[OBJECT_SET].isin(object_sets)].merge(fields, on=SITE, how="inner")


def _without_rows(features: pd.DataFrame) -> pd.DataFrame:
    """Give the table of a plate without a single sound field the columns that it would have."""
    types = {"Metadata_Plate": object, "Metadata_Well": object, "Metadata_Site": np.int64}
    front = pd.DataFrame({name: np.empty(0, kind) for name, kind in types.items()})
    return pd.concat([front.assign(**{OBJECT_SET: np.empty(0, object)}), features], axis=1)
