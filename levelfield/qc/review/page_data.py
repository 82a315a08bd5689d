"""The numbers that the review page computes its intervals from, as plain lists.

The page does the same as `levelfield.qc.review.class_mean`, in the browser: a test holds both
against each other. Neither class nor evidence is shown to the person who answers.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from levelfield.arrays import Floats, Integers
from levelfield.qc.columns import NUMBER
from levelfield.qc.review.answers import POSSIBLE, Answers, answer_values
from levelfield.qc.review.betting import GOAL, LARGEST_BET, LARGEST_LOSS, RUIN
from levelfield.qc.review.classes import RATIOS, ClassReview, class_review
from levelfield.qc.review.crops import sums
from levelfield.qc.review.estimator import GUARD_CROPS, GUARD_VARIANCE, TRUST
from levelfield.qc.review.foreseen import FEWEST_CROPS, KNOWN, MOST_CROPS, STEP, variance_of_crops
from levelfield.qc.review.sampling import SetDraw
from levelfield.qc.statistics.comparison import ClassKey, Comparison
from levelfield.qc.verdict.cases import rules_of
from levelfield.qc.verdict.rows import ReviewedRow
from levelfield.qc.verdict.rules import Rules
from levelfield.qc.verdict.steps import SECONDS_PER_CROP
from levelfield.questions import MEASURES, REVIEWED, SCOPES

CONSTANTS = {
    **{"trust": TRUST, "guardVariance": GUARD_VARIANCE, "guardCrops": GUARD_CROPS, "goal": GOAL},
    **{"largestBet": LARGEST_BET, "largestLoss": LARGEST_LOSS, "ruin": RUIN},
    "secondsPerCrop": SECONDS_PER_CROP,
    **{"fewestCrops": FEWEST_CROPS, "step": STEP, "mostCrops": MOST_CROPS, "knownCrops": KNOWN},
    "ratios": RATIOS,
    "possible": POSSIBLE,
    # By measure, answer and number of pieces or objects, 0 where nothing is counted.
    "values": {
        measure: {f"{answer} {number}": value for (answer, number), value in found.items()}
        for measure, found in ((name, answer_values(name)) for name in POSSIBLE)
    },
}
"""Of the estimator and the bets, as the page needs them."""


def set_numbers(
    draw: SetDraw,
    answers: Answers,
    pairs: Sequence[Comparison],
    reviewed: Sequence[ReviewedRow],
    rules: Rules,
) -> dict[str, Any]:
    """Return sample, classes and rows of one object set.

    Parameters
    ----------
    draw : SetDraw
        What is drawn.
    answers : Answers
        Without any row.
    pairs : sequence of Comparison
        The plate's controls.
    reviewed : sequence of ReviewedRow
        Rows of the object set before any answer, for how many crops should decide them.
    rules : Rules
        Margins, and the scatter that a class with one well borrows.
    """
    places = {key: number for number, key in enumerate(draw.classes)}
    return {
        "sample": draw.sample,
        "classes": [_class_numbers(class_review(own, answers)) for own in draw.classes.values()],
        "rows": list(_rows(places, pairs, reviewed, rules)),
    }


def _class_numbers(review: ClassReview) -> dict[str, Any]:
    draw, table = review.draw, review.draw.crops.table
    wells = list(dict.fromkeys(table["Metadata_Well"]))
    well = np.array([wells.index(name) for name in table["Metadata_Well"]], np.int64)
    planned = draw.order[: draw.planned]
    samples = {name: review.sample(name) for name in REVIEWED}
    sizes = samples["balance"].sizes
    by_well = {name: sums(well, own.evidence, len(wells)) for name, own in samples.items()}
    return {
        "chances": _numbers(draw.chances),
        "planned": draw.planned,
        "sizes": _numbers(sums(well, sizes, len(wells))),
        "evidence": {name: _numbers(own) for name, own in by_well.items()},
        "foreseen": {
            name: float(f"{variance_of_crops(review, name):.10g}")
            for name in REVIEWED
            if name != "bias"
        },
        "crops": {
            "chance": _numbers(draw.chances[planned]),
            "size": _numbers(sizes[planned]),
            "well": well[planned].tolist(),
            "evidence": {name: _numbers(own.evidence[planned]) for name, own in samples.items()},
            "objects": _of_objects(review, planned),
        },
    }


def _of_objects(review: ClassReview, planned: Integers) -> dict[str, list[list[float]]]:
    """Return the evidence of every object of the planned crops, by object number."""
    crops, numbers = review.draw.crops, review.draw.objects[NUMBER].to_numpy()
    members = [np.flatnonzero(crops.of_objects == place) for place in planned]
    members = [own[np.argsort(numbers[own], kind="stable")] for own in members]
    return {
        name: [_numbers(values[own]) for own in members] for name, values in review.evidence.items()
    }


def _numbers(values: Floats) -> list[float]:
    """Return ten significant digits: the same interval to the last digit that is shown."""
    return [float(f"{value:.10g}") for value in values]


def _rows(
    places: Mapping[ClassKey, int],
    pairs: Sequence[Comparison],
    reviewed: Sequence[ReviewedRow],
    rules: Rules,
) -> Iterator[dict[str, Any]]:
    known, seen = {row.key[1:]: row for row in reviewed}, set()
    for pair in pairs:
        for measure in map(MEASURES.__getitem__, REVIEWED):
            for scope in SCOPES:
                row = known.get((measure.name, scope, pair.name(scope)))
                keys = list(pair.classes(scope))
                if row is None or measure.name == "bias" or not set(keys) <= set(places):
                    continue
                if row.key in seen:
                    continue
                seen.add(row.key)
                constants, bound = rules_of(row, rules)
                yield {
                    **{"measure": measure.name, "question": measure.question, "scope": scope},
                    **{"classes": [places[key] for key in keys], "unit": measure.unit_of(scope)},
                    **{"margin": bound.margin, "kind": bound.kind, "scale": measure.scale},
                    "needed": row.reviews_needed,
                    "betweenWells": constants.between_wells**2,
                    "betweenFreedom": min(constants.degrees_of_freedom, 1e9),
                }
