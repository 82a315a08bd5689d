"""Small plates for the tests of the QC, made of real images with planted errors."""

import numpy as np
import pandas as pd
from qc_images import load_nuclei
from real_images import BBBC038

from levelfield.qc.columns import FIELD
from levelfield.qc.evidence.candidates import find_candidates, no_candidates
from levelfield.qc.evidence.features import field_features
from levelfield.qc.evidence.scores import VARIANT_COLUMNS, Scored
from levelfield.qc.evidence.second_opinion import ask_second_opinion
from levelfield.qc.plate import PlateDesign
from levelfield.qc.statistics.comparison import comparisons
from levelfield.qc.statistics.errors import Constants, ErrorModel
from levelfield.qc.statistics.estimates import Estimate
from levelfield.qc.statistics.field_sums import field_sums
from levelfield.qc.statistics.readings import plate_readings
from levelfield.qc.statistics.summary import with_calls
from levelfield.qc.verdict.answer import answers_of
from levelfield.qc.verdict.cases import plate_cases
from levelfield.qc.verdict.rows import ReviewCounts, ReviewedRow
from levelfield.qc.verdict.rule import judge
from levelfield.qc.verdict.rules import UNCALIBRATED, Rules

PLATE, SET = "P1", "Nuclei"


def group_images(group, count):
    index = pd.read_csv(BBBC038 / "index.csv")
    names = index.loc[index["group"] == group, "name"].head(count)
    return [load_nuclei(name) for name in names]


def layout(positive="B", negative="A", columns=12, group=""):
    """Rows A (negcon), B (poscon) and C (trt)."""
    kinds = {negative: "negcon", positive: "poscon", "C": "trt"}
    names = {negative: "DMSO", positive: "drug", "C": "compound"}
    return pd.DataFrame(
        [
            {
                "Metadata_Well": f"{row}{column:02d}",
                "Metadata_ControlType": kinds[row],
                "Metadata_Perturbation": names[row],
                "Metadata_Concentration": "",
                "Metadata_ControlGroup": group,
            }
            for row in sorted(kinds)
            for column in range(1, columns + 1)
        ]
    )


def features_of_wells(wells, ask=False):
    """Objects, pairs and candidates of {well: [(image, labels), ...]}.

    Without a network's opinion there are no candidates.
    """
    tables = {"objects": [], "pairs": [], "candidates": []}
    for well, fields in wells.items():
        for site, (image, labels) in enumerate(fields, start=1):
            opinion = ask_second_opinion(image, labels) if ask else None
            found = field_features(labels, image, opinion=opinion)
            places = find_candidates(labels, image, opinion)[1] if ask else no_candidates()
            for name, table in zip(tables, (*found[:2], places), strict=True):
                tables[name].append(with_field(table, well, site))
    return tuple(pd.concat(parts, ignore_index=True) for parts in tables.values())


def with_field(table, well, site, plate=PLATE, object_set=SET):
    table = table.copy()
    for place, (name, value) in enumerate(
        {
            "Metadata_Plate": plate,
            "Metadata_Well": well,
            "Metadata_Site": site,
            "object_set": object_set,
        }.items()
    ):
        table.insert(place, name, value)
    return table


def fields_of(wells):
    return pd.DataFrame(
        [
            {"Metadata_Plate": PLATE, "Metadata_Well": well, "Metadata_Site": site}
            for well, fields in wells.items()
            for site in range(1, len(fields) + 1)
        ]
    )


def scored_plate(wells, *, merge=0.02, bias=0.0, count=60, seed=0, object_set=SET):
    """Scored objects and candidates without pixels.

    Wells are {well: planted}, where `planted` may hold the rates merge, split, invented, missed and
    misbounded, bias in px, count (true objects) and density, and factors of appearance: size,
    sharpness, contrast, grain, saturated.
    """
    rng = np.random.default_rng(seed)
    objects, candidates = [], []
    for well, planted in wells.items():
        true = planted.get("count", count)
        n_missed = rng.binomial(true, planted.get("missed", 0.0))
        objects.append(_objects_of(well, planted, true - n_missed, merge, bias, rng))
        candidates.append(
            pd.DataFrame(
                {
                    "candidate": np.arange(n_missed) + 1,
                    "site": 1 + np.arange(n_missed) % 2,
                    "well": well,
                    "missed_evidence": np.full(n_missed, 0.95),
                }
            )
        )
    found = pd.concat(objects, ignore_index=True).assign(object_set=object_set)
    places = pd.concat(candidates, ignore_index=True)
    missing = pd.DataFrame(
        {
            "Metadata_Plate": PLATE,
            "Metadata_Well": places["well"].astype(object),
            "Metadata_Site": places["site"].astype(np.int64),
            "object_set": object_set,
            "candidate": places["candidate"].astype(np.int64),
            "centre_y_px": 10.0,
            "centre_x_px": 10.0,
            "area_px": 300.0,
            "missed_evidence": places["missed_evidence"].astype(float),
            "found_by": "second opinion",
        }
    )
    return Scored(found, missing)


