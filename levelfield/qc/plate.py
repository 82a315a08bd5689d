"""The QC of one plate from end to end: features of all packs in, tables out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from levelfield.qc.columns import OBJECT_SET, SITE
from levelfield.qc.evidence.calibration import NOT_NUCLEI, shipped_calibration
from levelfield.qc.evidence.candidates import no_candidates
from levelfield.qc.evidence.features import empty_features
from levelfield.qc.evidence.scores import Scored, score_plate
from levelfield.qc.judged import JudgedPlate
from levelfield.qc.review.answers import read_answers
from levelfield.qc.review.estimates import review_estimates
from levelfield.qc.review.lab import LabCalibration
from levelfield.qc.review.reviewers import reviewer_agreement
from levelfield.qc.review.sampling import ReviewPlan, choose_for_review, draw_plate
from levelfield.qc.review.table import reviewed_table
from levelfield.qc.statistics.comparison import comparisons
from levelfield.qc.statistics.coverage import NotCovered, not_covered
from levelfield.qc.statistics.field_sums import field_sums
from levelfield.qc.statistics.readings import Reading, plate_readings
from levelfield.qc.statistics.records import to_table
from levelfield.qc.statistics.summary import flag_objects, rate_tables, with_calls
from levelfield.qc.tables import tables_of
from levelfield.qc.verdict.answer import answers_of
from levelfield.qc.verdict.cases import plate_cases
from levelfield.qc.verdict.rows import Row
from levelfield.qc.verdict.rule import judge
from levelfield.qc.verdict.rules import Rules
from levelfield.qc.verdict.tables import AnswerLine, VerdictLine, answer_lines, verdict_lines
from levelfield.qc.wording.advice import row_advice
from levelfield.qc.wording.headlines import answer_headline
from levelfield.qc.wording.parameters import Method

NOT_NUCLEI_SHARE = 0.5
"""Share of an object set's control images, beyond which it is not judged as nuclei are."""


class PlateFeatures(NamedTuple):
    """What was seen in the pixels of a plate; every table has `FIELD` in front and may be empty.

    Attributes
    ----------
    objects, pairs : DataFrame
        From `levelfield.qc.evidence.features.field_features`.
    candidates : DataFrame
        From `levelfield.qc.evidence.candidates.find_candidates`.
    fields : DataFrame
        ``n_labels, n_second_opinion``: objects by the segmenter and by the second opinion.
    """

    objects: pd.DataFrame
    pairs: pd.DataFrame
    candidates: pd.DataFrame
    fields: pd.DataFrame


class ReviewInput(NamedTuple):
    """What the review brings in.

    Attributes
    ----------
    rows : DataFrame or None
        The review sheet (levelfield/config/schemas/review.yaml), all text, where there is one.
    checksums : DataFrame or None
        `FIELD`, ``checksum`` of the label images.
    plan : ReviewPlan
        How many crops are to be reviewed.
    """

    rows: pd.DataFrame | None = None
    checksums: pd.DataFrame | None = None
    plan: ReviewPlan = ReviewPlan()


NO_REVIEW = ReviewInput()


@dataclass(frozen=True)
class PlateDesign:
    """What the plate is.

    Attributes
    ----------
    plate : str
        Name.
    fields : DataFrame
        `SITE` of all fields that are not excluded; what was seen in others is dropped.
    layout : DataFrame
        One row per well: ``Metadata_Well, Metadata_ControlType, ...``.
    shape : (int, int)
        Rows and columns of the plate format.
    object_sets : sequence of str
        To be assessed; not those made by subtraction, whose outlines are those of their parents.
    methods : mapping of str to Method
        How each object set is segmented, for the advice.
    labs : mapping of str to LabCalibration
        The lab's own calibration of object sets: which images are unlike those it came from.
    """

    plate: str
    fields: pd.DataFrame
    layout: pd.DataFrame
    shape: tuple[int, int]
    object_sets: Sequence[str]
    methods: Mapping[str, Method] = field(default_factory=dict)
    labs: Mapping[str, LabCalibration] = field(default_factory=dict)


class PlateQuality(NamedTuple):
    """The QC tables of a plate, named as the files under ``qc/``; `others` by their names."""

    objects: pd.DataFrame
    candidates: pd.DataFrame
    sites: pd.DataFrame
    wells: pd.DataFrame
    estimates: pd.DataFrame
    not_covered: pd.DataFrame
    reviewed: pd.DataFrame
    reviewers: pd.DataFrame
    review_list: pd.DataFrame
    verdict: pd.DataFrame
    answers: pd.DataFrame
    others: Mapping[str, pd.DataFrame]

    def files(self) -> dict[str, pd.DataFrame]:
        """Return all tables by name."""
        own = self._asdict()
        return {**own.pop("others"), **own}


def assess_plate(
    features: PlateFeatures, design: PlateDesign, rules: Rules, review: ReviewInput = NO_REVIEW
) -> PlateQuality:
    """Score what was seen on a plate, and judge it.

    Parameters
    ----------
    features, design : PlateFeatures, PlateDesign
        What was seen in all packs, and what the plate is.
    rules : Rules
        Margins, constants, and the reason if the verdict is withheld.
    review : ReviewInput
        What people said, and how much they are asked.
    """
    empty = (*empty_features(), no_candidates(), pd.DataFrame({"n_second_opinion": np.empty(0)}))
    objects, pairs, candidates, fields = (
        _of_design(table, frame, design) for table, frame in zip(features, empty, strict=True)
    )
    classes = dict(design.layout[["Metadata_Well", "Metadata_ControlType"]].astype(str).to_numpy())
    scored = score_plate(objects, pairs, candidates, classes)
    out_of_distribution = shipped_calibration().out_of_distribution(scored.objects)
    for name, lab in design.labs.items():
        unlike = lab.unlike(scored.objects[scored.objects[OBJECT_SET] == name])
        out_of_distribution[unlike.index] = unlike
    rules = _without_calibration(rules, out_of_distribution, design)
    return judge_plate(scored, fields, out_of_distribution, design, rules, review)


