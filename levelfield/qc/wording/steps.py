"""What to do next, in words, with its cost."""

from levelfield.qc.verdict.rows import Answer, NextStep, Row, Step
from levelfield.qc.wording.numbers import count

_WORDS: dict[Step, tuple[str, str]] = {
    "none": ("", ""),
    "wells": ("use {wells} per class", "use {wells} per class"),
    "layout": (
        "declare the control wells in the layout (control_type negcon and poscon, the same "
        "control_group for both)",
        "declare control wells in the layout",
    ),
    "annotate": (
        "outline the objects of {fields} by hand: then qc/truth.csv answers it",
        "outline {fields} by hand",
    ),
    "expose": ("expose shorter, so that objects are not saturated", "expose shorter"),
    "look": ("look at these wells and their outlines", "look at the outlines"),
    "images": (
        "see excluded_sites.csv for why their images are left out",
        "see excluded_sites.csv",
    ),
}
"""In a sentence, and in a table cell."""


def next_step_words(step: NextStep) -> str:
    """Say what to do next, with its cost: "review 50 crops per class with ... (about 10 minutes)".

    Without a full stop; empty where there is nothing to do.
    """
    words = _words(step, is_short=False)
    return f"{words} (about {count(step.minutes, 'minute')})" if step.minutes and words else words


def next_step_in_short(step: NextStep) -> str:
    """Say the same for a table cell: "review 50 crops per class (10 min)"."""
    words = _words(step, is_short=True)
    return f"{words} ({step.minutes} min)" if step.minutes and words else words


def _words(step: NextStep, *, is_short: bool) -> str:
    if step.kind != "review":
        wells, fields = _amount(step, "well"), _amount(step, "field")
        return _WORDS[step.kind][is_short].format(wells=wells, fields=fields)
    return (
        f"review {_amount(step, 'crop')} per class{'' if is_short else ' with levelfield review'}"
    )


def _amount(step: NextStep, noun: str) -> str:
    return count(step.amount, noun) if step.amount else f"more {noun}s"


def next_head(verdict: str) -> str:
    """Say what a next step is for: what is undecided needs it, what is decided is confirmed."""
    return "Next" if verdict == "undecided" else "To be sure"


def next_words(decided: Row | Answer) -> str:
    """Write the next step of a row or question as a sentence; empty where there is none."""
    words = next_step_words(decided.next_step)
    if not words:
        return ""
    return f"{next_head(decided.verdict)}: {words}."
