"""Judge plates whose truth is known as the product does, by constants that knew nothing of them."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from levelfield.qc.statistics.errors import Constants
from levelfield.qc.statistics.estimates import PASS_LEVEL
from levelfield.qc.statistics.readings import RAW, Reading
from levelfield.qc.statistics.records import shared_fields
from levelfield.qc.train.calibrate import calibrate
from levelfield.qc.train.images import FOLDS
from levelfield.qc.train.phenotypes import FAMILIES
from levelfield.qc.train.plates import Plate, ReadRow, read_rows
from levelfield.qc.train.segmentations import METHODS
from levelfield.qc.verdict.answer import answers_of
from levelfield.qc.verdict.cases import plate_cases
from levelfield.qc.verdict.rows import Row
from levelfield.qc.verdict.rule import judge
from levelfield.qc.verdict.rules import Rules
from levelfield.questions import MEASURES, QUESTIONS

HeldOut = Mapping[tuple[int, str], Mapping[tuple[str, str, str], Constants]]


class Judged(NamedTuple):
    """What the product says of many plates.

    ``rows``, per plate, measure and scope, in fractions and px: ``group, kind, differing, what,
    plate, measure, scope, truth, value, low, high, margin, covered, verdict``. ``answers``, per
    plate and question: ``verdict, negative, positive, both`` and more.
    """

    rows: pd.DataFrame
    answers: pd.DataFrame


def held_out_constants(rows: pd.DataFrame, jobs: int) -> HeldOut:
    """Calibrate for every fold and family of phenotypes on all others; "" leaves out no family."""
    keys = [(fold, family) for fold in sorted({*FOLDS.values()}) for family in ("", *FAMILIES)]
    made = Parallel(n_jobs=jobs)(
        delayed(calibrate)(rows, fold=fold, family=family or None) for fold, family in keys
    )
    return dict(zip(keys, made, strict=True))


def judge_plates(
    plates: Sequence[Plate], constants: HeldOut, jobs: int = 1, *, few_images: bool = False
) -> Judged:
    """Draw the wells of every plate, and judge it by constants that knew nothing of it.

    `few_images` is that of `levelfield.qc.train.plates.read_rows`: for coverage of the truth of
    these images.
    """
    found = Parallel(n_jobs=jobs, batch_size=50)(
        delayed(_judge_plate)(number, plate, constants[plate.fold, plate.family], few_images)
        for number, plate in enumerate(plates)
    )
    rows, answers = zip(*found, strict=True)
    return Judged(pd.DataFrame(chain(*rows)), pd.DataFrame(chain(*answers)))


def _judge_plate(
    number: int, plate: Plate, constants: Mapping[tuple[str, str, str], Constants], few_images: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    rules = Rules(calibrations=constants, kinds={"Nuclei": ("nuclei", METHODS[plate.kind])})
    head = {name: getattr(plate, name) for name in ("group", "kind", "differing", "what")}
    head["plate"] = number
    read = list(read_rows(plate, np.random.default_rng(number), few_images=few_images))
    truths = {(row.measure, row.scope): row.truth for row in read}
    judged = judge(plate_cases([_reading(row) for row in read], [], rules), rules)
    rows = [head | _judged(row, truths[row.measure_name, row.scope]) for row in judged]
    answers = [
        head
        | {name: getattr(answer, name) for name in _OF_ANSWER}
        | {"worst": answer.worst.measure_name}
        for answer in answers_of(judged)
        if answer.question in QUESTIONS
    ]
    return rows, answers


_OF_ANSWER = ("question", "verdict", "negative", "positive", "both", "shared", "cancelling")


def _judged(row: Row, truth: float) -> dict[str, Any]:
    low, high = row.estimate.interval(PASS_LEVEL)
    return {
        **{"measure": row.measure_name, "scope": row.scope, "truth": truth},
        **{"value": row.estimate.value, "low": low, "high": high, "margin": row.margin},
        **{"covered": bool(low <= truth <= high), "verdict": row.verdict},
    }


def _reading(row: ReadRow) -> Reading:
    n_wells = row.estimate.n_wells
    unknown: dict[str, Any] = dict.fromkeys(
        ("positive_value", "negative_value", "fraction_low", "fraction_high"), float("nan")
    )
    return Reading(
        plate="",
        object_set="Nuclei",
        measure=row.measure,
        question=MEASURES[row.measure].question,
        scope=row.scope,
        perturbation="negative" if row.scope == "negcon" else "positive",
        adjustment=RAW,
        **shared_fields(row.estimate, Reading),
        fewest_wells=n_wells // (2 if row.scope == "difference" else 1),
        n_sites=n_wells,
        n_objects=1,
        **unknown,
        doubts=row.doubts,
    )
