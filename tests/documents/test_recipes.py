"""The recipes of CONTRIBUTING: what is easily forgotten is named here."""

import re
import sys
from types import ModuleType, SimpleNamespace

import pandas as pd
import pytest
from conftest import REPOSITORY

from levelfield.config.results import RULES
from levelfield.qc.plate import PlateQuality
from levelfield.qc.tables import TABLES
from levelfield.questions import QUESTIONS
from levelfield.steps.qc_plate import ScreenQuality

DESCRIBED = (REPOSITORY / "docs" / "tables.md").read_text()


@pytest.mark.parametrize(
    ("rule", "tables"), [("qc_plate", PlateQuality), ("qc_screen", ScreenQuality)]
)
def test_every_table_of_the_qc_is_an_output_of_its_rule(rule, tables):
    missing = set(tables._fields) - {"others"} - set(RULES[rule].files)
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
    undescribed = sorted(path for path in written if f"`{path}`" not in DESCRIBED)
    assert not undescribed, "describe them in docs/tables.md"


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_described(question):
    assert f"| `{question}` |" in (REPOSITORY / "config" / "README.md").read_text()


def test_the_example_of_a_table_makes_one(monkeypatch):
    text = (REPOSITORY / "CONTRIBUTING.md").read_text()
    (example,) = (
        code for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "TABLE" in code
    )
    recipe = ModuleType("recipe")
    monkeypatch.setitem(sys.modules, "recipe", recipe)
    exec(example, recipe.__dict__)  # our own document
    wells = pd.DataFrame(
        {"object_set": "Nuclei", "Metadata_ControlType": ["negcon", "negcon"], "n_objects": [3, 5]}
    )
    table = recipe.TABLE.of(SimpleNamespace(plate="P", wells=wells))
    assert table.to_dict("records") == [
        {"plate": "P", "object_set": "Nuclei", "control_type": "negcon"}
        | {"n_wells": 2, "objects_per_well": 4.0}
    ]
    empty = recipe.TABLE.of(SimpleNamespace(plate="P", wells=wells[:0]))
    assert list(empty) == list(table)


def test_a_file_in_the_folder_of_tables_is_written_by_the_workflow():
    """Results know tables by the names of their files, and the package by their content."""
    assert {name: f"qc/{name}.csv" for name in TABLES}.items() <= RULES["qc_plate"].files.items()
