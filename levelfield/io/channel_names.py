"""Which channels of an export are those of the config, and what becomes of the others."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd

from levelfield.io.export import Export
from levelfield.io.plate_index import IndexFault


def name_channels(
    export: Export, plate: str, channels: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Keep the planes of the config's channels, under the names that the config gives them.

    `channels` is that section of the config. A channel's ``match``, or its own name where that is
    left out, is compared with what the export tells its channels by, then with their names.

    Returns
    -------
    DataFrame, dict
        The planes, and the number of planes of each channel that is not used.

    Raises
    ------
    IndexFault
        If a channel of the config is not in the export, or is two of its channels.
    """
    planes = export.table()
    known = list(export.channels)
    if known == [""] and len(channels) == 1:  # names of files that tell no channel
        return planes.assign(channel=next(iter(channels))), {}
    names = {
        found: name
        for name, rule in channels.items()
        for found in _matching(str(rule.get("match", name)), export.channels, plate, name)
    }
    missing = [name for name in channels if name not in names.values()]
    if missing:
        raise IndexFault(_absent(plate, missing[0], channels, export))
    used = planes["channel"].isin(list(names))
    counts = Counter(planes.loc[~used, "channel"])
    ignored = {called(export, channel): number for channel, number in sorted(counts.items())}
    return planes[used].assign(channel=planes.loc[used, "channel"].map(names)), ignored


def called(export: Export, channel: str) -> str:
    """Return a channel of an export as people know it: ``3 (Texas Red)``."""
    names = [name for name in export.channels.get(channel, ())[:1] if name not in ("", channel)]
    return f"{channel} ({names[0]})" if names else channel or "without a name"


def _matching(
    wanted: str, known: Mapping[str, tuple[str, ...]], plate: str, channel: str
) -> list[str]:
    """Return the one channel of the export that is wanted, or none."""
    exact = [found for found in known if _plain(found) == _plain(wanted)]
    by_name = [
        found for found, names in known.items() if _plain(wanted) in {_plain(n) for n in names}
    ]
    found = exact or by_name
    if len(found) > 1:
        raise IndexFault(
            f"plate {plate}: channels.{channel}.match: '{wanted}' is the name of "
            f"{len(found)} channels of the export, {', '.join(found)}. Match one of these."
        )
    return found


def _plain(text: str) -> str:
    """Return what is compared of a channel's name: neither its case nor zeros before a number."""
    text = text.strip().lower()
    return str(int(text)) if text.isascii() and text.isdigit() else text


def _absent(plate: str, name: str, channels: Mapping[str, Any], export: Export) -> str:
    wanted = channels[name].get("match", name)
    known = ", ".join(called(export, channel) for channel in export.channels)
    return (
        f"plate {plate}: no image is of the channel {name} (channels.{name}.match: '{wanted}'). "
        f"The channels of the images are {known}. Correct channels.{name}.match, or take the "
        "channel out of the config."
    )
