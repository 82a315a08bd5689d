"""The width of a pixel, where the tags of a TIFF file tell it."""

import re
from pathlib import Path
from xml.etree import ElementTree

import tifffile

from levelfield.images.planes import READ_ERRORS, TIFF_SUFFIXES
from levelfield.remote.files import open_ranges
from levelfield.remote.urls import is_url

UM_PER_UNIT = {
    **{"m": 1e6, "cm": 1e4, "mm": 1e3, "nm": 1e-3, "pm": 1e-6},
    **dict.fromkeys(("um", "µm", "μm", "micron", "microns", "micrometer", "\\u00b5m"), 1.0),
}
"""Micrometres per unit of length, by the names that microscopes give it."""
_METASERIES = re.compile(r'id="spatial-calibration-(x|units|state)"[^>]*value="([^"]*)"')
_IMAGEJ_UNIT = re.compile(r"^unit=(\S+)", re.MULTILINE)


def tiff_pixel_size_um(path: Path | str) -> float | None:
    """Return the width of a pixel in µm; None where the file does not tell it.

    It is read from OME-XML, MetaMorph's and MetaXpress' description, or ImageJ's. The resolution
    tags alone say nothing: programs fill them with what printers like.
    """
    if Path(path).suffix.lower() not in TIFF_SUFFIXES:
        return None
    if not is_url(path) and not Path(path).is_file():  # a pipe would never answer
        return None
    try:
        with open_ranges(path) as file, tifffile.TiffFile(file) as tiff:
            page = tiff.pages.first
            text = str(page.description)
            resolution = page.tags.valueof("XResolution")
    except READ_ERRORS:  # the header's fault says so
        return None
    if "<OME" in text[:2000]:
        return _ome(text)
    if "spatial-calibration-x" in text:
        return _metaseries(text)
    if text.startswith("ImageJ=") and resolution:
        unit = _IMAGEJ_UNIT.search(text)
        pixels, length = resolution
        scale = UM_PER_UNIT.get(unit[1] if unit else "")
        return scale * length / pixels if scale and pixels else None
    return None


def _ome(text: str) -> float | None:
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return None
    for element in root.iter():
        if element.tag.endswith("Pixels") and "PhysicalSizeX" in element.attrib:
            unit = element.get("PhysicalSizeXUnit", "µm")
            return float(element.attrib["PhysicalSizeX"]) * UM_PER_UNIT.get(unit, 1.0)
    return None


def _metaseries(text: str) -> float | None:
    found = dict(_METASERIES.findall(text))
    scale = UM_PER_UNIT.get(found.get("units", "").lower())
    size = float(found.get("x", 0))
    return size * scale if scale and size > 0 and found.get("state", "on") != "off" else None
