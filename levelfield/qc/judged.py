"""A plate that has been judged: what the tables beside its verdict are made from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from levelfield.qc.review.answers import Answers
from levelfield.qc.statistics.comparison import Comparison
from levelfield.qc.statistics.records import to_table
from levelfield.qc.verdict.rules import Rules

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True)
class JudgedPlate:
    """What is known of a plate once it is judged.

    Attributes
    ----------
    plate, shape : str, (int, int)
        Its name, and rows and columns of its format.
    layout : DataFrame
        One row per well: ``Metadata_Well, Metadata_ControlType, ...``.
    pairs : sequence of Comparison
        Its controls.
    objects, candidates : DataFrame
        ``qc/objects.parquet`` and ``qc/candidates.parquet``.
    sums, sites, wells : DataFrame
        Sums of evidence by field (`levelfield.qc.statistics.field_sums`), ``qc/sites.csv`` and
        ``qc/wells.csv``.
    review : Answers
        What people said.
    rules : Rules
        Margins and constants.
    """

    plate: str
    shape: tuple[int, int]
    layout: pd.DataFrame
    pairs: Sequence[Comparison]
    objects: pd.DataFrame
    candidates: pd.DataFrame
    sums: pd.DataFrame
    sites: pd.DataFrame
    wells: pd.DataFrame
    review: Answers
    rules: Rules


@dataclass(frozen=True)
class PlateTable:
    """A table beside the verdict: a file of `levelfield.qc.tables` defines one as ``TABLE``.

    Attributes
    ----------
    row : type
        Dataclass of a row, of words, numbers and booleans; its fields are the columns.
    rows : callable
        From a `JudgedPlate` to the rows.
    """

    row: "type[DataclassInstance]"
    rows: Callable[[JudgedPlate], Sequence[Any]]

    def of(self, judged: JudgedPlate) -> pd.DataFrame:
        """Return the table of a plate, with its columns also where there is no row."""
        return to_table(self.rows(judged), self.row)
