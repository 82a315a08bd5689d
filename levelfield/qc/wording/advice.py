"""A row of the verdict in words: what was found, why it counts or not, and what to do next."""

from collections.abc import Sequence

from levelfield.qc.verdict.rows import Row
from levelfield.qc.wording.aims import parameter_words
from levelfield.qc.wording.found import found_words
from levelfield.qc.wording.parameters import Method
from levelfield.qc.wording.standing import density_words, doubt_words, review_words, standing_words
from levelfield.qc.wording.steps import next_words

WITHHELD = "No verdict. Too many images had to be left out."
"""Said alike by terminal, page and tables."""
_NO_METHOD = Method()


def row_advice(row: Row, method: Method = _NO_METHOD, others: Sequence[Row] = ()) -> str:
    """Write the advice of one row, in sentences that a biologist can act upon.

    Where one of the other rows of the object set asks for the opposite change of the same
    parameter, the advice says that no value of it suits both, in place of naming a direction.
    """
    if row.reason == "excluded_sites":
        return " ".join([WITHHELD, found_words(row), next_words(row)]).rstrip()
    sentences = [
        found_words(row),
        standing_words(row),
        doubt_words(row),
        density_words(row),
        review_words(row),
        parameter_words(row, method, others),
        next_words(row),
    ]
    return " ".join(filter(None, sentences))
