"""Which wells are compared with which."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from levelfield.questions import Scope

ClassKey = tuple[Scope, str]
"""Scope (negcon or poscon) and name of a control class."""
Wells = tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """One positive control and the negative wells that it is held against.

    Attributes
    ----------
    perturbation, negative_name : str
        Name of the positive control, with its dose where it has several, empty when the layout
        declares none; and what the negative wells are called, unique per set of them.
    positive_wells, negative_wells : tuple of str
        Well names; empty where the layout has none.
    """

    perturbation: str
    negative_name: str
    positive_wells: Wells
    negative_wells: Wells

    def classes(self, scope: Scope = "difference") -> dict[ClassKey, Wells]:
        """Return the wells of a row's class, or of both its classes, the positive one first."""
        sides: dict[ClassKey, Wells] = {
            ("poscon", self.perturbation): self.positive_wells,
            ("negcon", self.negative_name): self.negative_wells,
        }
        return {key: wells for key, wells in sides.items() if scope in ("difference", key[0])}

    def name(self, scope: Scope) -> str:
        """Return what a row is called by: the negative wells or the positive control."""
        return self.negative_name if scope == "negcon" else self.perturbation


def comparisons(layout: pd.DataFrame) -> list[Comparison]:
    """List the positive controls of a plate with their negative wells.

    A positive control is a perturbation within a control group, each of its doses apart: a low and
    a high dose look different, and a segmentation may fail at one of them only. It is held against
    the negative wells of its ``Metadata_ControlGroup``, and against all negative wells of the
    plate when it has none. Without any positive control there is one comparison without positive
    wells, so that the negative wells are still judged.

    Parameters
    ----------
    layout : DataFrame
        One row per well: ``Metadata_Well``, ``Metadata_ControlType`` and, if there are any,
        ``Metadata_Perturbation``, ``Metadata_ControlGroup``, ``Metadata_Concentration`` and
        ``Metadata_ConcentrationUnit``.

    Raises
    ------
    ValueError
        When the layout has no column of wells or control types.
    """
    for column in ("Metadata_Well", "Metadata_ControlType"):
        if column not in layout:
            raise ValueError(
                f"The layout has no column {column}: without it no well is known to be a control. "
                f"It has: {', '.join(map(str, layout.columns))}."
            )
    wells = layout.assign(
        perturbation=text_of(layout, "Metadata_Perturbation"),
        group=text_of(layout, "Metadata_ControlGroup"),
        dose=dose_texts(layout),
    )
    negatives = wells[wells["Metadata_ControlType"] == "negcon"]
    positives = wells[wells["Metadata_ControlType"] == "poscon"]
    if positives.empty:
        return [_comparison("", positives, negatives, "")]
    repeated = positives.groupby("perturbation")["group"].nunique()
    doses = positives.groupby(["perturbation", "group"])["dose"].nunique()
    found = []
    for (name, group, dose), rows in positives.groupby(["perturbation", "group", "dose"]):
        matching = negatives if group == "" else negatives[negatives["group"] == group]
        title = name or "positive control"
        if doses[name, group] > 1 and dose:
            title = f"{title} {dose}"
        if repeated[name] > 1 and group:
            title = f"{title} [{group}]"
        found.append(_comparison(title, rows, matching, group))
    return found


def control_classes(pairs: Sequence[Comparison]) -> dict[ClassKey, Wells]:
    """Return the wells of every control class, those that are not imaged included.

    Every negative class comes before its positive ones.
    """
    found: dict[ClassKey, Wells] = {}
    for pair in pairs:
        for key, wells in reversed(pair.classes().items()):
            found.setdefault(key, wells)
    return found


def dose_texts(layout: pd.DataFrame) -> pd.Series:
    """Return the dose of every well in words, as "80 uM"; empty where there is none."""
    amounts = text_of(layout, "Metadata_Concentration").map(_plain_number)
    units = text_of(layout, "Metadata_ConcentrationUnit")
    return (amounts + " " + units).str.strip().where(amounts != "", "")


def text_of(layout: pd.DataFrame, column: str) -> pd.Series:
    """Return a column as text, empty where it is missing."""
    if column not in layout:
        return pd.Series("", index=layout.index)
    return layout[column].fillna("").astype(str)


def _plain_number(text: str) -> str:
    try:
        return f"{float(text):g}"
    except ValueError:
        return text


def _comparison(
    name: str, positives: pd.DataFrame, negatives: pd.DataFrame, group: str
) -> Comparison:
    names = sorted(set(negatives["perturbation"]) - {""})
    negative_name = "+".join(names) or "negcon"
    if group not in ("", negative_name):
        negative_name = f"{negative_name} [{group}]"
    wells = (tuple(table["Metadata_Well"]) for table in (positives, negatives))
    return Comparison(name, negative_name, *wells)
