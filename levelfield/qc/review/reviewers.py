"""How far two reviewers agree, which bounds what any segmentation can reach in their eyes."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from levelfield.qc.columns import OBJECT_SET
from levelfield.qc.review.answers import CANNOT_TELL, CORRECT, ERRORS, OBJECT, Answers

REVIEWER_COLUMNS = (
    "plate",
    "object_set",
    "reviewer",
    "other_reviewer",
    "answer",
    "n_objects",
    "n_reviewer",
    "n_other_reviewer",
    "same",
    "kappa",
    "kappa_low",
    "kappa_high",
)
ANY = "any"


def cohen_kappa(said: ArrayLike, other: ArrayLike) -> tuple[float, float]:
    """Agreement of two people beyond chance, and its standard error, from their (n,) answers.

    1 is complete agreement, 0 that of chance. NaN without objects, or where both gave one and the
    same answer throughout, which chance explains as well.

    Notes
    -----
    J. Cohen, *A coefficient of agreement for nominal scales* (1960); the large-sample error of
    J. L. Fleiss, J. Cohen & B. S. Everitt (1969).
    """
    codes, answers = pd.factorize(np.concatenate([np.asarray(said), np.asarray(other)]))
    number, kinds = len(codes) // 2, len(answers)
    if number == 0:
        return float("nan"), float("nan")
    table = np.zeros((kinds, kinds))
    np.add.at(table, (codes[:number], codes[number:]), 1 / number)
    rows, columns = table.sum(1), table.sum(0)
    observed, chance = float(np.trace(table)), float(rows @ columns)
    if np.isclose(chance, 1):
        return float("nan"), float("nan")
    kappa = (observed - chance) / (1 - chance)
    left = 1 - kappa
    on_diagonal = np.sum(np.diag(table) * (1 - (rows + columns) * left) ** 2)
    # In the Fleiss formula a cell (i, j) meets the column total of i and the row total of j.
    totals = (columns[:, None] + rows[None, :]) ** 2
    off_diagonal = left**2 * (np.sum(table * totals) - np.sum(np.diag(table * totals)))
    variance = on_diagonal + off_diagonal - (kappa - chance * left) ** 2
    return kappa, float(np.sqrt(max(variance, 0) / number) / (1 - chance))


def reviewer_agreement(plate: str, answers: Answers) -> pd.DataFrame:
    """Compare every two reviewers on the objects that both looked at: ``qc/reviewers.csv``.

    Returns
    -------
    DataFrame
        `REVIEWER_COLUMNS`, a row per object set, pair of reviewers and answer, and one for all
        answers together (``any``): objects that both could tell, how often each gave the answer,
        ``same`` (share on which they say the same: the bound) and Cohen's ``kappa`` with its 90 %
        interval. These are figures of the sample, in which doubtful objects are over-represented.
    """
    told = answers.objects[answers.objects["answer"] != CANNOT_TELL]
    rows = []
    for object_set, own in told.groupby(OBJECT_SET, sort=True):
        table = own.pivot_table("answer", OBJECT, "reviewer", aggfunc="first")
        for pair in combinations(sorted(table.columns), 2):
            both = table[list(pair)].dropna()
            if len(both):
                found = _rows_of_pair(*(both[name] for name in pair))
                rows += [(plate, object_set, *pair, *row) for row in found]
    return pd.DataFrame(rows, columns=list(REVIEWER_COLUMNS))


def _rows_of_pair(said: pd.Series, other: pd.Series) -> Iterator[tuple[str | float, ...]]:
    yield (ANY, len(said), len(said), len(said), *_agreement(said, other))
    for answer in (CORRECT, *ERRORS):
        first, second = said == answer, other == answer
        if first.any() or second.any():
            counts = (len(said), int(first.sum()), int(second.sum()))
            yield (answer, *counts, *_agreement(first, second))


def _agreement(said: pd.Series, other: pd.Series) -> tuple[float, float, float, float]:
    kappa, error = cohen_kappa(said, other)
    low, high = kappa - 1.645 * error, kappa + 1.645 * error
    same = float((said.to_numpy() == other.to_numpy()).mean())
    return same, kappa, max(low, -1.0), min(high, 1.0)
