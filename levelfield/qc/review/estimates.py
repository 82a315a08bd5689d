"""What people said of the objects that they looked at, and what follows for both control classes.

`read_answers` turns the rows of a review into numbers per object, and says which rows no longer
count; `review_estimates` makes stratified estimates of them (`levelfield.qc.review.stratified`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from levelfield.qc.evidence.features import NUMBER
from levelfield.qc.evidence.scores import FIELD, OBJECT_SET
from levelfield.qc.review.sampling import ReviewPlan, drawn, object_risk, review_classes
from levelfield.qc.review.stratified import (
    Stratum,
    fewest_reviews,
    reviews_to_decide,
    strata_of,
    stratified_estimate,
)
from levelfield.qc.statistics.comparison import QUESTIONS, Comparison
from levelfield.qc.statistics.estimates import (
    Estimate,
    at_least_verdict,
    difference,
    equivalence_verdict,
    ratio_estimate,
)
from levelfield.qc.verdict.rules import Rules

SHEET_COLUMNS = ("plate", "well", "site", "object_set", "object_number", "reviewer", "answer")
OBJECT = [*FIELD, NUMBER]
CORRECT, MISSED, CANNOT_TELL = "correct", "missed", "cannot_tell"
ERRORS = ("split", "merged", "too_large", "too_small", "not_an_object")
UNREVIEWED, PARTIAL, COMPLETE = "unreviewed", "partial", "complete"
REVIEW_COLUMNS = (
    "plate",
    "question",
    "object_set",
    "scope",
    "perturbation",
    "review",
    "n_drawn",
    "n_reviewed",
    "n_cannot_tell",
    "value",
    "variance",
    "degrees_of_freedom",
    "n_wells",
    "missed_per_object",
    "n_missed_fields",
    "reviews_needed",
    "notes",
)


@dataclass(frozen=True)
class Answers:
    """A review in numbers.

    Attributes
    ----------
    objects : pandas.DataFrame
        One row per object that somebody looked at: `OBJECT`, ``split_merge`` (what the object adds
        to the balance: (f − 1)/f for a piece of f, −(m − 1) for one that holds m), ``agreement``
        (1 if correct), ``threshold`` (1 if too large, −1 if too small), each the mean over its
        reviewers, and NaN if nobody could tell.
    missed : pandas.DataFrame
        One row per field that was searched for missed objects: `FIELD` and ``n_missed``.
    rows : pandas.DataFrame
        One row per answer that counts: `OBJECT`, ``reviewer, answer``.
    notes : tuple of str
        What does not count, and why, in sentences.
    """

    objects: pd.DataFrame
    missed: pd.DataFrame
    rows: pd.DataFrame
    notes: tuple[str, ...]


def check_answers(review: pd.DataFrame, plate: str) -> None:
    """Raise ``ValueError`` for answers of a plate that `read_answers` would refuse.

    Parameters
    ----------
    review, plate
        As for `read_answers`.
    """
    _check_rows(_rows_of_plate(review, plate))


def read_answers(
    review: pd.DataFrame | None,
    plate: str,
    objects: pd.DataFrame,
    checksums: pd.DataFrame | None = None,
) -> Answers:
    """Turn the rows of a review into numbers per object.

    Parameters
    ----------
    review : pandas.DataFrame or None
        Rows as in workflow/schemas/review.yaml, all text, of any plates. Rows without an answer
        wait to be filled in and are passed over.
    plate : str
        The plate in question; other rows are passed over.
    objects : pandas.DataFrame
        All objects of the plate, with `OBJECT`.
    checksums : pandas.DataFrame, optional
        ``Metadata_Plate, Metadata_Well, Metadata_Site, object_set, checksum`` of the label images
        as they are now.

    Returns
    -------
    Answers
        Rows of objects that are not there, or whose labels have changed since, do not count and
        are mentioned in the notes.

    Raises
    ------
    ValueError
        When a column is missing, an answer lacks its f or m or is impossible, or one person gave
        two answers for one object.
    """
    rows = _rows_of_plate(review, plate)
    _check_rows(rows)
    rows, notes = _current_rows(rows, objects, checksums)
    whole_fields = rows["answer"] == MISSED
    found = rows[~whole_fields]
    values = _values(found)
    table = pd.concat([found[OBJECT], values], axis=1)
    per_object = table.groupby(OBJECT, sort=True)[list(values)].mean().reset_index()
    missed = rows[whole_fields].groupby(FIELD, sort=True)["m"].mean()
    return Answers(
        per_object,
        missed.rename("n_missed").reset_index(),
        found[[*OBJECT, "reviewer", "answer"]].reset_index(drop=True),
        tuple(notes),
    )


def _rows_of_plate(review: pd.DataFrame | None, plate: str) -> pd.DataFrame:
    """Return the filled-in rows of a plate with their line in the file, numbers as numbers."""
    if review is None:
        review = pd.DataFrame(columns=list(SHEET_COLUMNS), dtype=object)
    missing = [name for name in SHEET_COLUMNS if name not in review]
    if missing:
        raise ValueError(
            f"The review has no column {missing[0]}; without it its answers cannot be placed. It "
            f"has: {', '.join(map(str, review.columns))}."
        )
    rows = review.assign(line=np.arange(len(review)) + 2)
    for name in ("f", "m", "checksum"):
        rows[name] = rows[name].fillna("").astype(str) if name in rows else ""
    rows = rows[(rows["plate"].astype(str) == plate) & (rows["answer"].fillna("") != "")]
    names = dict(zip(SHEET_COLUMNS[:5], OBJECT, strict=True))
    rows = rows.rename(columns=names)
    for name in ("Metadata_Site", NUMBER):
        rows[name] = rows[name].astype(np.int64)
    return rows.assign(**{name: pd.to_numeric(rows[name]) for name in ("f", "m")})


def _check_rows(rows: pd.DataFrame) -> None:
    """Refuse answers that mean nothing."""
    whole_field, missed = rows[NUMBER] == 0, rows["answer"] == MISSED
    for answer, number, least, meaning in (
        ("split", "f", 2, "into how many pieces the object was cut"),
        ("merged", "m", 2, "how many objects it holds"),
        (MISSED, "m", 0, "how many objects of the field have no label"),
    ):
        bad = rows[(rows["answer"] == answer) & ~(rows[number] >= least)]
        _refuse(bad, f"'{answer}' needs {number}, {meaning}: a number of at least {least}.")
    _refuse(rows[whole_field & ~missed], "a whole field (object_number 0) is answered by 'missed'.")
    _refuse(
        rows[missed & ~whole_field], "'missed' is the answer for a whole field: object_number 0."
    )
    twice = rows[rows.duplicated([*OBJECT, "reviewer"], keep="first")]
    _refuse(twice, "this reviewer has answered for this object in an earlier line. Keep one.")


def _refuse(bad: pd.DataFrame, why: str) -> None:
    if len(bad):
        row = bad.iloc[0]
        raise ValueError(
            f"Review, line {row['line']} ({_place(row)}): {why} Correct that line; without it the "
            "review cannot be counted."
        )


def _place(row: pd.Series) -> str:
    return (
        f"{row['Metadata_Plate']}, well {row['Metadata_Well']}, site {row['Metadata_Site']}, "
        f"{row[OBJECT_SET]} {row[NUMBER]}"
    )


def _current_rows(
    rows: pd.DataFrame, objects: pd.DataFrame, checksums: pd.DataFrame | None
) -> tuple[pd.DataFrame, list[str]]:
    """Leave out rows about labels that are no more, and say so."""
    notes = []
    if checksums is not None:
        now = rows[FIELD].merge(checksums, on=FIELD, how="left")["checksum"].to_numpy()
        known = rows["checksum"].to_numpy() != ""
        changed = known & pd.notna(now) & (rows["checksum"].to_numpy() != now)
        if changed.any():
            notes.append(
                f"{_answers(changed.sum())} given on labels that have changed since (first: "
                f"{_place(rows[changed].iloc[0])}), and do not count: review these objects again."
            )
        rows = rows[~changed]
    places = pd.MultiIndex.from_frame(objects[OBJECT])
    fields = pd.MultiIndex.from_frame(objects[FIELD].drop_duplicates())
    there = pd.MultiIndex.from_frame(rows[OBJECT]).isin(places)
    there |= (rows[NUMBER] == 0).to_numpy() & pd.MultiIndex.from_frame(rows[FIELD]).isin(fields)
    if not there.all():
        notes.append(
            f"{_answers((~there).sum())} given for objects that are not in the labels or not "
            f"judged (first: {_place(rows[~there].iloc[0])}), and do not count."
        )
    return rows[there], notes


def _answers(number: int) -> str:
    return f"{number} answer of the review was" if number == 1 else f"{number} answers were"


def _values(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what each answer means for each question; NaN for "cannot tell"."""
    answer = rows["answer"]
    balance = np.select(
        [answer == "split", answer == "merged"], [(rows["f"] - 1) / rows["f"], 1 - rows["m"]], 0.0
    )
    edge = np.select([answer == "too_large", answer == "too_small"], [1.0, -1.0], 0.0)
    table = pd.DataFrame(
        {"agreement": (answer == CORRECT) * 1.0, "threshold": edge, "split_merge": balance},
        index=rows.index,
    )
    return table.where(answer != CANNOT_TELL)


