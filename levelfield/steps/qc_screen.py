"""The verdict of a screen from the plates that are finished, whatever became of the others."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from levelfield.io.provenance import versions
from levelfield.io.tables import read_csv, write_csv, write_text
from levelfield.report import ScreenReport, screen_page
from levelfield.steps.qc_plate import assess_screen
from levelfield.steps.summarise_plate import stack

ESTIMATES, REVIEWED, PLATE, VERDICT, ANSWERS, READOUTS = (
    "qc/estimates.csv",
    "qc/reviewed.csv",
    "plate.csv",
    "qc/verdict.csv",
    "qc/answers.csv",
    "readouts.csv",
)


@dataclass(frozen=True)
class Refreshed:
    """What the verdict of a screen was made from.

    Attributes
    ----------
    finished, unfinished : list of str
        Plates that are in it, and plates that are not.
    report : Path
        The page.
    """

    finished: list[str]
    unfinished: list[str]
    report: Path


def finished_plates(plates: Sequence[str], results: Path) -> list[str]:
    """Return the plates that have all that the verdict of a screen is made from."""
    needed = (ESTIMATES, REVIEWED, PLATE, VERDICT, ANSWERS, READOUTS)
    return [name for name in plates if all((results / name / path).is_file() for path in needed)]


def refresh_screen(plates: Sequence[str], results: Path, science: Mapping) -> Refreshed | None:
    """Judge a screen by its finished plates, and write its tables and page.

    What is written is dated before the plates' results, so that the workflow makes it again as
    soon as all plates are there.

    Parameters
    ----------
    plates : sequence of str
        All plates of the screen.
    results : Path
        Folder of all results.
    science : mapping
        The config's sections ``channels``, ``objects`` and ``qc``.

    Returns
    -------
    Refreshed or None
        None where no plate is finished; then nothing is written.
    """
    finished = finished_plates(plates, results)
    if not finished:
        return None
    unfinished = [name for name in plates if name not in finished]
    folder = results / "screen"
    folder.mkdir(exist_ok=True)

    def all_of(path: str) -> list[pd.DataFrame]:
        return [read_csv(results / name / path) for name in finished]

    facts = stack(all_of(PLATE))
    answers = all_of(ANSWERS)
    quality = assess_screen(all_of(ESTIMATES), facts, science, all_of(REVIEWED), answers)
    page = screen_page(
        ScreenReport(
            plates=facts,
            verdict=stack([*all_of(VERDICT), quality.verdict]),
            answers=stack([*answers, quality.answers]),
            drift=quality.drift,
            readouts=stack(all_of(READOUTS)),
            versions=versions(),
            unfinished=unfinished,
        )
    )
    written = {"plates": facts} | quality._asdict()
    for name, table in written.items():
        write_csv(table, folder / f"{name}.csv")
    write_text(page, folder / "report.html")
    before = min((results / name / ESTIMATES).stat().st_mtime for name in finished) - 1
    for name in (*(f"{name}.csv" for name in written), "report.html"):
        os.utime(folder / name, (before, before))
    return Refreshed(finished, unfinished, folder / "report.html")
