"""Read finished fields back from the store, corrected, for measurement and QC."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from levelfield.arrays import AnyArray, Image, Labels
from levelfield.config.settings import intensity_maximum
from levelfield.illumination import FlatField, correct, from_arrays
from levelfield.io.store import Channel, checksum, read_field, stored_dtype

FIELD = ["Metadata_Plate", "Metadata_Well", "Metadata_Site"]


@dataclass(frozen=True)
class FieldReader:
    """Reads a field's corrected image and labels.

    Attributes
    ----------
    store : Path
        The plate store.
    channels : tuple of Channel
        In the order of the stored images.
    flat_fields : mapping of str to FlatField
        By channel.
    sets : tuple of str
        Object sets to read.
    """

    store: Path
    channels: tuple[Channel, ...]
    flat_fields: Mapping[str, FlatField]
    sets: tuple[str, ...]

    def read(
        self,
        well: str,
        site: int,
        wanted: Sequence[str] | None = None,
        sets: Sequence[str] | None = None,
    ) -> tuple[Image, Mapping[str, Labels]]:
        """Return the corrected image (C, Y, X) float32 and the labels (Y, X) of each set.

        `wanted` names the channels of the image, in their order, and `sets` the object sets; all
        when left out.
        """
        field = read_field(self.store, well, site, self.sets if sets is None else sets)
        names = [channel.name for channel in self.channels]
        wanted = names if wanted is None else wanted
        image = (field.image[names.index(name)] for name in wanted)
        return correct_site(image, wanted, self.flat_fields, self.channels[0].maximum), field.labels


def correct_site(
    image: Iterable[AnyArray],
    channels: Sequence[str],
    fields: Mapping[str, FlatField],
    maximum: int,
) -> AnyArray:
    """Return a site (C, Y, X) as float32: flat-field-corrected, scaled by the camera's maximum."""
    planes = [
        correct(plane, fields[channel], maximum=maximum)
        for plane, channel in zip(image, channels, strict=True)
    ]
    return np.stack(planes)


def field_reader(
    store: Path | str,
    science: Mapping[str, Any],
    flat_fields: Mapping[str, FlatField],
    sets: Sequence[str] | None = None,
) -> FieldReader:
    """Return the reader of a plate from the config's ``images``, ``channels`` and ``objects``.

    `sets` names the object sets to read; all when left out.
    """
    store = Path(store)
    return FieldReader(
        store=store,
        channels=tuple(store_channels(science, stored_dtype(store))),
        flat_fields=flat_fields,
        sets=tuple(science["objects"] if sets is None else sets),
    )


def flat_field_marks(flat_fields: Mapping[str, FlatField]) -> dict[str, list[Any]]:
    """Return what tells one correction from another: each channel's field and camera offset."""
    return {
        channel: [checksum(flat_field.field), float(flat_field.camera_offset.counts)]
        for channel, flat_field in flat_fields.items()
    }


def identify(table: pd.DataFrame, field: Sequence[Any]) -> pd.DataFrame:
    """Put the plate, well and site of a field before its table's columns."""
    for position, (column, value) in enumerate(zip(FIELD, field, strict=True)):
        table.insert(position, column, value)
    return table


def read_flat_fields(path: Path | str) -> dict[str, FlatField]:
    """Read the flat field of every channel."""
    with np.load(path, allow_pickle=False) as arrays:
        return from_arrays({name: arrays[name] for name in arrays.files})


def store_channels(config: Mapping[str, Any], dtype: np.dtype[Any]) -> list[Channel]:
    """Return the channels as the store describes them."""
    maximum = intensity_maximum(config["images"]["bit_depth"], dtype)
    return [
        Channel(name, rule.get("color", "FFFFFF"), maximum)
        for name, rule in config["channels"].items()
    ]
