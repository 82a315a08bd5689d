"""What a feature is: its name, what it means, its unit, and where its definition comes from."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

CELLPROFILER = "CellProfiler 4 (Stirling et al. 2021)"


@dataclass(frozen=True)
class Feature:
    """One measured quantity, or a series of them that differ only in channel, scale or order.

    Attributes
    ----------
    template : str
        CellProfiler's name without the object set, with `{fields}` for what varies,
        for example ``Intensity_MeanIntensity_{channel}``.
    unit : str
        Unit for people: ``px``, ``px²``, ``intensity`` (fraction of the bit depth), ``1``, ...
    definition : str
        One sentence.
    source : str
        The module or paper that defines it.
    length_power : int
        By which power of the pixel size the value is multiplied when lengths are wanted in µm:
        1 for lengths, 2 for areas, 0 for everything that is not converted.
    integer : bool
        True for object numbers and counts, which are stored as int32.
    """

    template: str
    unit: str
    definition: str
    source: str = CELLPROFILER
    length_power: int = 0
    integer: bool = False

    def column(self, **fields: object) -> "Column":
        """Return the column of this feature for one choice of the fields."""
        return Column(self.template.format(**fields), self)


@dataclass(frozen=True)
class Column:
    """A named column and the feature it holds."""

    name: str
    feature: Feature = field(repr=False)


def length(template: str, definition: str, **other: Any) -> Feature:
    """Return a feature in pixels (µm where a pixel size is given)."""
    return Feature(template, "px", definition, length_power=1, **other)


def area(template: str, definition: str, **other: Any) -> Feature:
    """Return a feature in square pixels (µm² where a pixel size is given)."""
    return Feature(template, "px²", definition, length_power=2, **other)


def plain_columns(features: Iterable[Feature]) -> list[Column]:
    """Return one column for each feature whose name has no fields."""
    return [feature.column() for feature in features]
