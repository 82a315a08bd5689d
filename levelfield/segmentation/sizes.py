"""Sizes in an object set's parameters: in px, in µm, or in typical diameters of its objects."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

_TEXT = re.compile(r"(\d+(?:\.\d*)?|\.\d+) ?(px|um|µm|diameters?)")
_ALLOWED = (
    "it must be a number of px from 0, or a text such as '4 um' or '0.3 diameters' (of the typical "
    "object)"
)


def _read(value: object) -> object:
    number = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    if value is None or number or (isinstance(value, str) and _TEXT.fullmatch(value)):
        return value
    raise PydanticCustomError("size", _ALLOWED)


Size = Annotated[
    float | str | None,
    BeforeValidator(_read),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0},
                {"type": "string", "pattern": f"^({_TEXT.pattern})$"},
                {"type": "null"},
            ]
        }
    ),
]
"""A length: a number of px, a text with its unit (``"4 um"``, ``"0.3 diameters"``), or null."""


def in_px(size: float | str | None, diameter: float, share: float) -> float:
    """Return a size in px; null is a share of the typical diameter (px).

    Raises
    ------
    ValueError
        If the size is in µm: only `with_px` knows how large a pixel is.
    """
    if size is None:
        return share * diameter
    if not isinstance(size, str):
        return float(size)
    number, unit = _parts(size)
    if unit in ("um", "µm"):
        raise ValueError(f"the size '{size}' needs the size of a pixel: images.pixel_size_um")
    return number * diameter if unit.startswith("diameter") else number


def with_px(parameters: Mapping[str, Any], pixel_size_um: float | None) -> dict[str, Any]:
    """Return the parameters of a method with px in place of µm, nested ones too.

    Raises
    ------
    ValueError
        If one is in µm and the size of a pixel is unknown.
    """

    def converted(name: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: converted(f"{name}.{key}", part) for key, part in value.items()}
        if not isinstance(value, str) or not _TEXT.fullmatch(value):
            return value
        number, unit = _parts(value)
        if unit not in ("um", "µm"):
            return value
        if pixel_size_um is None:
            raise ValueError(
                f"{name} is '{value}', but images.pixel_size_um is not given. Add it, or give "
                "the size in px or diameters."
            )
        return number / pixel_size_um

    return {key: converted(key, value) for key, value in parameters.items()}


def _parts(text: str) -> tuple[float, str]:
    found = _TEXT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no size; {_ALLOWED}")
    return float(found[1]), found[2]
