"""The QC of one plate from end to end: features of all packs in, five tables out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from levelfield.qc.comparison import plate_estimates
from levelfield.qc.confounders import confounder_table
from levelfield.qc.evidence import OBJECT_SET, score_objects
from levelfield.qc.rules import Rules
from levelfield.qc.summary import SITE, flag_objects, site_table, well_table
from levelfield.qc.verdict import plate_verdict


class PlateQuality(NamedTuple):
    """The QC tables of a plate, named as the files under ``qc/``."""

    objects: pd.DataFrame
    sites: pd.DataFrame
    wells: pd.DataFrame
    estimates: pd.DataFrame
    confounders: pd.DataFrame
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
) -> PlateQuality:
    """Assess one plate.

    Parameters
    ----------
    plate : str
        Name of the plate.
    objects, pairs : pandas.DataFrame
        Features of all packs (`levelfield.qc.features.field_features`), with
        ``Metadata_Plate, Metadata_Well, Metadata_Site, object_set`` in front.
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
    """
    kept = fields[SITE].drop_duplicates()
    chosen = [
        table[table[OBJECT_SET].isin(object_sets)].merge(kept, on=SITE, how="inner")
        for table in (objects, pairs)
    ]
    scored = flag_objects(score_objects(*chosen))
    sites = site_table(scored, fields, layout, object_sets)
    wells = well_table(sites)
    estimates = plate_estimates(plate, scored, sites, layout, object_sets)
    return PlateQuality(
        objects=scored,
        sites=sites,
        wells=wells,
        estimates=estimates,
        confounders=confounder_table(plate, wells, *shape),
        verdict=plate_verdict(estimates, rules),
    )
