"""OME-XML of screens: which file and page each plane of each well is.

Names are those of the OME data model (https://docs.openmicroscopy.org/ome-model/); versions of its
namespace are not looked at. A ``Plate`` has ``Well`` with a row and a column from 0, and in them a
``WellSample`` with an ``ImageRef`` for every site; an ``Image`` has ``Pixels`` with ``Channel``,
``TiffData`` and ``Plane``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from math import nan
from xml.etree import ElementTree

from levelfield.config.wells import well_at
from levelfield.images.pixel_size import UM_PER_UNIT
from levelfield.io.text_files import attributes, local_name

Place = tuple[int, int, int]
"""Channel, z and time of a plane, from 0."""


@dataclass(frozen=True)
class OmeImage:
    """An image of a screen.

    Attributes
    ----------
    name : str
        As the microscope calls it.
    channels : tuple of str
        Names of the channels, empty where they have none.
    shape : tuple of int
        Numbers of channels, z planes and time points.
    pixel_size_um : float
        Width of a pixel, NaN where unknown.
    files : mapping
        By place of a plane its file, ``""`` for the file that holds the XML, and page.
    position_um : tuple of float
        Where on the stage the first plane lies.
    """

    name: str
    channels: tuple[str, ...]
    shape: Place
    pixel_size_um: float
    files: Mapping[Place, tuple[str, int]]
    position_um: tuple[float, float] = (nan, nan)


@dataclass
class OmeScreen:
    """What an OME-XML says: images by their ids, and the well and site of each, where it does."""

    images: dict[str, OmeImage] = field(default_factory=dict)
    places: dict[str, tuple[str, int]] = field(default_factory=dict)
    plate: str = ""
    shape: tuple[int, int] | None = None


def read_screen(root: ElementTree.Element) -> OmeScreen:
    """Read the root of an OME-XML."""
    screen = OmeScreen()
    for element in root.iter():
        kind = local_name(element.tag)
        if kind == "Image":
            screen.images[element.get("ID", "")] = _image(element)
        elif kind == "Plate":
            own = attributes(element)
            screen.plate = screen.plate or own.get("Name", "")
            if own.get("Rows", "").isdigit() and own.get("Columns", "").isdigit():
                screen.shape = int(own["Rows"]), int(own["Columns"])
        elif kind == "Well":
            _add_well(screen, element)
    return screen


def _add_well(screen: OmeScreen, element: ElementTree.Element) -> None:
    own = attributes(element)
    well = well_at(int(own["Row"]) + 1, int(own["Column"]) + 1)
    samples = [part for part in element if local_name(part.tag) == "WellSample"]
    for site, sample in enumerate(samples, start=1):
        for reference in (part for part in sample if local_name(part.tag) == "ImageRef"):
            screen.places[reference.get("ID", "")] = (well, site)


def _image(element: ElementTree.Element) -> OmeImage:
    pixels = next(part for part in element if local_name(part.tag) == "Pixels")
    own = attributes(pixels)
    shape = (int(own.get("SizeC", 1)), int(own.get("SizeZ", 1)), int(own.get("SizeT", 1)))
    unit = own.get("PhysicalSizeXUnit", "µm")
    size = float(own["PhysicalSizeX"]) if "PhysicalSizeX" in own else nan
    channels = [part for part in pixels if local_name(part.tag) == "Channel"]
    planes = [attributes(part) for part in pixels if local_name(part.tag) == "Plane"]
    return OmeImage(
        name=element.get("Name", ""),
        channels=tuple(_channel_name(channel) for channel in channels),
        shape=shape,
        pixel_size_um=size * UM_PER_UNIT.get(unit, 1.0),
        files=dict(_files(pixels, own.get("DimensionOrder", "XYCZT"), shape)),
        position_um=_position(planes[0]) if planes else (nan, nan),
    )


def _channel_name(channel: ElementTree.Element) -> str:
    own = attributes(channel)
    return own.get("Name") or own.get("Fluor") or own.get("EmissionWavelength", "")


def _position(plane: Mapping[str, str]) -> tuple[float, float]:
    x, y = (
        float(plane.get(f"Position{axis}") or nan)
        * UM_PER_UNIT.get(plane.get(f"Position{axis}Unit", "µm"), 1.0)
        for axis in "XY"
    )
    return x, y


def _files(
    pixels: ElementTree.Element, order: str, shape: Place
) -> Iterator[tuple[Place, tuple[str, int]]]:
    """Yield every plane of an image with its file and page, as the ``TiffData`` say."""
    sizes = dict(zip("CZT", shape, strict=True))
    axes = order[2:]
    sequence = [
        dict(zip(reversed(axes), at, strict=True))
        for at in product(*(range(sizes[axis]) for axis in reversed(axes)))
    ]
    places = [(at["C"], at["Z"], at["T"]) for at in sequence]
    parts = [part for part in pixels if local_name(part.tag) == "TiffData"]
    if not parts:
        yield from ((place, ("", page)) for page, place in enumerate(places))
    for part in parts:
        own = attributes(part)
        first = (int(own.get("FirstC", 0)), int(own.get("FirstZ", 0)), int(own.get("FirstT", 0)))
        start, page = places.index(first), int(own.get("IFD", 0))
        count = int(own.get("PlaneCount", 1 if "IFD" in own or "FirstC" in own else len(places)))
        names = (attributes(uuid).get("FileName", "") for uuid in part)
        file = next((name for name in names if name), "")
        for at, place in enumerate(places[start : start + count]):
            yield place, (file, page + at)