@dataclass(frozen=True)
class _ReviewedClass:
    """One control class and object set, reviewed as far as it is."""

    n_drawn: int
    n_answered: int
    n_usable: int
    n_not_drawn: int
    n_wells: int
    strata: list[Stratum]
    estimates: Mapping[str, Estimate]
    missed: Estimate

    @property
    def review(self) -> str:
        if self.n_answered == 0:
            return UNREVIEWED
        whole = all(stratum.reviewed for stratum in self.strata)
        return COMPLETE if whole else PARTIAL


def review_estimates(
    plate: str,
    objects: pd.DataFrame,
    estimates: pd.DataFrame,
    pairs: Sequence[Comparison],
    answers: Answers,
    rules: Rules,
    plan: ReviewPlan | None = None,
) -> pd.DataFrame:
    """Estimate every question from the review, for every class and comparison.

    Only objects that were drawn (`levelfield.qc.review.sampling.drawn`) count: those that somebody
    picked by eye stand for nothing but themselves. How many others were answered is said in the
    notes.

    Parameters
    ----------
    plate : str
        Name of the plate.
    objects : pandas.DataFrame
        From `levelfield.qc.statistics.summary.flag_objects`.
    estimates : pandas.DataFrame
        From `levelfield.qc.statistics.comparison.plate_estimates`.
    pairs : sequence of Comparison
        The plate's controls.
    answers : Answers
        From `read_answers`.
    rules : Rules
        Margins and constants, for the number of reviews that would decide a row.
    plan : ReviewPlan, optional
        As for `levelfield.qc.review.sampling.choose_for_review`.

    Returns
    -------
    pandas.DataFrame
        `REVIEW_COLUMNS`, a row for every raw row of the estimates. ``review`` is *unreviewed*,
        *partial* (a stratum of a class lacks answers, so there is no estimate) or *complete*.
        Values are fractions of objects: for the threshold the share that is too large minus the
        share that is too small. The variance is about these wells as they were imaged; the scatter
        between plates is for the screen.
    """
    plan = plan or ReviewPlan()
    classes = {
        (object_set, *key): _reviewed_class(
            objects[(objects[OBJECT_SET] == object_set) & objects["Metadata_Well"].isin(wells)],
            answers,
            plan,
        )
        for object_set in estimates["object_set"].unique()
        for key, wells in review_classes(pairs).items()
    }
    stray = _stray_note(answers, pairs)
    negatives = {pair.perturbation: pair.negative_name for pair in pairs}
    rows = []
    for row in estimates[estimates["adjustment"] == "raw"].to_dict("records"):
        scope, name = row["scope"], row["perturbation"]
        keys = [(scope, name)]
        if scope == "difference":
            keys = [("poscon", name), ("negcon", negatives[name])]
        sides = [classes.get((row["object_set"], *key)) for key in keys]
        found = _review_row(row, [each for each in sides if each], len(keys), rules)
        notes = [*answers.notes, _not_drawn_note([each for each in sides if each]), stray]
        rows.append(found | {"notes": " ".join(note for note in notes if note)})
    return pd.DataFrame(rows, columns=list(REVIEW_COLUMNS))


