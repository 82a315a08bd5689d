"""A question from another package: the example of CONTRIBUTING, announced by an entry point."""

import os
import re
import subprocess
import sys

import pytest
from conftest import REPOSITORY

PAGE = (REPOSITORY / "CONTRIBUTING.md").read_text()
JUDGE = """
import pandas as pd
from qc_plates import PLATE, all_within, design_of, opinions_of, scored_plate, wells_of
from levelfield.config.sheets import config_schema, with_defaults
from levelfield.qc.plate import judge_plate
from levelfield.qc.verdict.rules import Margins, Rules
from levelfield.report.text import verdict_text

facts = pd.DataFrame({"Metadata_Plate": [PLATE], "within_limit": [True]})
margins = with_defaults({}, config_schema())["qc"]["margins"]
for saturated in (0.0, 0.4):
    wells = wells_of("A") | wells_of("B", saturated=saturated)
    scored = scored_plate(wells)
    inputs = scored, opinions_of(scored), all_within(scored), design_of(scored)
    quality = judge_plate(*inputs, Rules(margins=Margins(margins)))
    row = quality.verdict.query("measure == 'saturation' and scope == 'poscon'").iloc[0]
    answer = quality.answers.set_index("question").loc["exposure"]
    said = verdict_text(quality.answers, quality.verdict, facts)
    assert "  exposure" in said and "saturated_share" in quality.wells
    print(row["estimate"], row["margin"], answer["verdict"], row["advice"], sep="|")
for wrong in ({"exposure": {"class": 0, "difference": 5}}, {"exposures": {}}):
    try:
        Margins(wrong)
    except ValueError as error:
        print(error)
"""


@pytest.fixture
def environment(tmp_path):
    """Where Python finds a package that brings the question."""
    package = tmp_path / "my_package"
    package.mkdir()
    (code,) = (
        code for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "QUESTION" in code
    )
    (package / "__init__.py").touch()
    (package / "exposure.py").write_text(code)
    facts = tmp_path / "my_package-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: my_package\nVersion: 1.0\n")
    (group,) = re.findall(r"entry point of the group `(levelfield\.questions)`", PAGE)
    (facts / "entry_points.txt").write_text(f"[{group}]\nexposure = my_package.exposure:QUESTION\n")
    paths = [tmp_path, REPOSITORY, REPOSITORY / "tests"]
    return os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))}


def test_a_question_of_one_file_is_judged_and_said(environment):
    command = [sys.executable, "-c", JUDGE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    fine, saturated, wrong, unknown = done.stdout.strip().splitlines()
    estimate, margin, verdict, _ = fine.split("|")
    assert float(estimate) == pytest.approx(0, abs=0.1)
    assert (float(margin), verdict) == (10, "undecided")  # nothing is calibrated, nothing passes
    estimate, _, verdict, advice = saturated.split("|")
    assert float(estimate) == pytest.approx(40, abs=1) and verdict == "fail"
    assert "40.0 % of the pixels of Nuclei are saturated" in advice
    assert wrong.startswith("qc.margins.exposure.class is 0; it must be a number above 0")
    assert unknown.startswith("qc.margins.exposures: there is no such question. Allowed: agreement")
