"""What people said of the objects that they looked at, as numbers.

`read_answers` turns the rows of a review into numbers per object and measure, and says which rows
no longer count. What follows for the control classes is in `levelfield.qc.review.estimates`.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from levelfield.qc.columns import FIELD, NUMBER, OBJECT_SET
from levelfield.questions import MEASURES

SHEET_COLUMNS = ("plate", "well", "site", "object_set", "object_number", "reviewer", "answer")
OBJECT = [*FIELD, NUMBER]
CORRECT, MISSED, CANNOT_TELL = "correct", "missed", "cannot_tell"
ERRORS = ("split", "merged", "too_large", "too_small", "not_an_object")
PER_OBJECT = tuple(name for name, measure in MEASURES.items() if measure.reviewed is not None)
"""Measures that an answer about one object speaks of."""


@dataclass(frozen=True)
class Answers:
    """A review in numbers.

    Attributes
    ----------
    objects : DataFrame
        One row per object that somebody looked at: `OBJECT` and a column per measure, each the mean
        over its reviewers, and NaN if nobody could tell: ``agreement`` (1 if correct), ``splits``
        ((f − 1)/f for a piece of f), ``merges`` (1 if it holds several), ``balance`` ((f − 1)/f for
        a piece, −(m − 1) for one that holds m), ``invented`` (1 if there is no object), ``bias`` (1
        if too large, −1 if too small).
    missed : DataFrame
        One row per field that was searched for missed objects: `FIELD` and ``n_missed``.
    rows : DataFrame
        One row per answer that counts: `OBJECT`, ``reviewer, answer``.
    notes : tuple of str
        What does not count, and why, in sentences.
    """

    objects: pd.DataFrame
    missed: pd.DataFrame
    rows: pd.DataFrame
    notes: tuple[str, ...]


def check_answers(review: pd.DataFrame, plate: str) -> None:
    """Raise ``ValueError`` for answers of a plate that `read_answers` would refuse."""
    _check_rows(_rows_of_plate(review, plate))


def read_answers(
    review: pd.DataFrame | None,
    plate: str,
    objects: pd.DataFrame,
    checksums: pd.DataFrame | None = None,
    candidates: pd.DataFrame | None = None,
) -> Answers:
    """Turn the rows of a review into numbers per object.

    Rows of objects that are not there, or whose labels have changed since, do not count and are
    mentioned in the notes.

    Parameters
    ----------
    review, plate : DataFrame or None, str
        Rows as in levelfield/config/schemas/review.yaml, all text. Rows of other plates, and those
        that wait for an answer, are passed over.
    objects, candidates : DataFrame
        All objects of the plate, and possible missed ones: a field without any label may be
        searched.
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
    rows, notes = _current_rows(rows, objects, checksums, candidates)
    whole_fields = rows["answer"] == MISSED
    found = rows[~whole_fields]
    table = pd.concat([found[OBJECT], _values(found)], axis=1)
    per_object = table.groupby(OBJECT, sort=True)[list(PER_OBJECT)].mean().reset_index()
    missed = rows[whole_fields].groupby(FIELD, sort=True)["m"].mean()
    said = found[[*OBJECT, "reviewer", "answer"]].reset_index(drop=True)
    return Answers(per_object, missed.rename("n_missed").reset_index(), said, tuple(notes))


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
    rows: pd.DataFrame,
    objects: pd.DataFrame,
    checksums: pd.DataFrame | None,
    candidates: pd.DataFrame | None,
) -> tuple[pd.DataFrame, list[str]]:
    """Leave out rows about labels that are no more, and say so."""
    notes = []
    if checksums is not None:
        now = rows[FIELD].merge(checksums, on=FIELD, how="left")["checksum"].to_numpy()
        known = rows["checksum"].to_numpy() != ""
        changed = known & pd.notna(now) & (rows["checksum"].to_numpy() != now)
        if changed.any():
            notes.append(
                f"{count_answers(changed.sum())} given on labels that have changed since (first: "
                f"{_place(rows[changed].iloc[0])}), and do not count: review these objects again."
            )
        rows = rows[~changed]
    places = pd.MultiIndex.from_frame(objects[OBJECT])
    tables = [objects[FIELD]] if candidates is None else [objects[FIELD], candidates[FIELD]]
    fields = pd.MultiIndex.from_frame(pd.concat(tables).drop_duplicates())
    there = pd.MultiIndex.from_frame(rows[OBJECT]).isin(places)
    there |= (rows[NUMBER] == 0).to_numpy() & pd.MultiIndex.from_frame(rows[FIELD]).isin(fields)
    if not there.all():
        notes.append(
            f"{count_answers((~there).sum())} given for objects that are not in the labels or not "
            f"judged (first: {_place(rows[~there].iloc[0])}), and do not count."
        )
    return rows[there], notes


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