def _objects_of(well, planted, number, merge, bias, rng):
    size = 300 * planted.get("size", 1.0)
    table = pd.DataFrame(
        {
            "Metadata_Plate": PLATE,
            "Metadata_Well": well,
            "Metadata_Site": 1 + np.arange(number) % 2,
            "object_set": SET,
            "Metadata_ObjectNumber": np.arange(number) + 1,
            "area_px": rng.normal(size, size / 10, number),
            "centre_y_px": 20.0 + 25 * (np.arange(number) // 2 // 20),
            "centre_x_px": 20.0 + 25 * (np.arange(number) // 2 % 20),
            "mean_intensity": rng.normal(0.4, 0.05, number),
            "local_density": planted.get("density", 10) * rng.uniform(0.5, 1.5, number),
            "merge_evidence": rng.binomial(1, planted.get("merge", merge), number) * 1.0,
            "split_evidence": rng.binomial(1, planted.get("split", 0.02), number) * 1.0,
            "invented_evidence": rng.binomial(1, planted.get("invented", 0.01), number) * 1.0,
            "fragment_evidence": 0.0,
            "threshold_bias_px": planted.get("bias", bias) + rng.normal(0, 0.4, number),
            "integrated_intensity": 120.0,
            "touches_border": False,
            "edge_sharpness": 4.0 * planted.get("sharpness", 1.0),
            "contrast_to_noise": 40.0 * planted.get("contrast", 1.0),
            "grain": 0.05 * planted.get("grain", 1.0),
            "saturated": planted.get("saturated", 0.0),
        }
    )
    table["lacking_evidence"] = 1.25 * table["merge_evidence"]
    table["balance_contribution"] = table["split_evidence"] - table["lacking_evidence"]
    wrong = table[["merge_evidence", "split_evidence", "invented_evidence"]].max(axis=1)
    misbounded = rng.binomial(1, planted.get("misbounded", 0.0), number)
    table["right_evidence"] = (1 - wrong) * (1 - misbounded)
    own = {"balance": "balance_contribution", "splits": "split_evidence"}
    own["merges"] = "merge_evidence"
    return table.assign(
        **{name: table[own[name.split("_")[0]]].to_numpy() for name in VARIANT_COLUMNS}
    )


def opinions_of(scored):
    """What the second opinion counts: objects and missed ones."""
    seen = pd.concat([scored.objects[FIELD], scored.candidates[FIELD]])
    return seen.groupby(FIELD).size().rename("n_second_opinion").reset_index()


def sites_of(scored):
    seen = pd.concat([scored.objects[FIELD[:3]], scored.candidates[FIELD[:3]]])
    return seen.drop_duplicates().reset_index(drop=True)


def all_within(scored, answer=True):
    """Every field is within what the evidence was calibrated on, or none is."""
    fields = opinions_of(scored).set_index(FIELD).index
    return pd.Series("" if answer else "blurred", fields, dtype=object)


def design_of(scored, sheet=None, object_sets=(SET,), plate=PLATE):
    sheet = layout() if sheet is None else sheet
    return PlateDesign(plate, sites_of(scored), sheet, (8, 12), object_sets)


def sums_of(scored, rules=None, within=True):
    rules = rules or Rules()
    sums = field_sums(
        *scored, opinions_of(scored), sites_of(scored), [SET], all_within(scored, within)
    )
    return with_calls(sums, rules.constants_of)


def readings_of(wells, sheet=None, rules=None, within=True, plate=PLATE, **options):
    """What the data say of invented wells."""
    scored = scored_plate(wells, **options)
    pairs = comparisons(layout() if sheet is None else sheet)
    return plate_readings(plate, scored.objects, sums_of(scored, rules, within), pairs, [SET])


def rows_of(wells, rules=None, sheet=None, **options):
    """Judged rows of invented wells."""
    rules = rules or CALIBRATED
    return judge(plate_cases(readings_of(wells, sheet, rules, **options), [], rules), rules)


def wells_of(row, number=8, **planted):
    return {f"{row}{column:02d}": planted for column in range(1, number + 1)}


GOOD = wells_of("A") | wells_of("B")
"""Both classes without an error."""


def row_of(rows, measure, scope, perturbation=None):
    return next(
        row
        for row in rows
        if (row.measure_name, row.scope) == (measure, scope)
        and perturbation in (None, row.perturbation)
    )


def answer_to(rows, question):
    return next(one for one in answers_of(rows) if one.question == question)


def constants(of_class, of_difference, **options):
    return Constants(
        calibrated=True,
        error_class=ErrorModel(of_class),
        error_difference=ErrorModel(of_difference),
        degrees_of_freedom=12.0,
        between_wells=0.05,
        **options,
    )


CALIBRATED = Rules(
    constants={name: constants(0.02, 0.015) for name in UNCALIBRATED if name != "bias"}
    | {"bias": constants(0.15, 0.1)}
)


FOUND_NOTHING = Estimate(0.0, 0.01**2, 8.0, 8)
THESE_WELLS = Estimate(0.0, 0.005**2, 90.0, 8)


def review_said(key, **changes) -> ReviewedRow:
    """A complete review of one row that finds nothing, unless changed."""
    counts = {"state": "complete", "n_drawn": 100, "n_reviewed": 100, "n_cannot_tell": 2}
    counts |= {name: changes.pop(name) for name in counts if name in changes}
    estimates = {"estimate": FOUND_NOTHING, "these_wells": THESE_WELLS, "matched": None}
    facts = estimates | {"reviews_needed": 120} | changes
    return ReviewedRow(*key, ReviewCounts(**counts), **facts)
