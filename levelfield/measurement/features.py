"""What a feature is: its name, what it means, its unit, and where its definition comes from."""

import re
import textwrap
from dataclasses import dataclass, field

CELLPROFILER = "CellProfiler 4 (Stirling et al. 2021)"


@dataclass(frozen=True)
class Feature:
    """One measured quantity, or a series of them that differ only in channel, scale or order.

    ``template`` is CellProfiler's name without the object set, with `{fields}` for what varies
    (``Intensity_MeanIntensity_{channel}``), ``unit`` one for people (``px``, ``intensity``:
    fraction of the bit depth, ``1``), ``source`` the module or paper that defines it. Values are
    multiplied by the pixel size to the ``length_power`` when lengths are wanted in µm: 1 for
    lengths, 2 for areas. Object numbers and counts are ``integer`` and stored as int32.
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


_KINDS = {"length": ("px", 1), "area": ("px²", 2), "count": ("1", 0)}


def features(family: str, table: str) -> tuple[Feature, ...]:
    """Read the features of a family, which begins the name of each, from a table.

    A line for each: name, unit, definition and, if it is not CellProfiler's, source, divided by
    ``|``; indented lines go on. The unit ``length`` is px and ``area`` px², in µm where a pixel
    size is given; ``count`` and ``label`` are integers.
    """
    found = []
    for row in re.sub(r"\n\s+", " ", textwrap.dedent(table).strip()).split("\n"):
        name, kind, definition, *source = (cell.strip() for cell in row.split("|"))
        unit, power = _KINDS.get(kind, (kind, 0))
        origin = source[0] if source else CELLPROFILER
        integer = kind in ("count", "label")
        found.append(Feature(f"{family}_{name}", unit, definition, origin, power, integer))
    return tuple(found)
