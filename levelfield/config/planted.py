"""Errors that a config plants into labels on purpose, and the words that mark them everywhere.

A planted error shows whether the QC finds it. Labels, tables and pages that hold one say so, lest
they be taken for results. Here are the words and who is concerned; the labels themselves are
altered in `levelfield.segmentation.planting`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from levelfield.config.sheets import ConfigError

if TYPE_CHECKING:  # Snakemake's own environment, in which the plan is read, has no pandas
    import pandas as pd

PLANTED = "PLANTED"
COLUMN = "Metadata_Planted"
"""Column of tables by well, site or object: what was planted there; empty elsewhere."""

PARENT_ROLES = ("parent", "minus", "within")
"""Keys of an object set that name another set."""

_CHANGES = {
    "drop_percent": "dropped",
    "split_percent": "cut in two",
    "merge_percent": "joined to neighbours",
}
ERRORS = ("grow_px", *_CHANGES)
"""Keys of the config that say which error is planted; each planting has one of them."""


@dataclass(frozen=True)
class Planting:
    """An error that the labels of one object set get after segmentation."""

    control_type: str  # of the wells that get it: negcon, poscon, trt or empty
    error: str  # one of `ERRORS`
    # Of grow_px how far objects grow, px (below 0 they shrink); of the others percent of objects.
    amount: float

    @property
    def shrinks(self) -> bool:
        """Whether objects lose pixels at their rim."""
        return self.error == "grow_px" and self.amount < 0

    @property
    def renumbers(self) -> bool:
        """Whether objects no longer have the number they were found with."""
        return self.error in ("split_percent", "merge_percent")

    def words(self, object_set: str) -> str:
        """Say what is planted, for instance "Nuclei of the poscon wells grown by 1.5 px"."""
        whose = f"{object_set} of the {self.control_type} wells"
        if self.error == "grow_px":
            return f"{whose} {'shrunk' if self.shrinks else 'grown'} by {abs(self.amount):g} px"
        return f"{self.amount:g} % of {whose} {_CHANGES[self.error]}"


def plantings(objects: Mapping[str, Mapping[str, Any]]) -> dict[str, Planting]:
    """Return what the config's section ``objects`` plants, by object set.

    Raises
    ------
    ConfigError
        If a set names no error, or more than one.
    """
    found = {}
    for name, settings in objects.items():
        if "planted" not in settings:
            continue
        rule = settings["planted"]
        errors = [error for error in ERRORS if error in rule]
        if len(errors) != 1:
            raise ConfigError(
                f"objects.{name}.planted: names {' and '.join(errors) or 'no error'}. Name "
                f"exactly one of {', '.join(ERRORS)}."
            )
        found[name] = Planting(rule["control_type"], errors[0], rule[errors[0]])
    return found


def planted_note(objects: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a sentence for the head of a page or a log; empty where nothing is planted."""
    words = [planting.words(name) for name, planting in plantings(objects).items()]
    return _note(words) + " after segmentation, on purpose." if words else ""


def planted_notes(objects: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return a note for every object set that a planted error changes, itself or through another.

    `objects` is the config's section: sets that build on others come after them.
    """
    made_from = {
        name: [rule[role] for role in PARENT_ROLES if role in rule]
        for name, rule in objects.items()
    }
    return notes_of_sets(plantings(objects), made_from)


def notes_of_sets(
    planted: Mapping[str, Planting], made_from: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """Return a note for every object set that holds a planted error or is made from one that does.

    `made_from` has the sets that each set builds on, in the order in which sets are made.
    """
    words: dict[str, list[str]] = {}
    for name, others in made_from.items():
        own = [planted[name].words(name)] if name in planted else []
        inherited = [text for other in others for text in words.get(other, [])]
        words[name] = list(dict.fromkeys([*inherited, *own]))
    return {name: f"{_note(texts)}." for name, texts in words.items() if texts}


def mark_layout(layout: pd.DataFrame, objects: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Add `COLUMN` to a layout, from which all tables of wells, sites and objects take it.

    Where the config's section `objects` plants nothing the layout stays as it is.
    """
    by_type: dict[str, list[str]] = {}
    for name, planting in plantings(objects).items():
        by_type.setdefault(planting.control_type, []).append(planting.words(name))
    if not by_type:
        return layout
    notes = {kind: _note(words) for kind, words in by_type.items()}
    return layout.assign(**{COLUMN: layout["Metadata_ControlType"].map(notes).fillna("")})


def mark_verdict(verdict: pd.DataFrame, objects: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Add a column ``planted`` to a verdict, and put the note before its ``advice``.

    Where the config's section `objects` plants nothing the verdict stays as it is.
    """
    notes = planted_notes(objects)
    if not notes:
        return verdict
    planted = verdict["object_set"].map(notes).fillna("")
    return verdict.assign(advice=(planted + " " + verdict["advice"]).str.strip(), planted=planted)


def note_of_verdict(verdict: pd.DataFrame) -> str:
    """Return what a marked verdict says of planted errors, each once; empty where it has none."""
    if "planted" not in verdict:
        return ""
    return " ".join(note for note in verdict["planted"].fillna("").unique() if note)


def _note(words: Sequence[str]) -> str:
    return f"{PLANTED}: {'; '.join(words)}"
