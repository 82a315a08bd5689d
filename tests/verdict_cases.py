"""Rows and plates of every verdict and reason."""

import re
from typing import get_args

import pandas as pd
from report_cases import OBJECT_SETS, layout_of, plate_facts

from levelfield.qc.verdict.rows import Reason
from levelfield.questions import QUESTIONS

LAYOUT = layout_of(24)


REASONS = get_args(Reason)


EVERYTHING = {(name, question): "pass" for name in OBJECT_SETS for question in QUESTIONS}


VERDICTS = {"inside": "pass", "beyond": "fail"}


def facts(n_excluded: int = 0) -> pd.DataFrame:
    return plate_facts(24, n_excluded)


def flat(text: str) -> str:
    text = re.sub(r"<style>.*?</style>", " ", text, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", "", text).split())
