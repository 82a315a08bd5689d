"""One dialect of docstrings: numpy's, with ``name : type`` for every parameter and attribute."""

import ast
import re
from pathlib import Path

import pytest
from conftest import REPOSITORY

PACKAGE = REPOSITORY / "levelfield"
ROOMS = sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file())

SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}\n", re.MULTILINE)
ENTRY = re.compile(r"^(\*{0,2}[A-Za-z_]\w*(?:, \*{0,2}[A-Za-z_]\w*)*)(?: : (\S.*))?$")
NAMED = ("Parameters", "Other Parameters", "Attributes")


def sections(docstring: str) -> dict[str, str]:
    """Return the text below each underlined heading of a docstring."""
    parts = SECTION.split(docstring)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def entries(text: str) -> list[str]:
    """Return the lines of a section that begin an entry."""
    return [line for line in text.splitlines() if line and not line.startswith(" ")]


def arguments(node: ast.AST) -> set[str]:
    """Return the names of a function's parameters, or of the fields that a class declares."""
    if isinstance(node, ast.ClassDef):
        methods = [n for n in node.body if getattr(n, "name", "") == "__init__"]
        fields = {n.target.id for n in ast.walk(node) if named_field(n)}
        return fields.union(*(arguments(method) for method in methods))
    every = node.args
    names = [*every.posonlyargs, *every.args, *every.kwonlyargs, every.vararg, every.kwarg]
    return {name.arg for name in names if name}


def named_field(node: ast.AST) -> bool:
    return isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)


def faults_of_docstring(node: ast.AST) -> list[str]:
    """Return what a docstring's sections lack: types, or parameters that the code has."""
    found = []
    for heading, text in sections(ast.get_docstring(node) or "").items():
        if heading not in NAMED:
            continue
        for line in entries(text):
            entry = ENTRY.match(line)
            if not entry or not (entry[2] or line.startswith("*")):
                found.append(f"{line!r} has no type: write 'name : type'")
            elif heading == "Parameters":
                names = {name.strip("* ") for name in entry[1].split(",")}
                unknown = sorted(names - arguments(node))
                found += [f"{name!r} is no parameter" for name in unknown]
    return found


def faults_of(path: Path) -> list[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    nodes = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, kinds)]
    return [f"{path.name}:{n.lineno} {n.name}: {f}" for n in nodes for f in faults_of_docstring(n)]


@pytest.mark.parametrize("room", ROOMS)
def test_parameters_and_attributes_have_types(room):
    assert [
        fault for path in sorted((PACKAGE / room).rglob("*.py")) for fault in faults_of(path)
    ] == []


def test_what_lacks_a_type_or_is_no_parameter_is_found(tmp_path):
    text = '''
def area(labels, number):
    """Return an area.

    Parameters
    ----------
    labels
        A label image.
    numbers : int
        Of the object.

    Returns
    -------
    float
        In px.
    """
'''
    path = tmp_path / "code.py"
    path.write_text(text)
    assert [fault.partition(": ")[2] for fault in faults_of(path)] == [
        "'labels' has no type: write 'name : type'",
        "'numbers' is no parameter",
    ]
