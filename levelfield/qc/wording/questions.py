"""How the questions, measures and classes of the verdict are called."""

from levelfield.questions import MEASURES

BOTH_CLASSES = "Do these hold for the negative AND the positive controls?"
"""The fourth question: of each of the others."""

MEASURE_TITLES = {name: measure.title for name, measure in MEASURES.items()}
CLASS_TITLES = {"negcon": "negative control", "poscon": "positive control"}


def name_of_row(measure: str, scope: str, perturbation: str) -> str:
    """Name a row: "merge rate in the positive control Drug A"; "balance, Drug A against ..."."""
    title = MEASURE_TITLES[measure]
    if scope == "difference":
        return f"{title}, {perturbation or 'positive control'} against its negative wells"
    return f"{title} in the {CLASS_TITLES[scope]} {perturbation}".rstrip()


def answer_words(verdict: str, unreviewed: bool) -> str:
    """Say a verdict as it is shown everywhere: "pass, unreviewed"."""
    return f"{verdict}, unreviewed" if unreviewed else verdict
