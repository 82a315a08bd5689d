"""The QC's estimates against reference labels, where there are some."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from levelfield.evaluation.tables import ALL_SIZES
from levelfield.pipeline.quality import judged_sets, verdict_rules
from levelfield.pipeline.settings import object_sets
from levelfield.planted import mark_verdict
from levelfield.qc.evidence.scores import FIELD
from levelfield.qc.statistics.comparison import comparisons, plate_estimates
from levelfield.qc.truth import truth_table
from levelfield.qc.verdict.tables import plate_verdict


def plate_truth(
    plate: str,
    images: pd.DataFrame,
    objects: pd.DataFrame,
    sites: pd.DataFrame,
    verdict: pd.DataFrame,
    layout: pd.DataFrame,
    science: Mapping,
) -> pd.DataFrame:
    """Answer the verdict's questions from references, and from the evidence on the same fields.

    Parameters
    ----------
    plate : str
        Name of the plate.
    images : DataFrame
        ``evaluation/images.csv``.
    objects, sites, verdict : DataFrame
        The tables of those names under ``qc/``.
    layout : DataFrame
        The plate's layout.
    science : mapping
        The config's sections ``channels``, ``objects`` and ``qc``.
    """
    drawn = images.loc[images["size_class"] == ALL_SIZES, FIELD]
    chosen = [table.merge(drawn, on=FIELD, how="inner") for table in (objects, sites)]
    judged = [one.name for one in judged_sets(object_sets(science))]
    names = [name for name in judged if name in set(drawn["object_set"])]
    estimates = plate_estimates(plate, *chosen, layout, names)
    same_sites = plate_verdict(estimates, verdict_rules(science))
    table = truth_table(images, verdict, same_sites, comparisons(layout))
    notes = mark_verdict(table.assign(advice=""), science["objects"])
    return notes.drop(columns="advice")
