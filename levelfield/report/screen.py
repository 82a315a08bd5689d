"""The report of a screen: every plate and question at a glance, and the way to the plates."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pandas as pd

from levelfield.config.planted import note_of_verdict
from levelfield.qc.wording.headlines import name_of_answer, screen_headline
from levelfield.qc.wording.questions import BOTH_CLASSES, answer_words
from levelfield.questions import QUESTIONS
from levelfield.report.drift import drift_charts, drift_order
from levelfield.report.page import environment
from levelfield.report.records import ShownAnswer, class_margins, grouped, read_answers

SCREEN = "screen"


@dataclass(frozen=True)
class ScreenReport:
    """All that the page of a screen shows; tables are those of every plate, stacked.

    Attributes
    ----------
    answers, verdict : pandas.DataFrame
        If there are any with the rows of plate "screen", for all plates together.
    drift : pandas.DataFrame or None
        ``screen/drift.csv`` (`levelfield.report.drift`).
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
    names = [str(name) for name in data.plates["Metadata_Plate"]]
    together = [] if SCREEN in names else [answer for answer in found if answer.plate == SCREEN]
    asked = grouped(found, lambda answer: answer.object_set)
    groups = [
        (name, [q for q in QUESTIONS.values() if q.key in {answer.question for answer in own}])
        for name, own in asked.items()
    ]
    template = environment().get_template("screen.html.j2")
    return template.render(
        name="Screen",
        planted=note_of_verdict(data.verdict),
        unfinished=data.unfinished,
        plates=data.plates.to_dict("records"),
        rows=[SCREEN, *names] if together else names,
        screen=SCREEN if together else None,
        headline=screen_headline(together, len(names)) if together else "",
        screen_answers=[(answer, name_of_answer(answer)) for answer in together],
        both_classes=BOTH_CLASSES,
        columns=[(name, question) for name, questions in groups for question in questions],
        column_groups=[(name, questions) for name, questions in groups if questions],
        cells={(answer.plate, answer.object_set, answer.question): answer for answer in found},
        tally=_tally([answer for answer in found if answer.plate in names]),
        addresses={name: f"../{quote(name)}/report.html" for name in names},
        drift=drift_charts(data.drift, class_margins(data.verdict)),
        drift_order=drift_order(data.drift),
        dated=bool((data.plates["Metadata_Date"] != "").any()),
        readouts=_readout_table(data.readouts),
        versions=data.versions,
    )


def _tally(answers: Sequence[ShownAnswer]) -> list[str]:
    """Count the answers of all plates, passes and failures without review apart."""
    counts = Counter(answer_words(answer.verdict, answer.unreviewed) for answer in answers)
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
