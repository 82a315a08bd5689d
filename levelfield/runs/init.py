"""Write a config, a plate sheet and layouts for what lies in a folder of raw images."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from levelfield.config.wells import row_column
from levelfield.io.plate_index import IndexFault
from levelfield.io.summary import ChannelSummary, PlateSummary
from levelfield.io.tables import write_text
from levelfield.remote.urls import below, is_url
from levelfield.runs.inspect import Found

_COLORS = ("3F7FFF", "00FF00", "FF3F3F", "FF00FF", "FFFF00", "00FFFF")
_NUCLEI = re.compile(r"dapi|hoechst|h33342|draq5|dna|nucle|blue|405|bp4[45]\d", re.IGNORECASE)
_SMALLEST_NUCLEUS = 5.0  # µm


def write_files(found: Found, folder: Path, force: bool, endpoint: str = "") -> list[Path]:
    """Write ``config.yaml``, ``plates.tsv`` and a layout per plate into a folder, to be edited.

    `endpoint` is the URL of the server that the images were found on, if it speaks S3 and is not
    Amazon's.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    IndexFault
        If plates differ in their channels, so that one config cannot be of all.
    FileExistsError
        If one of the files is there, unless they are to be overwritten (`force`).
    """
    _check_alike(found)
    layouts = {name: f"layouts/{name}.csv" for name in found.plates}
    texts = {
        "config.yaml": config_text(found) + _remote_text(found, endpoint),
        "plates.tsv": _plate_sheet(found, layouts),
        **{layouts[name]: layout_text(plate) for name, plate in found.plates.items()},
    }
    taken = [folder / name for name in texts if (folder / name).exists()]
    if taken and not force:
        raise FileExistsError(
            f"'{taken[0]}' is there already, and nothing was written. Name another folder with "
            "--into, or overwrite it with --force."
        )
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_text(text, folder / name)
    return [folder / name for name in texts]


def _check_alike(found: Found) -> None:
    kinds: dict[tuple[str, ...], list[str]] = {}
    for name, plate in found.plates.items():
        channels = tuple(f"{channel.id} ({channel.name})" for channel in plate.channels)
        kinds.setdefault((plate.format, *channels), []).append(name)
    if len(kinds) > 1:
        told = "; ".join(f"{', '.join(names)}: {', '.join(kind)}" for kind, names in kinds.items())
        folders = [f"{found.files.folder}/{plate.folder}" for plate in found.plates.values()]
        raise IndexFault(
            f"the plates in '{found.files.folder}' have different formats or channels, and one "
            f"config is for plates that are alike ({told}). Write one for each kind, for instance "
            f"with `levelfield init {folders[0]}`."
        )


def config_text(found: Found) -> str:
    """Return a config for the plates, with comments on what was decided for the user."""
    plate = max(found.plates.values(), key=lambda plate: len(plate.export.planes))
    names = channel_names(plate.channels)
    lines = [
        "# Written by `levelfield init`. Look at every line: the objects are a first guess.",
        "# config/README.md explains all keys.",
        "plates: plates.tsv # which plates there are; paths here count from this file",
        "results: results",
        "",
        "images:",
        *(f"  {key}: {_scalar(value)}" for key, value in found.images.items()),
        *_time_lines(plate),
        *_pixel_lines(plate),
        "",
        "channels:",
    ]
    for channel, color in zip(plate.channels, _COLORS * len(plate.channels), strict=False):
        told = f" # {channel.name}" if channel.name else ""
        lines += [f"  {names[channel.id]}:", f"    match: {_scalar(channel.id)}{told}"]
        lines += [f"    color: {color}", *_stack_lines(channel)]
    return "\n".join([*lines, "", *_object_lines(plate, names)]) + "\n"


def _remote_text(found: Found, endpoint: str) -> str:
    if not is_url(found.files.folder):
        return ""
    lines = [
        "",
        "remote: # how the images are read; none of it changes a result",
        *([f"  endpoint: {endpoint}"] if endpoint else []),
        "  cache: ~/.cache/levelfield/images # on a cluster, a folder that all nodes see",
        "  cache_gb: 50",
    ]
    return "\n".join(lines) + "\n"


def _scalar(value: object) -> str:
    return (
        yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("\n...\n").strip()
    )


def _time_lines(plate: PlateSummary) -> list[str]:
    times = sorted({time for channel in plate.channels for time in channel.times})
    if len(times) < 2:
        return []
    shown = ", ".join(map(str, times))
    return [f"  time_point: {times[0]} # of {shown}; 'all' makes a site of every time point"]


def _pixel_lines(plate: PlateSummary) -> list[str]:
    if plate.pixel_sizes_um:
        return [f"  # the images tell the width of a pixel: {plate.pixel_sizes_um[0]:.6g} µm"]
    return ["  # pixel_size_um: 0.65 # the images do not tell it"]


def _stack_lines(channel: ChannelSummary) -> list[str]:
    # Of a channel that was imaged in one plane alone there is nothing to choose.
    if not channel.z or (not channel.projected and len(channel.z) < 2):
        return []
    n_z = f"{len(channel.z)} z planes"
    if channel.projected:
        note = f"beside {n_z}; or maximum, mean, best_focus, or z_plane: {channel.z[0]}"
        return [f"    projection: stored # {note}"]
    note = f"of {n_z}; or mean, best_focus, or z_plane: {channel.z[0]}"
    return [f"    projection: maximum # {note}"]


def channel_names(channels: Sequence[ChannelSummary]) -> dict[str, str]:
    """Return names for channels that tables can use, by what the export tells them by."""
    names: dict[str, str] = {}
    for channel in channels:
        for text in (channel.name, channel.id, f"{channel.name}{channel.id}"):
            name = re.sub(r"[^A-Za-z0-9]", "", text)
            name = name if name[:1].isalpha() else f"Channel{name or '1'}"
            if name not in names.values():
                break
        names[channel.id] = name
    return names


def _object_lines(plate: PlateSummary, names: Mapping[str, str]) -> list[str]:
    seen = [channel for channel in plate.channels if _NUCLEI.search(f"{channel.name} {channel.id}")]
    nuclei = (seen or list(plate.channels))[0]
    lines = ["objects:", "  Nuclei:", "    method: classical"]
    guess = "" if seen else " # none is called DAPI or so: is it this one?"
    lines.append(f"    channels: [{names[nuclei.id]}]{guess}")
    if plate.pixel_sizes_um:
        size = _SMALLEST_NUCLEUS / plate.pixel_sizes_um[0]
        lines += [
            "    parameters:",
            f"      minimum_diameter: {max(size, 1.0):.3g} # px: {_SMALLEST_NUCLEUS:g} µm",
        ]
    others = [channel for channel in plate.channels if channel.id != nuclei.id]
    if others:
        lines += [
            "  # Cells:",
            "  #   method: propagation",
            "  #   parent: Nuclei",
            f"  #   channels: [{names[others[0].id]}]",
        ]
    return lines


def _plate_sheet(found: Found, layouts: Mapping[str, str]) -> str:
    rows = ["plate\timages\tlayout\twells"]
    for name, plate in found.plates.items():
        folder = found.files.folder
        path = below(folder if is_url(folder) else Path(folder).resolve(), plate.folder)
        rows.append(f"{name}\t{path}\t{layouts[name]}\t{plate.n_wells}")
    return "\n".join(rows) + "\n"


def layout_text(plate: PlateSummary) -> str:
    """Return a layout of the wells that have images, to be filled in."""
    rows = [
        "# Say what each well is: negcon, poscon, trt or empty; and name its compound or gene.",
        "well,control_type,perturbation,concentration,concentration_unit",
    ]
    rows += [f"{well},trt,,," for well in sorted(plate.wells, key=row_column)]
    return "\n".join(rows) + "\n"
