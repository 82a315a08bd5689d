"""Imports run one way through the rooms of the package."""

import ast
from pathlib import Path

import pytest

import levelfield

ROOT = Path(levelfield.__file__).parent
FLOORS = (
    ("arrays", "questions"),
    ("config",),
    ("remote",),
    ("labels", "images"),
    ("io", "illumination", "segmentation", "measurement", "evaluation"),
    ("execution",),
    ("qc", "training"),
    ("report",),
    ("steps",),
    ("runs",),
    ("cli",),
)
"""From the ground up; a room imports from itself and from the floors below."""
QC = (
    "columns",
    "statistics",
    "image_quality",
    "evidence",
    "collage",
    "verdict",
    "review",
    "wording",
    "judged",
    "tables",
    "truth",
    "plate",
    "train",
)
"""The rooms of the QC, likewise."""


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def files_of(folder, room):
    return sorted((folder / room).rglob("*.py")) or [folder / f"{room}.py"]


def forbidden(folder, room, allowed, depth):
    """Imports of a room from rooms of the same folder that are not allowed."""
    found = []
    for file in files_of(folder, room):
        for name in imported(file):
            parts = name.split(".")
            prefix = ["levelfield", *folder.relative_to(ROOT).parts]
            if (
                parts[: len(prefix)] == prefix
                and len(parts) > depth
                and parts[depth] not in allowed
            ):
                found.append(f"{file.relative_to(ROOT)} imports {name}")
    return found


@pytest.mark.parametrize("room", [room for floor in FLOORS for room in floor])
def test_a_room_imports_only_from_itself_and_from_below(room):
    floor = next(n for n, rooms in enumerate(FLOORS) if room in rooms)
    below = {name for rooms in FLOORS[:floor] for name in rooms}
    assert not forbidden(ROOT, room, below | {room, "__version__"}, 1)


@pytest.mark.parametrize("room", QC)
def test_a_room_of_the_qc_imports_only_from_itself_and_from_below(room):
    assert not forbidden(ROOT / "qc", room, set(QC[: QC.index(room) + 1]), 2)


def test_every_room_has_a_floor():
    rooms = {
        path.stem
        for path in ROOT.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert rooms - {"__init__"} == {room for floor in FLOORS for room in floor}


def test_nothing_imports_snakemake_or_the_scripts():
    for file in ROOT.rglob("*.py"):
        assert not {name.split(".")[0] for name in imported(file)} & {"snakemake", "scripts"}, file


def functions():
    for file in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{file.relative_to(ROOT)}: {node.name}", node


def test_no_function_is_longer_than_50_lines():
    lengths = {name: node.end_lineno - node.lineno + 1 for name, node in functions()}
    assert len(lengths) > 1000
    assert not {name: length for name, length in lengths.items() if length > 50}


def test_no_function_has_more_than_8_parameters():
    def count(function):
        given = function.args
        return len(given.posonlyargs) + len(given.args) + len(given.kwonlyargs)

    assert not {name: count(node) for name, node in functions() if count(node) > 8}
