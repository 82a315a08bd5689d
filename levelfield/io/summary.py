"""What is in an export: wells, sites, channels, z planes, time points, gaps."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan
from typing import Any

from levelfield.config.wells import PLATE_SHAPES, row_column
from levelfield.images.pixel_size import tiff_pixel_size_um
from levelfield.io.channel_names import called
from levelfield.io.export import STORED_PROJECTION, Export, Plane
from levelfield.io.listing import Listing
from levelfield.io.plate_index import IndexFault
from levelfield.io.recognition import find_plates, format_module, title

_TIMES_SHOWN = 12


@dataclass(frozen=True)
class ChannelSummary:
    """One channel of an export: its z planes without stored projections, which are told apart."""

    id: str
    name: str
    z: tuple[int, ...]
    projected: bool
    times: tuple[int, ...]
    n_planes: int


@dataclass(frozen=True)
class PlateSummary:
    """A plate of an export.

    Attributes
    ----------
    folder : str
        Below the folder that was looked at, ``"."`` being that itself.
    format : str
        Name of its format.
    export : Export
        What it holds.
    wells : tuple of str
        Wells with images, row by row.
    sites : mapping of int to int
        How many wells have so many sites.
    channels : tuple of ChannelSummary
        Its channels.
    pixel_sizes_um : tuple of float
        The widths of pixels that there are.
    missing : tuple of str
        Planes that others of their kind have, and these lack.
    faults : tuple of str
        Planes that metadata name and that cannot be used.
    bytes : int
        Of all images.
    """

    folder: str
    format: str
    export: Export
    wells: tuple[str, ...]
    sites: Mapping[int, int]
    channels: tuple[ChannelSummary, ...]
    pixel_sizes_um: tuple[float, ...]
    missing: tuple[str, ...]
    faults: tuple[str, ...]
    bytes: int
    notes: tuple[str, ...] = field(default=())

    @property
    def n_wells(self) -> int:
        """Wells of the plate's format: what the export says, or the smallest that holds all."""
        return self.export.n_wells or smallest_format(self.wells)


def summarise(files: Listing, folder: str, images: Mapping[str, Any]) -> dict[str, PlateSummary]:
    """Read what is in a folder, and count what each plate of it holds.

    `images` says the format as the config does.

    Returns
    -------
    dict of str to PlateSummary
        By the names that the images give their plates; ``""`` where they give none.

    Raises
    ------
    IndexFault
        If the format cannot read it.
    """
    own = files.below(folder)
    export = format_module(images["format"]).read_export(own, images)
    told: dict[str, list[Plane]] = {}
    for plane in export.planes:
        told.setdefault(plane.plate, []).append(plane)
    return {
        plate: _summary(own, folder, images, replace(export, planes=planes))
        for plate, planes in sorted(told.items())
    }


def _summary(own: Listing, folder: str, images: Mapping[str, Any], export: Export) -> PlateSummary:
    sites: dict[str, set[int]] = defaultdict(set)
    for plane in export.planes:
        if plane.well:
            sites[plane.well].add(plane.site)
    counts: dict[int, int] = defaultdict(int)
    for numbers in sites.values():
        counts[len(numbers)] += 1
    return PlateSummary(
        folder=folder,
        format=images["format"],
        export=export,
        wells=tuple(sorted(sites, key=row_column)),
        sites=dict(sorted(counts.items())),
        channels=_channels(export),
        pixel_sizes_um=_pixel_sizes(export.planes),
        missing=tuple(_missing(export)),
        faults=tuple(plane.fault for plane in export.planes if plane.fault),
        bytes=sum(own.files.get(path.removeprefix(f"{own.folder}/"), 0) for path in _paths(export)),
        notes=export.notes,
    )


def _paths(export: Export) -> set[str]:
    return {plane.path for plane in export.planes if plane.path}


def smallest_format(wells: Sequence[str]) -> int:
    """Return the number of wells of the smallest plate from 96 up that has all these wells."""
    places = [row_column(well) for well in wells] or [(1, 1)]
    rows, columns = (max(numbers) for numbers in zip(*places, strict=True))
    return next(
        number
        for number, shape in sorted(PLATE_SHAPES.items())
        if number >= 96 and rows <= shape[0] and columns <= shape[1]
    )


def _channels(export: Export) -> tuple[ChannelSummary, ...]:
    found: dict[str, list[tuple[int, int]]] = {number: [] for number in export.channels}
    for plane in export.planes:
        found[plane.channel].append((plane.z, plane.time))
    return tuple(
        ChannelSummary(
            id=number,
            name=next((name for name in export.channels[number] if name), ""),
            z=tuple(sorted({z for z, _ in planes} - {STORED_PROJECTION})),
            projected=any(z == STORED_PROJECTION for z, _ in planes),
            times=tuple(sorted({time for _, time in planes})),
            n_planes=len(planes),
        )
        for number, planes in found.items()
    )


