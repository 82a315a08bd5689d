"""Config and sheets against their schemas, with errors that a biologist can act on."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from levelfield.config.table_files import table_rows
from levelfield.config.urls import has_secret, is_url
from levelfield.questions import margins_schema

if TYPE_CHECKING:  # Snakemake's own environment, in which the plan is read, has no pandas
    import pandas as pd
    from jsonschema import ValidationError

Sheet = dict[str, list[str]]
"""A sheet by its columns, all of the same length."""

SCHEMAS = Path(__file__).parent / "schemas"
FORMATS = Path(__file__).parents[1] / "io" / "formats"
"""Folder of the formats of raw images, a file for each; only their names are read here."""

_LIMITS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
    "maximum": "at most",
}


class ConfigError(ValueError):
    """The config is wrong; the text says which key, which value and what is allowed."""


class SheetError(ValueError):
    """A sheet is wrong; the text says which file, line, value and what is allowed."""


@contextmanager
def faults_in(source: str) -> Iterator[None]:
    """Put the name of the config's file before what is found wrong with it."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{source}, {error}") from None


def load_schema(path: Path) -> dict[str, Any]:
    """Read a JSON Schema (2020-12) written as YAML."""
    return yaml.safe_load(Path(path).read_text())


def config_schema() -> dict[str, Any]:
    """Read the JSON Schema of the config, with the margins of all questions."""
    schema = load_schema(SCHEMAS / "config.yaml")
    schema["properties"]["qc"]["properties"]["margins"] = margins_schema()
    return schema


def written_parts() -> dict[str, dict[str, Any]]:
    """Return the schemas that config.yaml refers to and that do not follow from the methods."""
    formats = sorted(path.stem for path in FORMATS.glob("*.py") if path.stem[0] != "_")
    written = {name: load_schema(SCHEMAS / name) for name in ("steps.yaml", "networks.yaml")}
    return written | {"formats": {"$defs": {"name": {"enum": ["auto", *formats]}}}}


def read_columns(path: Path) -> Sheet:
    """Read a sheet as text: comma-, semicolon- or tab-separated, or an Excel workbook (.xlsx).

    Surrounding blanks are removed. What follows a ``#`` is a comment; empty lines count for
    nothing.

    Raises
    ------
    SheetError
        If the file is missing, empty or not a table.
    """
    return as_columns(read_rows(Path(path)), Path(path))


def read_rows(path: Path) -> list[list[str]]:
    """Return the rows of a sheet as `read_columns` reads it, the header among them."""
    if not path.is_file():
        raise SheetError(f"{path}: there is no such file. Correct the path, or write the sheet.")
    kind = {".tsv": "tab-separated ", ".txt": "tab-separated ", ".csv": "comma-separated "}
    try:
        rows = table_rows(path)
        if not rows:
            raise ValueError("there is no header")
    except ValueError as error:
        what = kind.get(path.suffix.lower(), "")
        raise SheetError(f"{path}: cannot be read as a {what}table ({error}).") from None
    return rows


def as_columns(rows: Sequence[Sequence[str]], path: Path) -> Sheet:
    """Return the columns of rows, the first being the header, each as long as the header."""
    header = list(rows[0])
    while header and not header[-1]:  # cells that a spreadsheet thinks are used
        header.pop()
    fault = "two columns have the same name" if len(set(header)) < len(header) else ""
    columns: Sheet = {name: [] for name in header}
    for number, row in enumerate(rows[1:], start=1):
        if any(row[len(header) :]):
            fault = fault or f"line {number} has {len(row)} cells, the header {len(header)}"
        for name, cell in zip_longest(header, row[: len(header)], fillvalue=""):
            columns[name].append(cell)
    if fault:
        kind = "tab" if path.suffix.lower() in (".tsv", ".txt") else "comma"
        raise SheetError(f"{path}: cannot be read as a {kind}-separated table ({fault}).")
    if len(rows) < 2:
        raise SheetError(f"{path}: has no rows below its header. Write one row per plate or well.")
    return columns


def read_sheet(path: Path, schema: Path) -> pd.DataFrame:
    """Read a sheet as `read_columns` does, as a table of text; its rows are as the schema has them.

    Raises
    ------
    SheetError
        Naming the file, the line and what is allowed.
    """
    import pandas as pd

    columns = read_columns(path)
    check_sheet(columns, load_schema(schema), path)
    return pd.DataFrame(columns)


def checked_url(text: str, where: str) -> str:
    """Return a URL of images as it is, if it can be read and holds no secret.

    Raises
    ------
    SheetError
        If it is of a kind that is not read, or holds a password or token.
    """
    if not is_url(text):
        raise SheetError(
            f"{where}: '{text}' is no URL that can be read. Those that can begin with s3://, gs:// "
            "or https://. Copy the images to a folder, or mount what they lie on."
        )
    if has_secret(text):
        raise SheetError(
            f"{where}: the URL holds a password or token, which would stand in logs and tables; it "
            "is not repeated here. Set up an account (remote.anonymous: false), or name a public "
            "URL."
        )
    return text.rstrip("/")


def path_below(folder: Path | str, text: str, where: str) -> Path:
    """Return the path that a sheet or a file of a microscope names; `where` is for the error.

    Raises
    ------
    SheetError
        If a path relative to `folder` leaves it. Only names count: a link inside of the folder may
        lead anywhere, as whoever made it chose.
    """
    inside = Path(os.path.normpath(text))
    if not inside.is_absolute() and ".." in inside.parts:
        raise SheetError(
            f"{where}: '{text}' leads out of the folder '{folder}'. Move what it names there, or "
            "give its absolute path."
        )
    return Path(folder) / text