def _not_drawn_note(sides: Sequence[_ReviewedClass]) -> str:
    number = sum(side.n_not_drawn for side in sides)
    if not number:
        return ""
    return (
        f"{_answers(number)} given for objects of these wells that were not drawn, and do not "
        "count: only those in qc/review_list.csv do, which new evidence or another "
        "qc.review_per_class may draw anew."
    )


def _stray_note(answers: Answers, pairs: Sequence[Comparison]) -> str:
    controls = {well for wells in review_classes(pairs).values() for well in wells}
    number = int((~answers.objects["Metadata_Well"].isin(controls)).sum())
    if not number:
        return ""
    return f"{_answers(number)} given for objects outside of the control wells, and do not count."


def _reviewed_class(objects: pd.DataFrame, answers: Answers, plan: ReviewPlan) -> _ReviewedClass:
    chosen = drawn(objects, plan)
    known = objects[OBJECT].merge(
        answers.objects.assign(answered=True), on=OBJECT, how="left", validate="one_to_one"
    )
    looked_at = known["answered"].notna().to_numpy()
    answered = looked_at & chosen
    usable = answered & known["agreement"].notna().to_numpy()
    risk = object_risk(objects)
    evidence = _evidence(objects)
    estimates = {
        question: stratified_estimate(
            np.where(usable, known[question], np.nan), evidence[question], risk
        )
        for question in QUESTIONS
    }
    return _ReviewedClass(
        int(chosen.sum()),
        int(answered.sum()),
        int(usable.sum()),
        int((looked_at & ~chosen).sum()),
        objects["Metadata_Well"].nunique(),
        strata_of(risk, answered, usable),
        estimates,
        _missed_per_object(objects, answers.missed),
    )


