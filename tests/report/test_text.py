"""The verdict as text, numbers in words, and captions."""

import re
from pathlib import Path

import jinja2
import pandas as pd
import pytest
from docutils.core import publish_parts
from hypothesis import given
from hypothesis import strategies as st
from report_cases import answers_of, layout_of, plate_facts, tables_of

from levelfield.qc.wording.numbers import measured, plain
from levelfield.report import verdict_text
from levelfield.report.text import WIDTH

CAPTIONS = sorted((Path(__file__).parents[2] / "workflow" / "report").glob("*.rst"))


def test_verdict_text_is_narrow_and_whole():
    long = "a compound with quite an unreasonably long systematic name, 10 µM"
    layout = layout_of(96, positives=(long, "Drug B"))
    verdicts = {("Nuclei", "threshold"): "fail", ("Cells", "threshold"): "pass"}
    both = [tables_of(answers_of(layout, verdicts, plate=name)) for name in ("P1", "P2")]
    answers, verdict = (pd.concat(tables) for tables in zip(*both, strict=True))
    facts = pd.concat([plate_facts(96, name=name) for name in ("P1", "P2")])
    text = verdict_text(answers, verdict, facts)
    lines = text.splitlines()
    assert max(map(len, lines)) <= WIDTH <= 100
    rows = [line for line in lines if line.startswith(("    neg", "    pos", "    diff"))]
    assert len(rows) == len(verdict)
    assert sum(line.rstrip().endswith("unreviewed") for line in rows) == 2 * (1 + 5)
    flat = " ".join(text.split())
    assert flat.count("Nuclei, threshold: Fail, unreviewed. Worst: threshold bias, ") == 2
    assert flat.count("raise outline of Nuclei from 0.4 (default) by 0.05") == 2


def test_verdict_text_of_a_plate_without_positive_control():
    layout = layout_of(96, positives=())
    for empty in (True, False):
        text = verdict_text(*tables_of(answers_of(layout, empty=empty)), plate_facts(96))
        assert "8 of 8 answers are undecided" in text
        assert not re.search(r"\bnan\b", text)


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.4249, "px", "+0.42 px"),
        (-0.004, "px", "0.00 px"),
        (-3.14, "pp", "−3.1 pp"),
        (81.4, "%", "81 %"),
        (float("nan"), "px", "–"),
    ],
)
def test_estimates_have_the_decimals_of_their_unit(value, unit, said):
    assert measured(value, unit) == said


@given(st.floats(-1e9, 1e9).filter(lambda value: value == 0 or abs(value) > 1e-9))
def test_numbers_keep_three_digits(value):
    read = float(plain(value).replace(",", "").replace("−", "-"))
    assert read == pytest.approx(value, rel=0.0051)


@pytest.mark.parametrize("caption", CAPTIONS, ids=lambda path: path.stem)
def test_captions_of_the_workflow_report_are_sound(caption):
    config = {"objects": {"Nuclei": {}}, "channels": {"DNA": {}}}
    config["qc"] = {"excluded_sites_percent": 5}
    snakemake = {"config": config, "wildcards": {"plate": "P1"}}
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    text = environment.from_string(caption.read_text("utf-8")).render(snakemake=snakemake)
    assert len(text) > 80
    publish_parts(text, writer="html", settings_overrides={"halt_level": 2})
