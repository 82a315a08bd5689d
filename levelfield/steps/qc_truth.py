"""The QC's estimates against reference labels, where there are some."""

import pandas as pd

from levelfield.config.planted import mark_verdict
from levelfield.config.settings import Science
from levelfield.evaluation.tables import ALL_SIZES
from levelfield.qc.columns import FIELD, OBJECT_SET, SITE
from levelfield.qc.statistics.comparison import comparisons
from levelfield.qc.statistics.field_sums import field_sums
from levelfield.qc.statistics.readings import plate_readings
from levelfield.qc.statistics.records import from_table, to_table
from levelfield.qc.statistics.summary import with_calls
from levelfield.qc.truth import TruthLine, truth_lines
from levelfield.qc.verdict.cases import plate_cases
from levelfield.qc.verdict.rule import judge
from levelfield.qc.verdict.tables import VerdictLine, verdict_lines
from levelfield.steps.qc_evidence import judged_sets
from levelfield.steps.qc_plate import verdict_rules


def plate_truth(
    plate: str,
    images: pd.DataFrame,
    objects: pd.DataFrame,
    candidates: pd.DataFrame,
    sites: pd.DataFrame,
    verdict: pd.DataFrame,
    layout: pd.DataFrame,
    science: Science,
) -> pd.DataFrame:
    """Answer the verdict's questions from references, and from the evidence on the same fields.

    `images` is ``evaluation/images.csv``; `objects`, `candidates`, `sites` and `verdict` are the
    tables of those names under ``qc/``.
    """
    drawn = images.loc[images["size_class"] == ALL_SIZES, FIELD]
    objects, candidates, sites = (
        table.merge(drawn, on=FIELD, how="inner") for table in (objects, candidates, sites)
    )
    judged = {*drawn[OBJECT_SET]}
    names = [made.name for made in judged_sets(science) if made.name in judged]
    rules, pairs = verdict_rules(science), comparisons(layout)
    outside = sites.set_index(FIELD)["outside_calibration"]
    sums = field_sums(objects, candidates, sites, sites[SITE], names, outside)
    # An object set may have references on fewer fields than another.
    sums = sums.merge(drawn, on=FIELD, how="inner")
    readings = plate_readings(plate, objects, with_calls(sums, rules.constants_of), pairs, names)
    rows = judge(plate_cases(readings, [], rules), rules)
    lines = truth_lines(
        images, from_table(verdict, VerdictLine), verdict_lines(rows, [""] * len(rows)), pairs
    )
    notes = mark_verdict(to_table(lines, TruthLine).assign(advice=""), science.sections["objects"])
    return notes.drop(columns="advice")
