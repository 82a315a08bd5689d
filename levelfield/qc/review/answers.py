"""What people said of the crops that they looked at, as numbers.

`read_answers` turns the rows of a review into numbers per object and crop, and says which rows do
not count. What follows for the control classes is in `levelfield.qc.review.estimates`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from levelfield.qc.columns import FIELD, NUMBER, OBJECT_SET
from levelfield.qc.review.crops import CROP
from levelfield.questions import MEASURES

SHEET_COLUMNS = ("plate", "well", "site", "object_set", "object_number", "reviewer", "answer")
OBJECT = [*FIELD, NUMBER]
CROP_KEY = [*FIELD, CROP]
CORRECT, MISSED, CANNOT_TELL = "correct", "missed", "cannot_tell"
ERRORS = ("split", "merged", "too_large", "too_small", "not_an_object")
MOST_COUNTED = 5
"""Pieces, or objects in one outline, that the review page counts."""


def answer_values(measure: str) -> dict[tuple[str, int], float]:
    """Return what every answer means for a measure, by answer and number of pieces or objects."""
    counts = range(2, MOST_COUNTED + 1)
    said = [(name, 0) for name in (CORRECT, *ERRORS) if name not in ("split", "merged")]
    said += [(name, number) for name in ("split", "merged") for number in counts]
    rows = pd.DataFrame(said, columns=["answer", "number"])
    rows = rows.assign(f=rows["number"].astype(float), m=rows["number"].astype(float))
    reviewed = MEASURES[measure].reviewed
    values = reviewed(rows) if reviewed is not None else pd.Series(0.0, rows.index)
    return dict(zip(said, values.astype(float).tolist(), strict=True))


def _possible(measure: str) -> tuple[float, float]:
    values = [value for (_, number), value in answer_values(measure).items() if number <= 2]
    return min(values), max(values)


POSSIBLE = {
    name: _possible(name) for name, measure in MEASURES.items() if measure.reviewed is not None
}
"""Measures that an answer about one object speaks of, with the lowest and the highest value that
stand in where nobody could tell: half of an object, one that is right, a merge of two."""


@dataclass(frozen=True)
class Answers:
    """A review in numbers.

    Attributes
    ----------
    objects : DataFrame
        One row per object and reviewer: `OBJECT`, ``crop, reviewer, answer`` and a column per
        measure, NaN where the person could not tell: ``agreement`` (1 if correct), ``splits``
        ((f − 1)/f for a piece of f), ``merges`` (1 if it holds several), ``balance`` ((f − 1)/f for
        a piece, −(m − 1) for one that holds m), ``invented`` (1 if there is no object), ``bias`` (1
        if too large, −1 if too small).
    crops : DataFrame
        One row per finished crop and reviewer: `CROP_KEY`, ``reviewer``, ``n_missed``.
    notes : tuple of str
        What does not count, and why, in sentences.
    """

    objects: pd.DataFrame
    crops: pd.DataFrame
    notes: tuple[str, ...]


def check_answers(review: pd.DataFrame, plate: str) -> None:
    """Raise ``ValueError`` for answers of a plate that `read_answers` would refuse."""
    _check_rows(_rows_of_plate(review, plate))


def read_answers(
    review: pd.DataFrame | None,
    plate: str,
    samples: Mapping[str, str],
    objects: pd.DataFrame,
    checksums: pd.DataFrame | None = None,
) -> Answers:
    """Turn the rows of a review into numbers per object and crop.

    Parameters
    ----------
    review, plate : DataFrame or None, str
        Rows as in levelfield/config/schemas/review.yaml, all text. Rows of other plates, and those
        without an answer, are passed over.
    samples : mapping of str to str
        Fingerprint of the sample of each object set. Answers to another sample do not count and are
        mentioned in the notes: what they were drawn from is no more.
    objects : DataFrame
        All objects of the plate.
    checksums : DataFrame, optional
        `FIELD`, ``checksum`` of the label images as they are now.

    Raises
    ------
    ValueError
        When a column is missing, an answer lacks its f or m or is impossible, or one person gave
        two answers for one object.
    """
    rows = _rows_of_plate(review, plate)
    _check_rows(rows)
    rows, notes = _current_rows(rows, samples, objects, checksums)
    finished = rows["answer"] == MISSED
    found = rows[~finished]
    kept = [*OBJECT, CROP, "reviewer", "answer"]
    crops = rows.loc[finished, [*CROP_KEY, "reviewer", "m"]].rename(columns={"m": "n_missed"})
    return Answers(
        pd.concat([found[kept], _values(found)], axis=1).reset_index(drop=True),
        crops.reset_index(drop=True),
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
    for name in ("f", "m", "checksum", "sample", CROP):
        rows[name] = rows[name].fillna("").astype(str) if name in rows else ""
    rows = rows[(rows["plate"].astype(str) == plate) & (rows["answer"].fillna("") != "")]
    names = dict(zip(SHEET_COLUMNS[:5], OBJECT, strict=True))
    rows = rows.rename(columns=names)
    for name in ("Metadata_Site", NUMBER):
        rows[name] = rows[name].astype(np.int64)
    rows[CROP] = rows[CROP].replace("", "0").astype(np.int64)
    return rows.assign(**{name: pd.to_numeric(rows[name]) for name in ("f", "m")})


def _check_rows(rows: pd.DataFrame) -> None:
    """Refuse answers that mean nothing."""
    whole, missed = rows[NUMBER] == 0, rows["answer"] == MISSED
    for answer, number, least, meaning in (
        ("split", "f", 2, "into how many pieces the object was cut"),
        ("merged", "m", 2, "how many objects it holds"),
        (MISSED, "m", 0, "how many objects of the crop have no label"),
    ):
        bad = rows[(rows["answer"] == answer) & ~(rows[number] >= least)]
        _refuse(bad, f"'{answer}' needs {number}, {meaning}: a number of at least {least}.")
    _refuse(rows[whole & ~missed], "a whole crop (object_number 0) is answered by 'missed'.")
    _refuse(rows[missed & ~whole], "'missed' is the answer for a whole crop: object_number 0.")
    who = rows["reviewer"].fillna("").astype(str).str.strip() == ""
    _refuse(rows[who], "it has no reviewer. Write a name or initials: reviewers are compared.")
    twice = rows[rows.duplicated([*OBJECT, CROP, "reviewer"], keep="first")]
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
    rows: pd.DataFrame,
    samples: Mapping[str, str],
    objects: pd.DataFrame,
    checksums: pd.DataFrame | None,
) -> tuple[pd.DataFrame, list[str]]:
    """Leave out rows about what is no more, and say so."""
    notes: list[str] = []

    def without(bad: pd.Series, why: str) -> pd.DataFrame:
        if bad.any():
            first = _place(rows[bad].iloc[0])
            notes.append(f"{count_answers(int(bad.sum()))} given {why.format(first=first)}")
        return rows[~bad]

    rows = without(
        rows["sample"] == "",
        "for single objects, as earlier versions asked for (first: {first}), and do not count: the "
        "review now goes by crops (levelfield review). They still teach a network.",
    )
    rows = without(
        rows["sample"] != rows[OBJECT_SET].map(samples),
        "on another sample (first: {first}), and do not count: labels, evidence or control wells "
        "have changed since. Review again (levelfield review).",
    )
    if checksums is not None:
        now = rows[FIELD].merge(checksums, on=FIELD, how="left")["checksum"].to_numpy()
        known = rows["checksum"].to_numpy() != ""
        changed = known & pd.notna(now) & (rows["checksum"].to_numpy() != now)
        rows = without(
            pd.Series(changed, rows.index),
            "on labels that have changed since (first: {first}), and do not count: review these "
            "crops again.",
        )
    there = pd.MultiIndex.from_frame(rows[OBJECT]).isin(pd.MultiIndex.from_frame(objects[OBJECT]))
    strange = pd.Series(~there & (rows[NUMBER] != 0).to_numpy(), rows.index)
    rows = without(
        strange,
        "for objects that are not in the labels or not judged (first: {first}), and do not count.",
    )
    return rows, notes


def count_answers(number: int) -> str:
    """Return the beginning of a sentence about a number of answers."""
    return f"{number} answer of the review was" if number == 1 else f"{number} answers were"


def _values(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what each answer means for each measure; NaN for "cannot tell"."""
    values = {
        name: measure.reviewed(rows)
        for name, measure in MEASURES.items()
        if measure.reviewed is not None
    }
    return pd.DataFrame(values, index=rows.index).where(rows["answer"] != CANNOT_TELL)
