"""The report of a screen: every plate and question at a glance, and the way to the plates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

import pandas as pd

from levelfield.planted import note_of_verdict
from levelfield.report.answers import QUESTIONS, WORST, Question
from levelfield.report.page import environment

SCREEN = "screen"


@dataclass(frozen=True)
class ScreenReport:
    """All that the page of a screen shows.

    Attributes
    ----------
    plates : pandas.DataFrame
        ``plate.csv`` of every plate, stacked.
    verdict : pandas.DataFrame
        ``qc/verdict.csv`` of every plate, stacked, and if there are any the rows of plate
        "screen" for all plates together.
    readouts : pandas.DataFrame
        ``readouts.csv`` of every plate, stacked.
    versions : mapping of str to str
        Version by name of the software.
    unfinished : sequence of str
        Plates of the screen that are not in it, as they have failed or are still to be done.
    """

    plates: pd.DataFrame
    verdict: pd.DataFrame
    readouts: pd.DataFrame
    versions: Mapping[str, str] = field(default_factory=dict)
    unfinished: Sequence[str] = ()


def screen_page(data: ScreenReport) -> str:
    """Write the report of a screen as one HTML page, which lies in a folder beside the plates'."""
    verdict = data.verdict.assign(perturbation=data.verdict["perturbation"].fillna("").astype(str))
    worst = verdict[(verdict["perturbation"] == WORST) & (verdict["scope"] == "difference")]
    columns = [
        (object_set, question)
        for object_set in worst["object_set"].unique()
        for question in QUESTIONS
        if ((worst["object_set"] == object_set) & (worst["question"] == question.key)).any()
    ]
    cells = {
        (row["plate"], row["object_set"], row["question"]): row for row in worst.to_dict("records")
    }
    names = list(data.plates["Metadata_Plate"])
    together = SCREEN in set(worst["plate"]) and SCREEN not in names
    return (
        environment()
        .get_template("screen.html.j2")
        .render(
            name="Screen",
            planted=note_of_verdict(data.verdict),
            unfinished=data.unfinished,
            plates=data.plates.to_dict("records"),
            rows=[*names, SCREEN] if together else names,
            screen=SCREEN if together else None,
            columns=columns,
            column_groups=_groups(columns),
            cells=cells,
            tally=_tally(worst[worst["plate"].isin(names)]),
            addresses={name: f"../{quote(str(name))}/report.html" for name in names},
            readouts=_readout_table(data.readouts),
            versions=data.versions,
        )
    )


def _groups(columns: Sequence[tuple[str, Question]]) -> list[tuple[str, list[Question]]]:
    groups: dict[str, list[Question]] = {}
    for object_set, question in columns:
        groups.setdefault(object_set, []).append(question)
    return list(groups.items())


def _tally(worst: pd.DataFrame) -> dict[str, int]:
    counts = worst["verdict"].value_counts()
    return {name: int(counts.get(name, 0)) for name in ("pass", "undecided", "fail")}


def _readout_table(readouts: pd.DataFrame) -> dict:
    """Return Z′ by plate (rows) and by readout and positive control (columns)."""
    keys = ["readout", "perturbation"]
    columns = [tuple(key) for key in readouts[keys].drop_duplicates().to_numpy().tolist()]
    values = {
        (row["Metadata_Plate"], row["readout"], row["perturbation"]): row["z_prime"]
        for row in readouts.to_dict("records")
    }
    return {"columns": columns, "values": values}
