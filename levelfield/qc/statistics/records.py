"""Typed records as tables and back, exactly: one row per record, one column per number or word.

A record is a dataclass of words, numbers, booleans and tuples of words or of numbers, which are
joined. A field that is itself a dataclass becomes one column per field of that, with the name of
the outer field in front, or the ``prefix`` that its metadata names; where it may be None, None
leaves all of them empty. A column is named as its field, or as the ``column`` of its metadata.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")
_JOIN = {str: "+", float: " "}
"""What stands between the members of a tuple, by their type."""


@dataclass(frozen=True)
class _Column:
    """How one field of a record is kept."""

    name: str
    column: str
    kind: Any
    optional: bool
    member: Any = None
    inner: tuple[_Column, ...] = ()
    prefix: str = ""


def columns_of(kind: type[DataclassInstance]) -> list[str]:
    """Return the columns of the table of a kind of record, in order."""
    return _names(_columns(kind), "")


def shared_fields(source: object, kind: type[DataclassInstance]) -> dict[str, Any]:
    """Return what an object already knows of a kind of record, by the names of its fields."""
    names = [field.name for field in fields(kind)]
    return {name: getattr(source, name) for name in names if hasattr(source, name)}


def to_table(records: Sequence[Record], kind: type[Record]) -> pd.DataFrame:
    """Return a table of records; their kind names the columns of an empty one."""
    rows = [_flat(record, _columns(kind), "") for record in records]
    return pd.DataFrame(rows, columns=columns_of(kind))


def from_table(table: pd.DataFrame, kind: type[Record], file: str = "The table") -> list[Record]:
    """Return the records of a table; a missing column is a ``ValueError`` that names the file."""
    missing = [name for name in columns_of(kind) if name not in table]
    if missing:
        raise ValueError(
            f"{file} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}: another "
            "version of Levelfield made it. Delete it and run the workflow again."
        )
    rows = table[columns_of(kind)].to_dict("records")
    return [_record(row, kind, _columns(kind), "") for row in rows]


@cache
def _columns(kind: type[DataclassInstance]) -> tuple[_Column, ...]:
    hints = typing.get_type_hints(kind)
    return tuple(_column(field, hints[field.name]) for field in fields(kind))


def _column(field: Field[Any], hint: Any) -> _Column:
    optional = False
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        (hint,) = [member for member in typing.get_args(hint) if member is not type(None)]
        optional = True
    names = field.name, field.metadata.get("column", field.name)
    if isinstance(hint, type) and is_dataclass(hint):
        prefix = field.metadata.get("prefix", f"{field.name}_")
        return _Column(*names, hint, optional, inner=_columns(hint), prefix=prefix)
    if typing.get_origin(hint) is typing.Literal:
        hint = str
    if typing.get_origin(hint) is tuple:
        (member,) = {member for member in typing.get_args(hint) if member is not Ellipsis}
        return _Column(*names, tuple, optional, member)
    if hint not in (str, int, float, bool):
        raise TypeError(f"A record's field '{field.name}' is {hint}, which no table column holds.")
    return _Column(*names, hint, optional)


def _names(columns: Sequence[_Column], prefix: str) -> list[str]:
    found = []
    for column in columns:
        inner = _names(column.inner, prefix + column.prefix)
        found += inner if column.inner else [prefix + column.column]
    return found


def _flat(record: Any, columns: Sequence[_Column], prefix: str) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for column in columns:
        value = getattr(record, column.name)
        if column.inner and value is None:
            row |= dict.fromkeys(_names(column.inner, prefix + column.prefix), np.nan)
        elif column.inner:
            row |= _flat(value, column.inner, prefix + column.prefix)
        elif column.kind is tuple:
            row[prefix + column.column] = _JOIN[column.member].join(map(str, value))
        else:
            row[prefix + column.column] = np.nan if value is None else value
    return row


def _record(row: Mapping[Any, Any], kind: Any, columns: Sequence[_Column], prefix: str) -> Any:
    found = {}
    for column in columns:
        if not column.inner:
            found[column.name] = _value(row[prefix + column.column], column)
            continue
        names = _names(column.inner, prefix + column.prefix)
        empty = column.optional and all(_is_empty(row[name]) for name in names)
        inner = None if empty else _record(row, column.kind, column.inner, prefix + column.prefix)
        found[column.name] = inner
    return kind(**found)


def _value(value: Any, column: _Column) -> Any:
    if _is_empty(value):
        if column.optional:
            return None
        return {str: "", tuple: (), float: float("nan")}.get(column.kind, 0)
    if column.kind is tuple:
        return tuple(map(column.member, str(value).split(_JOIN[column.member])))
    if column.kind is bool:
        return str(value).lower() in ("true", "1", "1.0")
    return column.kind(value)


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and np.isnan(value))
