"""The report of a screen: every plate and question at a glance, and the way to the plates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pandas as pd

from levelfield.config.planted import note_of_verdict
from levelfield.qc.measures import SCOPES
from levelfield.qc.wording.headlines import name_of_answer, screen_headline
from levelfield.qc.wording.questions import BOTH_CLASSES, QUESTIONS, Question, answer_words
from levelfield.report.drift import drift_charts, drift_order
from levelfield.report.page import environment
from levelfield.report.records import class_margins, read_answers
from levelfield.report.shown import ShownAnswer

SCREEN = "screen"


@dataclass(frozen=True)
class ScreenReport:
    """All that the page of a screen shows.

    Attributes
    ----------
    plates : pandas.DataFrame
        ``plate.csv`` of every plate, stacked.
    answers, verdict : pandas.DataFrame
        ``qc/answers.csv`` and ``qc/verdict.csv`` of every plate, stacked, and if there are any the
        rows of plate "screen" for all plates together.
    readouts : pandas.DataFrame
        ``readouts.csv`` of every plate, stacked.
    drift : pandas.DataFrame or None
        ``screen/drift.csv`` (`levelfield.report.drift`).
    versions : mapping of str to str
        Version by name of the software.
    unfinished : sequence of str
        Plates of the screen that are not in it, as they have failed or are still to be done.
    """

    plates: pd.DataFrame
    answers: pd.DataFrame
    verdict: pd.DataFrame
    readouts: pd.DataFrame
    drift: pd.DataFrame | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    unfinished: Sequence[str] = ()


def screen_page(data: ScreenReport) -> str:
    """Write the report of a screen as one HTML page, which lies in a folder beside the plates'."""
    found = read_answers(data.answers, data.verdict)
    cells = {(one.plate, one.object_set, one.question): one for one in found}
    columns = [
        (object_set, question)
        for object_set in dict.fromkeys(one.object_set for one in found)
        for question in QUESTIONS.values()
        if any((one.object_set, one.question) == (object_set, question.key) for one in found)
    ]
    names = [str(name) for name in data.plates["Metadata_Plate"]]
    together = [] if SCREEN in names else [one for one in found if one.plate == SCREEN]
    return (
        environment()
        .get_template("screen.html.j2")
        .render(
            name="Screen",
            planted=note_of_verdict(data.verdict),
            unfinished=data.unfinished,
            plates=data.plates.to_dict("records"),
            rows=[SCREEN, *names] if together else names,
            screen=SCREEN if together else None,
            headline=screen_headline(together, len(names)) if together else "",
            screen_answers=[(one, name_of_answer(one)) for one in together],
            scopes=SCOPES,
            both_classes=BOTH_CLASSES,
            columns=columns,
            column_groups=_groups(columns),
            cells=cells,
            tally=_tally([one for one in found if one.plate in names]),
            addresses={name: f"../{quote(name)}/report.html" for name in names},
            drift=drift_charts(data.drift, class_margins(data.verdict)),
            drift_order=drift_order(data.drift),
            dated=bool((data.plates["Metadata_Date"] != "").any()),
            readouts=_readout_table(data.readouts),
            versions=data.versions,
        )
    )


def _groups(columns: Sequence[tuple[str, Question]]) -> list[tuple[str, list[Question]]]:
    groups: dict[str, list[Question]] = {}
    for object_set, question in columns:
        groups.setdefault(object_set, []).append(question)
    return list(groups.items())


def _tally(answers: Sequence[ShownAnswer]) -> list[str]:
    """Count the answers of all plates, passes and failures without review apart."""
    counts: dict[str, int] = {}
    for one in answers:
        words = answer_words(one.verdict, one.unreviewed)
        counts[words] = counts.get(words, 0) + 1
    order = ("fail", "undecided", "pass")
    names = sorted(counts, key=lambda name: (order.index(name.split(",")[0]), name))
    return [f"{counts[name]} {name}" for name in names]


def _readout_table(readouts: pd.DataFrame) -> dict[str, Any]:
    """Return Z′ by plate (rows) and by readout and positive control (columns)."""
    keys = ["readout", "perturbation"]
    columns = [tuple(key) for key in readouts[keys].drop_duplicates().to_numpy().tolist()]
    values = {
        (row["Metadata_Plate"], row["readout"], row["perturbation"]): row["z_prime"]
        for row in readouts.to_dict("records")
    }
    return {"columns": columns, "values": values}