def _without_calibration(
    rules: Rules, out_of_distribution: pd.Series, design: PlateDesign
) -> Rules:
    """Take away the calibration of object sets whose control images mostly do not show nuclei.

    A set that no other grows from is taken for nuclei, which it need not be: the evidence was
    calibrated on nothing else, so that nothing of such a set passes.
    """
    kinds = design.layout.set_index("Metadata_Well")["Metadata_ControlType"]
    wells = out_of_distribution.index.get_level_values("Metadata_Well").map(kinds)
    controls = out_of_distribution[wells.isin(["negcon", "poscon"])]
    other = controls.str.contains(NOT_NUCLEI).groupby(level=OBJECT_SET).mean() > NOT_NUCLEI_SHARE
    names = [name for name in other[other].index if name not in design.labs]
    changed = {name: ("other", rules.kinds[name][1]) for name in names}
    return replace(rules, kinds={**rules.kinds, **changed}) if changed else rules


def judge_plate(
    scored: Scored,
    opinions: pd.DataFrame,
    out_of_distribution: pd.Series,
    design: PlateDesign,
    rules: Rules,
    review: ReviewInput = NO_REVIEW,
) -> PlateQuality:
    """Judge a plate whose objects and candidates are scored.

    Parameters
    ----------
    scored : Scored
        From `levelfield.qc.evidence.scores.score_plate`.
    opinions, out_of_distribution : DataFrame, Series
        As for `levelfield.qc.statistics.field_sums.field_sums`.
    design, rules, review : PlateDesign, Rules, ReviewInput
        As for `assess_plate`.
    """
    plate, layout, pairs = design.plate, design.layout, comparisons(design.layout)
    objects, candidates = flag_objects(scored.objects), scored.candidates
    fields = design.fields, design.object_sets, out_of_distribution
    sums = with_calls(field_sums(objects, candidates, opinions, *fields), rules.constants_of)
    readings = plate_readings(plate, objects, sums, pairs, design.object_sets)
    draws = draw_plate(objects, candidates, pairs, review.plan)
    samples = {name: draw.sample for name, draw in draws.items()}
    answers = read_answers(review.rows, plate, samples, objects, review.checksums)
    reviewed = review_estimates(plate, draws, pairs, answers, rules)
    uncovered = not_covered(plate, objects, sums, layout, pairs)
    places = [(well.object_set, well.well) for well in uncovered]
    sites, wells = rate_tables(sums, layout, rules.constants_of, places)
    rows = judge(plate_cases(readings, reviewed, rules), rules)
    judged = JudgedPlate(
        plate, design.shape, layout, pairs, objects, candidates, sums, sites, wells, answers, rules
    )
    evidence = {row.key: row.evidence for row in rows if row.evidence is not None}
    return PlateQuality(
        objects=objects,
        candidates=candidates,
        sites=sites,
        wells=wells,
        estimates=to_table(readings, Reading),
        not_covered=to_table(uncovered, NotCovered),
        reviewed=reviewed_table(reviewed, evidence),
        reviewers=reviewer_agreement(plate, answers),
        review_list=choose_for_review(draws, review.checksums),
        verdict=verdict_table(rows, design.methods),
        answers=answer_table(rows, _coverage(wells, uncovered)),
        others=tables_of(judged),
    )


def verdict_table(rows: Sequence[Row], methods: Mapping[str, Method]) -> pd.DataFrame:
    """Return ``qc/verdict.csv`` of judged rows, words made last."""
    texts = [
        row_advice(
            row,
            methods.get(row.object_set, Method()),
            [other for other in rows if other.object_set == row.object_set and other is not row],
        )
        for row in rows
    ]
    return to_table(verdict_lines(rows, texts), VerdictLine)


def answer_table(
    rows: Sequence[Row], coverage: Mapping[str, tuple[int, int]] | None = None
) -> pd.DataFrame:
    """Return ``qc/answers.csv`` of judged rows, words made last."""
    answers = answers_of(rows)
    return to_table(answer_lines(answers, map(answer_headline, answers), coverage), AnswerLine)


def _coverage(wells: pd.DataFrame, uncovered: Sequence[NotCovered]) -> dict[str, tuple[int, int]]:
    """Count by object set the treated wells, and those that look like neither control class."""
    treated = wells.loc[wells["Metadata_ControlType"] == "trt", OBJECT_SET]
    others = [well.object_set for well in uncovered]
    sets = wells[OBJECT_SET].unique()
    return {str(name): (int((treated == name).sum()), others.count(name)) for name in sets}


def _of_design(table: pd.DataFrame, empty: pd.DataFrame, design: PlateDesign) -> pd.DataFrame:
    """Return the rows of the fields and object sets that are judged."""
    if not len(table.columns):
        # A plate without a single sound field gets the columns that it would have.
        types = {"Metadata_Plate": object, "Metadata_Well": object, "Metadata_Site": np.int64}
        front = pd.DataFrame({name: np.empty(0, kind) for name, kind in types.items()})
        table = pd.concat([front.assign(**{OBJECT_SET: np.empty(0, object)}), empty], axis=1)
    kept = design.fields[SITE].drop_duplicates()
    own = table[table[OBJECT_SET].isin(list(design.object_sets))]
    return own.merge(kept.astype(own[SITE].dtypes), on=SITE, how="inner")[list(table.columns)]
