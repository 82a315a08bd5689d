"""A scored plate, and reviews of it that are filled in truly or as a test wants."""

import functools

import numpy as np
import pandas as pd

from levelfield.qc.columns import FIELD, NUMBER
from levelfield.qc.review.answers import OBJECT, read_answers
from levelfield.qc.review.estimates import ReviewedRow, review_estimates
from levelfield.qc.review.sampling import ReviewPlan, choose_for_review
from levelfield.qc.statistics.comparison import Comparison
from levelfield.qc.statistics.errors import Constants

PLATE, SET = "P1", "Nuclei"


PLAN = ReviewPlan(per_class=60)


MARGINS = {"agreement": 0.9, "missed": 0.05, "invented": 0.05, "bias": 1.0, "balance": 0.15}


class Given:
    """Margins and constants as the verdict would give them."""

    def __init__(self, between_wells=0.0, **margins):
        self.margins = self
        self.known = MARGINS | margins
        self.between_wells = between_wells

    def of(self, measure, scope):
        if scope == "difference":
            return 0.05 if measure in ("missed", "invented") else 0.10
        return self.known.get(measure, 0.15)

    def constants_of(self, measure, object_set):
        return Constants(calibrated=True, between_wells=self.between_wells, degrees_of_freedom=20.0)


RULES = Given()


def controls(columns=4):
    names = {row: tuple(f"{row}{column:02d}" for column in range(1, columns + 1)) for row in "AB"}
    return [Comparison("drug 80 uM", "DMSO", names["B"], names["A"])]


@functools.cache
def plate(seed=0, columns=4, count=150, sites=(1, 2)):
    """Scored objects with continuous evidence: merges that it half knows of."""
    rng = np.random.default_rng(seed)
    wells = [well for each in controls(columns) for well in each.negative_wells]
    wells += [well for each in controls(columns) for well in each.positive_wells]
    size = count * len(wells)
    merged = rng.random(size) < 0.1
    merge = np.clip(rng.beta(1, 8, size) + 0.5 * merged, 0, 1)
    fragment = rng.beta(1, 30, size)
    return pd.DataFrame(
        {
            "Metadata_Plate": PLATE,
            "Metadata_Well": np.repeat(wells, count),
            "Metadata_Site": np.resize(sites, size),
            "object_set": SET,
            NUMBER: np.tile(np.arange(count) + 1, len(wells)),
            "area_px": rng.normal(300, 30, size),
            "local_density": rng.uniform(5, 15, size),
            "threshold_bias_px": rng.normal(0, 0.2, size),
            "merge_evidence": merge,
            "fragment_evidence": fragment,
            "split_evidence": 0.5 * fragment,
            "balance_contribution": 0.5 * fragment - 1.25 * merge,
            "invented_evidence": rng.beta(1, 60, size),
            "right_evidence": (1 - merge) * (1 - fragment),
            "is_merged": merged,
        }
    )


@functools.cache
def candidates(seed=0, columns=4, sites=(1, 2), per_field=4):
    """Possible missed objects, most of which are none."""
    rng = np.random.default_rng(seed + 100)
    fields = plate(seed, columns, sites=sites)[FIELD].drop_duplicates()
    table = fields.loc[fields.index.repeat(per_field)].reset_index(drop=True)
    return table.assign(candidate=np.arange(len(table)), missed_evidence=rng.beta(1, 4, len(table)))


def answered(objects, plan=PLAN, answer=None, missed="1", pairs=None, found=None, **columns):
    """The review list, filled in truly, or by a function of (index, row)."""
    found = candidates() if found is None else found
    sheet = choose_for_review(objects, found, pairs or controls(), plan).astype(str)
    whole_field = sheet["object_number"] == "0"
    names = dict(zip(OBJECT, ["plate", "well", "site", "object_set", "object_number"], strict=True))
    truth = objects[[*OBJECT, "is_merged"]].rename(columns=names)
    truth = truth.astype({"site": str, "object_number": str})
    merged = sheet.merge(truth, on=list(names.values()), how="left")["is_merged"]
    sheet["answer"] = np.where(merged.eq(True), "merged", "correct")
    if answer is not None:
        sheet["answer"] = [answer(place, each) for place, each in sheet.iterrows()]
    sheet["m"] = np.where(sheet["answer"] == "merged", "2", "")
    sheet["f"] = np.where(sheet["answer"] == "split", "2", "")
    sheet.loc[whole_field, ["answer", "m"]] = "missed", missed
    return sheet.assign(reviewer="A", **columns)


def only_objects(sheet):
    return sheet[sheet["object_number"] != "0"].reset_index(drop=True)


def review_of(objects, sheet, rules=RULES, plan=PLAN, checksums=None, pairs=None, found=None):
    found = candidates() if found is None else found
    answers = read_answers(sheet, PLATE, objects, checksums, found)
    return review_estimates(PLATE, objects, found, pairs or controls(), answers, rules, plan)


def row(rows, measure="balance", scope="difference", perturbation=None) -> ReviewedRow:
    name = perturbation
    if name is None:
        name = "DMSO" if scope == "negcon" else "drug 80 uM"
    (found,) = [
        each
        for each in rows
        if (each.measure, each.scope, each.perturbation) == (measure, scope, name)
    ]
    return found