def check_sheet(sheet: Sheet, schema: Mapping[str, Any], path: Path) -> None:
    """Check a sheet against the JSON Schema of one row.

    Every distinct value of a column is checked once: a screen has thousands of rows and few
    different values.

    Raises
    ------
    SheetError
        Naming the file, the line and what is allowed.
    """
    import jsonschema  # not needed by the many jobs that check nothing

    required = schema.get("required", [])
    for column, rule in _rules_of([str(column) for column in sheet], schema, path).items():
        validator = jsonschema.Draft202012Validator(rule)
        values = list(sheet[column])
        for value in dict.fromkeys(values):
            optional = value == "" and column not in required
            if not optional and not validator.is_valid(value):
                line = values.index(value) + 2
                raise SheetError(
                    f"{path}, line {line}: column '{column}' holds '{value}'. {_allowed(rule)}"
                )


def _rules_of(
    columns: list[str], schema: Mapping[str, Any], path: Path
) -> dict[str, Mapping[str, Any]]:
    """Return the rule of every column; raise `SheetError` if one is missing or not known."""
    known, required = schema["properties"], schema.get("required", [])
    if missing := [name for name in required if name not in columns]:
        raise SheetError(
            f"{path}, line 1: the column '{missing[0]}' is missing. "
            f"Columns found: {', '.join(columns)}. Columns that must be there: "
            f"{', '.join(required)}."
        )
    patterns = schema.get("patternProperties", {}).items()
    rules = {}
    for column in columns:
        fitting = [rule for pattern, rule in patterns if re.match(pattern, column)]
        if column not in known and not fitting:
            raise SheetError(
                f"{path}, line 1: the column '{column}' is not known.{_suggestion(column, known)} "
                f"Allowed: {', '.join(known)}, and any name that begins with 'Metadata_'."
            )
        rules[column] = known[column] if column in known else fitting[0]
    return rules


def _allowed(rule: Mapping[str, Any]) -> str:
    if "enum" in rule:
        return f"Allowed: {', '.join(map(str, rule['enum']))}."
    return f"Expected: {rule.get('description', rule.get('pattern', rule.get('type', '')))}"


def _suggestion(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


def check_config(
    config: Mapping[str, Any],
    schema: Mapping[str, Any],
    source: str,
    parts: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Check the config, as Snakemake merged it; return it with the defaults of its JSON Schema.

    `parts` are further schemas that the first refers to, by file name.

    Raises
    ------
    ConfigError
        Naming the file (`source`), the key, the value and what is allowed.
    """
    import jsonschema
    from referencing import Registry
    from referencing.jsonschema import DRAFT202012

    resources = [(name, DRAFT202012.create_resource(part)) for name, part in parts.items()]
    registry = Registry().with_resources(resources)
    validator = jsonschema.Draft202012Validator(schema, registry=registry)
    errors = sorted(validator.iter_errors(config), key=lambda error: list(map(str, error.path)))
    if errors:
        raise ConfigError("\n".join(_describe(_deepest(error), source) for error in errors))
    return with_defaults(config, schema)


def _deepest(error: ValidationError) -> ValidationError:
    """Follow an error of a combined rule down to the one that names the key."""
    import jsonschema

    while error.context:
        error = jsonschema.exceptions.best_match(error.context)
    return error


def _describe(error: ValidationError, source: str) -> str:
    key = ".".join(map(str, error.absolute_path)) or "the top level"
    found: Any = error.instance
    needed: Any = error.validator_value
    if error.validator == "additionalProperties":
        known = list(_rule_broken(error).get("properties", {}))
        unknown = [name for name in found if name not in known]
        return (
            f"{source}, {key}: the key '{unknown[0]}' is not known."
            f"{_suggestion(unknown[0], known)} Allowed: {', '.join(known)}."
        )
    if error.validator == "required":
        missing = next(name for name in needed if name not in found)
        about = _rule_broken(error).get("properties", {}).get(missing, {}).get("description", "")
        return f"{source}, {key}: the key '{missing}' is missing. Add it. {about}".rstrip()
    return f"{source}, {key}: {found!r} is not allowed. {_advice(error)}"


def _advice(error: ValidationError) -> str:
    rule = _rule_broken(error)
    needed: Any = error.validator_value
    if error.validator == "enum":
        text = f"Allowed: {', '.join(map(str, needed))}."
    elif error.validator == "type" and needed == "object" and rule.get("properties"):
        text = f"It must hold the keys {', '.join(rule['properties'])}."
    elif error.validator == "type":
        text = f"It must be of type {' or '.join([needed] if isinstance(needed, str) else needed)}."
    elif error.validator in _LIMITS:
        text = f"It must be {_LIMITS[error.validator]} {needed}."
    else:
        text = f"{error.message}."
    return f"{text} {rule['description']}" if "description" in rule else text


def _rule_broken(error: ValidationError) -> Mapping[str, Any]:
    return error.schema if isinstance(error.schema, Mapping) else {}


def with_defaults(value: Any, schema: Mapping[str, Any]) -> Any:
    """Return a copy of a config with the schema's ``default`` values filled in.

    Only ``properties`` are followed: what a method does by default is written in the signature
    of the method, not in the schema.
    """
    if not isinstance(value, Mapping) or "properties" not in schema:
        return value
    filled = {}
    for name, rule in schema["properties"].items():
        if name in value:
            filled[name] = with_defaults(value[name], rule)
        elif "default" in rule:
            filled[name] = with_defaults(rule["default"], rule)
    return filled | {name: value[name] for name in value if name not in filled}
