"""The images of a plate, raw or from the store, as segmentation, measurement and QC see them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from levelfield.arrays import AnyArray, Image, Labels
from levelfield.config.settings import ObjectSetSettings, Science
from levelfield.illumination import FlatField, correct, from_arrays
from levelfield.images.sites import Site, SiteFault, check_pixels, intensity_maximum, read_site
from levelfield.io.store import Channel, Field, checksum, read_field, stored_dtype
from levelfield.qc.columns import SITE


@dataclass(frozen=True)
class PlateImages:
    """How the images of a plate are read and corrected.

    Channels are in the order of the stored images, flat fields by channel; `projections` say, by
    channel, how a z-stack becomes one plane.
    """

    channels: tuple[Channel, ...]
    flat_fields: Mapping[str, FlatField]
    projections: Mapping[str, str | None]

    @property
    def names(self) -> list[str]:
        """Names of the channels, in order."""
        return [channel.name for channel in self.channels]

    @cached_property
    def marks(self) -> dict[str, Any]:
        """What tells one plate's corrected pixels from another's, for fingerprints."""
        return {
            "channels": [[channel.name, channel.maximum] for channel in self.channels],
            "flat_fields": {
                name: [checksum(flat_field.field), float(flat_field.camera_offset.counts)]
                for name, flat_field in self.flat_fields.items()
            },
        }

    def read(self, site: Site, saturated_percent: float = 100.0) -> AnyArray:
        """Return the raw pixels (C, Y, X) of a site; raises ``SiteFault`` if they are no use."""
        image = read_site(site, self.names, self.projections)
        check_pixels(site, image, self.names, self.channels[0].maximum, saturated_percent)
        return image

    def corrected(self, image: Iterable[AnyArray], wanted: Sequence[str] | None = None) -> Image:
        """Return raw planes as float32 (C, Y, X): without shading, 1 being the camera's maximum.

        `wanted` names the planes' channels; all when left out.
        """
        maximum = self.channels[0].maximum
        planes = zip(image, self.names if wanted is None else wanted, strict=True)
        return np.stack(
            [correct(plane, self.flat_fields[name], maximum=maximum) for plane, name in planes]
        )

    def seen_by_segmenter(self, site: Site, object_set: ObjectSetSettings) -> Image | None:
        """Return a site corrected, in the channels of an object set.

        None if the site cannot be used; the job that segments it says why.
        """
        try:
            image = self.corrected(self.read(site))
        except SiteFault:
            return None
        return image[[self.names.index(name) for name in object_set.channels]]


def plate_images(
    science: Science, dtype: np.dtype[Any], flat_fields: Mapping[str, FlatField]
) -> PlateImages:
    """Return how images are read by the config's sections ``images`` and ``channels``."""
    maximum = intensity_maximum(science.images.bit_depth, dtype)
    channels = (Channel(name, made.color, maximum) for name, made in science.channels.items())
    return PlateImages(tuple(channels), flat_fields, science.projections)


@dataclass(frozen=True)
class FieldReader:
    """Reads a field's corrected image, and the labels of some object sets."""

    store: Path
    images: PlateImages
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
        field = self.read_raw(well, site, sets)
        names = self.images.names
        wanted = names if wanted is None else wanted
        planes = (field.image[names.index(name)] for name in wanted)
        return self.images.corrected(planes, wanted), field.labels

    def read_raw(self, well: str, site: int, sets: Sequence[str] | None = None) -> Field:
        """Return the raw image of a field, and the labels of some object sets, or all."""
        return read_field(self.store, well, site, self.sets if sets is None else sets)


def field_reader(
    store: Path | str,
    science: Science,
    flat_fields: Mapping[str, FlatField],
    sets: Sequence[str] | None = None,
) -> FieldReader:
    """Return the reader of a plate; `sets` names the object sets to read, all when left out."""
    images = plate_images(science, stored_dtype(Path(store)), flat_fields)
    chosen = science.sections["objects"] if sets is None else sets
    return FieldReader(Path(store), images, tuple(chosen))


def identify(table: pd.DataFrame, field: Sequence[Any]) -> pd.DataFrame:
    """Put the plate, well and site of a field before its table's columns."""
    for position, (column, value) in enumerate(zip(SITE, field, strict=True)):
        table.insert(position, column, value)
    return table


def read_flat_fields(path: Path | str) -> dict[str, FlatField]:
    """Read the flat field of every channel."""
    with np.load(path, allow_pickle=False) as arrays:
        return from_arrays({name: arrays[name] for name in arrays.files})
