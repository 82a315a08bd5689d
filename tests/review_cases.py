"""A scored plate, and reviews of it that are filled in truly or as a test wants."""

import functools

import numpy as np
import pandas as pd

from levelfield.qc.columns import FIELD, NUMBER
from levelfield.qc.review.answers import read_answers
from levelfield.qc.review.crops import CROP
from levelfield.qc.review.estimates import ReviewedRow, review_estimates
from levelfield.qc.review.sampling import ReviewPlan, draw_plate
from levelfield.qc.statistics.comparison import Comparison
from levelfield.qc.statistics.errors import Constants

PLATE, SET = "P1", "Nuclei"
PLAN = ReviewPlan(per_class=40)
MARGINS = {"agreement": 0.9, "missed": 0.05, "invented": 0.05, "bias": 1.0, "balance": 0.15}
SIDE = 400
"""Height and width of a field, px."""


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
            "centre_y_px": rng.uniform(0, SIDE, size),
            "centre_x_px": rng.uniform(0, SIDE, size),
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
    return table.assign(
        candidate=np.arange(len(table)),
        area_px=300.0,
        centre_y_px=rng.uniform(0, SIDE, len(table)),
        centre_x_px=rng.uniform(0, SIDE, len(table)),
        missed_evidence=rng.beta(1, 4, len(table)),
    )


def draws_of(objects, plan=PLAN, pairs=None, found=None):
    found = candidates() if found is None else found
    return draw_plate(objects, found, pairs or controls(), plan)


def answered(
    objects, plan=PLAN, answer=None, missed=0, pairs=None, found=None, first=None, reviewer="A"
):
    """A review as the page writes it: truly, or by a function of a row of objects.

    `missed` is how many objects each crop lacks; `first` how many crops are finished.
    """
    rows = []
    for object_set, draw in draws_of(objects, plan, pairs, found).items():
        for key, place in list(draw.shown())[:first]:
            own = draw.classes[key]
            crop = own.crops.table.iloc[place]
            head = {
                "plate": PLATE,
                "well": crop["Metadata_Well"],
                "site": str(crop["Metadata_Site"]),
                "object_set": object_set,
                CROP: str(crop[CROP]),
                "sample": draw.sample,
                "reviewer": reviewer,
            }
            inside = own.objects[own.crops.of_objects == place]
            for one in inside.to_dict("records"):
                said = answer(one) if answer else ("merged" if one["is_merged"] else "correct")
                numbers = {"f": "2" * (said == "split"), "m": "2" * (said == "merged")}
                rows.append(head | {"object_number": str(one[NUMBER]), "answer": said} | numbers)
            lacking = missed(crop) if callable(missed) else missed
            end = {"object_number": "0", "answer": "missed", "f": "", "m": str(lacking)}
            rows.append(head | end)
    return pd.DataFrame(rows)


def review_of(objects, sheet, rules=RULES, plan=PLAN, checksums=None, pairs=None, found=None):
    draws = draws_of(objects, plan, pairs, found)
    samples = {name: draw.sample for name, draw in draws.items()}
    answers = read_answers(sheet, PLATE, samples, objects, checksums)
    return review_estimates(PLATE, draws, pairs or controls(), answers, rules)


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