def _pixel_sizes(planes: Sequence[Plane]) -> tuple[float, ...]:
    told = {plane.pixel_size_um for plane in planes if not isnan(plane.pixel_size_um)}
    first = next((plane.path for plane in planes if plane.path), "")
    if not told and first and (size := tiff_pixel_size_um(first)):
        told = {size}
    return tuple(sorted(told))


def _missing(export: Export) -> list[str]:
    """Name the planes that a site lacks of a channel, where most sites have them."""
    have: dict[str, set[tuple[str, int, int, int]]] = defaultdict(set)
    sites: dict[tuple[str, int], None] = {}
    for plane in export.planes:
        if plane.well:
            have[plane.channel].add((plane.well, plane.site, plane.z, plane.time))
            sites.setdefault((plane.well, plane.site))
    lacking = []
    for channel, planes in have.items():
        usual: dict[tuple[int, int], int] = defaultdict(int)
        for _, _, z, time in planes:
            usual[z, time] += 1
        for z, time in (key for key, number in usual.items() if 2 * number > len(sites)):
            lacking += [
                f"{well} site {site}, channel {called(export, channel)}{_at(z, time)}"
                for well, site in sites
                if (well, site, z, time) not in planes
            ]
    return lacking


def _at(z: int, time: int) -> str:
    told = "its projection" if z == STORED_PROJECTION else f"z {z}" if z else ""
    parts = [text for text in (told, f"time {time}" if time else "") if text]
    return "".join(f", {part}" for part in parts)


def summary_text(name: str, plate: PlateSummary) -> str:
    """Say what a plate holds, a line for each kind of thing."""
    sites = ", ".join(f"{n} in {wells} wells" for n, wells in plate.sites.items())
    lines = {
        "format": f"{title(plate.format)}, {plate.n_wells} wells",
        "wells": f"{len(plate.wells)}: {_some(plate.wells)}",
        "sites": sites,
        "channels": "; ".join(map(_channel_text, plate.channels)),
        "pixel size": ", ".join(f"{um:.4g} µm" for um in plate.pixel_sizes_um) or "not told",
        "images": f"{len(plate.export.planes)} planes in {len(_paths(plate.export))} files, "
        + (bytes_text(plate.bytes) if plate.bytes else "whose size the server does not list"),
        "missing": _first(plate.missing, "planes") or "nothing",
        "unusable": _first(plate.faults, "planes"),
        "left out": "; ".join(
            f"{len(names)} {reason}, such as '{names[0]}'"
            for reason, names in plate.export.left_out.items()
        ),
        "note": "; ".join(plate.notes),
    }
    told = [f"  {what:<11}{text}" for what, text in lines.items() if text]
    return "\n".join([name, *told])


def _channel_text(channel: ChannelSummary) -> str:
    name = f"{channel.id} ({channel.name})" if channel.name else channel.id or "one"
    parts = []
    if len(channel.z) > 1:
        parts.append(f"{len(channel.z)} z planes ({channel.z[0]} to {channel.z[-1]})")
    if channel.projected:
        parts.append("a stored projection")
    if len(channel.times) > 1:
        shown = ", ".join(map(str, channel.times[:_TIMES_SHOWN]))
        parts.append(f"{len(channel.times)} time points ({shown})")
    return f"{name}: {' and '.join(parts)}" if parts else name


def bytes_text(number: int) -> str:
    """Return a number of bytes in the largest unit of which there is one."""
    amount, unit = float(number), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.3g} {unit}"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:6])
    return f"{shown} … {names[-1]}" if len(names) > 6 else shown


def _first(texts: Sequence[str], what: str) -> str:
    shown = "; ".join(texts[:3])
    more = f"; and {len(texts) - 3} more" if len(texts) > 3 else ""
    return f"{len(texts)} {what}: {shown}{more}" if texts else ""


def plates_below(files: Listing) -> dict[str, str]:
    """Return the plates of a folder: the name of the format of each, by its folder below it.

    Raises
    ------
    IndexFault
        If several formats fit a plate; with the candidates.
    """
    found = find_plates(files)
    for folder, names in found.items():
        if len(names) > 1:
            raise IndexFault(
                f"'{files.folder}/{folder}' can be {len(names)} formats: "
                f"{'; '.join(f'{name} ({title(name)})' for name in names)}. Say which with "
                "--format."
            )
    return {folder: names[0] for folder, names in found.items()}
