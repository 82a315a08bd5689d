"""The recipes of CONTRIBUTING: what is easily forgotten is named here."""

import re
import sys
from types import ModuleType

import pandas as pd
import pytest
from conftest import REPOSITORY

from levelfield.config.results import RULES
from levelfield.config.sheets import SCHEMAS, load_schema
from levelfield.qc.measures import MEASURES, QUESTIONS, measures_of
from levelfield.qc.plate import PlateQuality
from levelfield.qc.statistics.records import to_table
from levelfield.qc.statistics.summary import RATES
from levelfield.qc.verdict.rules import UNCALIBRATED, Margins
from levelfield.qc.wording import questions
from levelfield.steps.qc_plate import ScreenQuality

TABLES = (REPOSITORY / "docs" / "tables.md").read_text()
CONFIG = load_schema(SCHEMAS / "config.yaml")["properties"]


@pytest.mark.parametrize(
    ("rule", "tables"), [("qc_plate", PlateQuality), ("qc_screen", ScreenQuality)]
)
def test_every_table_of_the_qc_is_an_output_of_its_rule(rule, tables):
    missing = set(tables._fields) - set(RULES[rule].files)
    assert not missing, f"name them among the files of {rule} in levelfield/config/results.py"


def test_every_table_that_a_rule_writes_is_described():
    paths = {
        f"screen/{path}" if rule.unit == "screen" else path
        for rule in RULES.values()
        if rule.unit in ("plate", "pack", "screen")
        for path in rule.files.values()
    }
    written = {path for path in paths if path.endswith((".csv", ".parquet")) and "{" not in path}
    assert len(written) > 25
    undescribed = sorted(path for path in written if f"`{path}`" not in TABLES)
    assert not undescribed, "describe them in docs/tables.md"


@pytest.mark.parametrize("measure", MEASURES)
def test_a_measure_has_all_that_it_needs(measure):
    assert measure in RATES, "name its column in levelfield/qc/statistics/summary.py"
    assert measure in UNCALIBRATED, "give it errors in levelfield/qc/verdict/rules.py"
    assert measure in questions.MEASURE_TITLES, "name it in levelfield/qc/wording/questions.py"
    words = (REPOSITORY / "levelfield" / "qc" / "wording" / "found.py").read_text()
    assert words.count(f'"{measure}"') >= 2, "say a class and a difference in found.py"


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_has_all_that_it_needs(question):
    assert measures_of(question)
    assert question in questions.QUESTIONS, "put it in levelfield/qc/wording/questions.py"
    assert set(getattr(Margins(), question)) == {"class", "difference"}
    margins = CONFIG["qc"]["properties"]["margins"]["properties"]
    assert set(margins[question]["properties"]) == {"class", "difference"}
    assert f"| `{question}` |" in (REPOSITORY / "config" / "README.md").read_text()


def test_the_example_of_a_table_makes_one(monkeypatch):
    text = (REPOSITORY / "CONTRIBUTING.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    recipe = ModuleType("recipe")
    monkeypatch.setitem(sys.modules, "recipe", recipe)
    exec(re.sub(r"^   ", "", example, flags=re.MULTILINE), recipe.__dict__)  # our own document
    wells = pd.DataFrame(
        {"object_set": "Nuclei", "Metadata_ControlType": ["negcon", "negcon"], "n_objects": [3, 5]}
    )
    table = to_table(recipe.crowding("P", wells), recipe.Crowding)
    assert table.to_dict("records") == [
        {"plate": "P", "object_set": "Nuclei", "control_type": "negcon"}
        | {"n_wells": 2, "objects_per_well": 4.0}
    ]
    assert list(to_table([], recipe.Crowding)) == list(table)