def _evidence(objects: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
    """Return what the evidence says in place of an answer."""
    edge = np.sign(objects["threshold_bias_px"].fillna(0)) * objects["Metadata_cqc_misbounded"]
    return {
        "agreement": objects["right_evidence"].to_numpy(float),
        "threshold": edge.to_numpy(float),
        "split_merge": objects["balance_contribution"].to_numpy(float),
    }


def _missed_per_object(objects: pd.DataFrame, missed: pd.DataFrame) -> Estimate:
    """Missed objects per predicted object of the searched fields, the field as the unit."""
    counts = objects.groupby(FIELD, sort=True).size().rename("n").reset_index()
    searched = counts.merge(missed, on=FIELD, how="inner")
    return ratio_estimate(searched["n_missed"].to_numpy(float), searched["n"].to_numpy(float))


def _review_row(row: Mapping, sides: Sequence[_ReviewedClass], n_sides: int, rules: Rules) -> dict:
    question = row["question"]
    states = [side.review for side in sides]
    whole = len(sides) == n_sides and all(state == COMPLETE for state in states)
    if len(sides) < n_sides:  # a class without wells: there is nothing to review
        sides, states = [], []
    nothing = all(state == UNREVIEWED for state in states)
    estimate = Estimate(float("nan"), float("nan"), float("nan"), 0)
    if whole:
        found = [side.estimates[question] for side in sides]
        estimate = found[0] if n_sides == 1 else difference(*found)
    missed = [side.missed for side in sides if side.missed.n_wells]
    return {
        **{name: row[name] for name in ("plate", "question", "object_set", "scope")},
        "perturbation": row["perturbation"],
        "review": UNREVIEWED if nothing else COMPLETE if whole else PARTIAL,
        "n_drawn": sum(side.n_drawn for side in sides),
        "n_reviewed": sum(side.n_usable for side in sides),
        "n_cannot_tell": sum(side.n_answered - side.n_usable for side in sides),
        "value": estimate.value,
        "variance": estimate.variance,
        "degrees_of_freedom": estimate.degrees_of_freedom,
        "n_wells": sum(side.n_wells for side in sides),
        "missed_per_object": missed[0].value if n_sides == 1 and missed else float("nan"),
        "n_missed_fields": sum(each.n_wells for each in missed),
        "reviews_needed": _reviews_needed(row, sides, n_sides, estimate.value, rules),
    }


def _reviews_needed(
    row: Mapping, sides: Sequence[_ReviewedClass], n_sides: int, reviewed: float, rules: Rules
) -> float:
    """Objects per class whose review should decide a row; NaN where it cannot."""
    if row["question"] == "threshold" or len(sides) < n_sides:
        return float("nan")
    if row["question"] == "agreement":
        return _agreement_reviews(row, [_n_objects(side) for side in sides], rules)
    constants = rules.constants_of(row["question"], row["object_set"])
    read = Estimate(float(row["value"]), 0.0, float("inf"), 0)
    value = constants.correct(read, is_difference=n_sides == 2).value
    value = reviewed if np.isfinite(reviewed) else value
    margin = rules.margins.split_merge / 100
    number = reviews_to_decide([side.strata for side in sides], value, margin)
    return float("nan") if number is None else float(number)


def _n_objects(side: _ReviewedClass) -> int:
    return sum(stratum.size for stratum in side.strata)


def _agreement_reviews(row: Mapping, sizes: Sequence[int], rules: Rules) -> float:
    """Objects per class that would decide the share of right ones, if it is as it seems.

    Drawn at random: a review by strata of risk needs fewer, if the evidence is good.
    """
    least, is_difference = rules.margins.agreement / 100, row["scope"] == "difference"
    names = ("positive_value", "negative_value") if is_difference else ("value",)
    shares = np.clip([float(row[name]) for name in names], 0.005, 0.995)
    spreads = shares * (1 - shares)
    if min(sizes, default=0) == 0:
        return float("nan")

    def decided(number: int) -> bool:
        many = np.minimum(number, sizes)
        variance = float(np.sum(spreads / many * (1 - many / np.array(sizes))))
        seen = Estimate(float(row["value"]), variance, float("inf"), 0)
        if is_difference:
            return equivalence_verdict(seen, 1 - least) != "undecided"
        return at_least_verdict(seen, least) != "undecided"

    number = fewest_reviews(decided, max(sizes))
    return float("nan") if number is None else float(number)
