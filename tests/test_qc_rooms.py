"""Imports run one way through the rooms of the QC."""

import ast
from pathlib import Path

import pytest

import levelfield.qc

ROOT = Path(levelfield.qc.__file__).parent
ORDER = ("columns", "measures", "statistics", "evidence", "verdict", "review", "wording")
"""From the ground up; a room imports from itself and from those before it."""


def imported_rooms(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        if isinstance(node, ast.Import):
            names = [one.name for one in node.names]
        for name in names:
            parts = name.split(".")
            if parts[:2] == ["levelfield", "qc"] and len(parts) > 2:
                yield parts[2]


@pytest.mark.parametrize("room", ORDER)
def test_a_room_imports_only_from_those_below(room):
    files = [ROOT / f"{room}.py"]
    if (ROOT / room).is_dir():
        files = sorted((ROOT / room).rglob("*.py"))
    below = set(ORDER[: ORDER.index(room) + 1])
    above = {
        f"{file.relative_to(ROOT)} imports {name}"
        for file in files
        for name in imported_rooms(file)
        if name not in below
    }
    assert not above
