"""What to do next, in words, with its cost."""

from levelfield.qc.verdict.rows import NextStep, Row
from levelfield.qc.wording.numbers import count


def next_step_words(step: NextStep, measure: str = "") -> str:
    """Say what to do next, with its cost: "review 50 objects per class of ... (about 9 minutes)".

    Parameters
    ----------
    step : NextStep
        What to do.
    measure : str
        Of the row that asks for it: what is missed is looked for in whole fields.

    Returns
    -------
    str
        Without a full stop; empty where there is nothing to do.
    """
    words = {
        "none": "",
        "review": _review_words(step, measure, " of qc/review_list.csv"),
        "wells": f"use {_amount(step, 'well')} per class",
        "layout": "declare the control wells in the layout (control_type negcon and poscon, the "
        "same control_group for both)",
        "annotate": f"outline the objects of {_amount(step, 'field')} by hand: then qc/truth.csv "
        "answers it",
        "expose": "expose shorter, so that objects are not saturated",
        "look": "look at these wells and their outlines",
        "images": "see excluded_sites.csv for why their images are left out",
    }[step.kind]
    return f"{words} (about {count(step.minutes, 'minute')})" if step.minutes and words else words


def next_step_in_short(step: NextStep, measure: str = "") -> str:
    """Say the same for a table cell: "review 50 objects per class (9 min)"."""
    words = {
        "none": "",
        "review": _review_words(step, measure),
        "wells": f"use {_amount(step, 'well')} per class",
        "layout": "declare control wells in the layout",
        "annotate": f"outline {_amount(step, 'field')} by hand",
        "expose": "expose shorter",
        "look": "look at the outlines",
        "images": "see excluded_sites.csv",
    }[step.kind]
    return f"{words} ({step.minutes} min)" if step.minutes and words else words


def _review_words(step: NextStep, measure: str, source: str = "") -> str:
    if measure == "missed":
        return f"search {_amount(step, 'field')} per class{source} for missed objects"
    return f"review {_amount(step, 'object')} per class{source}"


def _amount(step: NextStep, noun: str) -> str:
    return count(step.amount, noun) if step.amount else f"more {noun}s"


def next_head(verdict: str) -> str:
    """Say what a next step is for: what is undecided needs it, what is decided is confirmed."""
    return "Next" if verdict == "undecided" else "To be sure"


def next_words(row: Row) -> str:
    """Write the next step of a row as a sentence; empty where there is nothing to do."""
    words = next_step_words(row.next_step, row.measure_name)
    if not words:
        return ""
    return f"{next_head(row.verdict)}: {words}."
