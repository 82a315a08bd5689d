"""Measure the objects of a pack."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pandas as pd

from levelfield.config.settings import MeasurementSettings, Science
from levelfield.config.sheets import ConfigError
from levelfield.execution.field_cache import FINGERPRINT, Field, code_version
from levelfield.illumination import FlatField
from levelfield.io.store import stored_pixel_size_um
from levelfield.io.thumbnails import field_thumbnail, no_thumbnails
from levelfield.measurement import feature_names, measure_image, measure_site
from levelfield.measurement.image_quality import measure_quality
from levelfield.measurement.readouts import object_set_of
from levelfield.qc.columns import SITE
from levelfield.steps.fields import FieldReader, field_reader, identify

# The code that decides a feature's value: a change here measures again.
_FEATURE_CODE = (
    *("levelfield.illumination", "levelfield.labels", "levelfield.measurement"),
    *("levelfield.io.thumbnails", "levelfield.io.pictures"),
)

IMAGE = "Image"
"""Name of the table of whole images; no object set may have it."""
THUMBNAILS = ".thumbnails"
"""Name of the table of small pictures, drawn here because the pixels are at hand."""


@dataclass(frozen=True)
class MeasurementJob:
    """All that the fields of one pack have in common.

    Attributes
    ----------
    relations : mapping of str to str
        Parent set of each child set.
    segmented : tuple of str
        Channels that object sets are made from.
    options : mapping
        Keyword arguments of `levelfield.measurement.measure_site`: channel pairs, pixel size and
        the parameters of the families.
    """

    reader: FieldReader
    settings: MeasurementSettings
    channels: tuple[str, ...]
    relations: Mapping[str, str]
    options: Mapping[str, Any]
    segmented: tuple[str, ...]

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables of a field: its object sets, the image as a whole, its picture."""
        return (*self.reader.sets, IMAGE, THUMBNAILS)

    @property
    def parts(self) -> dict[str, Any]:
        """What features depend on besides a field's pixels and labels."""
        return {
            "measured": self.channels,
            "segmented": self.segmented,
            "families": self.settings.families,
            "relations": dict(self.relations),
            "options": dict(self.options),
            "image_families": self.settings.image_families,
            "shown": self.ranges,
            "code": code_version(_FEATURE_CODE),
            **self.reader.images.marks,
        }

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Intensities of each channel that pictures show as black and as white."""
        fields = self.reader.images.flat_fields
        return {name: (field.darkest, field.brightest) for name, field in fields.items()}

    @property
    def _options_in_px(self) -> dict[str, Any]:
        return {key: value for key, value in self.options.items() if key != "pixel_size_um"}

    def rows_of(self, counts: dict[str, int]) -> dict[str, int]:
        """Return a row per object for an object set's table, and one for those of the image."""
        return {name: counts[name] for name in self.reader.sets} | {IMAGE: 1, THUMBNAILS: 1}

    def compute(self, field: Field) -> dict[str, pd.DataFrame]:
        """Measure one field, and draw it small; returns the tables by their names."""
        _, well, site = field
        stored = self.reader.read_raw(well, site)
        image, labels = self.reader.images.corrected(stored.image), stored.labels
        names = self.reader.images.names
        seen, channels = image[[names.index(name) for name in self.channels]], list(self.channels)
        families, relations = self.settings.families, self.relations
        tables = measure_site(
            seen, channels, labels, families=families, relations=relations, **self.options
        )
        families = self.settings.image_families
        whole = measure_image(seen, channels, labels, families, **self._options_in_px)
        maximum = self.reader.images.channels[0].maximum
        quality = measure_quality(stored.image, image, names, labels, self.segmented, maximum)
        tables[IMAGE] = pd.concat([whole, quality], axis=1)
        tables[THUMBNAILS] = field_thumbnail(image, names, labels, self.ranges)
        return {name: identify(table, field) for name, table in tables.items()}

    def empty(self, name: str) -> pd.DataFrame:
        """Return a table without rows."""
        if name == IMAGE:
            return pd.DataFrame(columns=[*SITE, FINGERPRINT])
        if name == THUMBNAILS:
            none = no_thumbnails(self.reader.images.names, self.reader.sets)
            return pd.DataFrame(columns=[*SITE, *none, FINGERPRINT])
        families, relations = self.settings.families, self.relations
        features = feature_names(
            name, self.channels, families, relations=relations, **self._options_in_px
        )
        return pd.DataFrame(columns=[*SITE, "Metadata_ObjectNumber", *features, FINGERPRINT])


def measurement_job(
    store: Path | str, science: Science, flat_fields: Mapping[str, FlatField]
) -> MeasurementJob:
    """Describe a job from the config's ``images``, ``channels``, ``objects``, ``measurement``."""
    settings = science.measurement
    reader = field_reader(store, science, flat_fields, science.measured_sets)
    options = {
        # Finer steps than the camera's cannot be told apart, and only cost time.
        "costes_steps": reader.images.channels[0].maximum,
        "channel_pairs": settings.channel_pairs,
        "pixel_size_um": _pixel_size_um(store, science) if settings.unit == "um" else None,
    } | dict(settings.parameters)
    relations = science.measured_parents
    segmented = {channel for made in science.object_sets for channel in made.channels}
    return MeasurementJob(
        reader, settings, science.measured_channels, relations, options, tuple(sorted(segmented))
    )


def _pixel_size_um(store: Path | str, science: Science) -> float | None:
    return science.images.pixel_size_um or stored_pixel_size_um(Path(store))


def check_readouts(config: Mapping[str, Any]) -> None:
    """Check that the features of the readouts will be measured.

    Raises
    ------
    ConfigError
        If one will not.
    """
    science = Science(config)
    settings = science.measurement
    known = {
        name: feature_names(
            name,
            science.measured_channels,
            settings.families,
            settings.channel_pairs,
            relations=science.measured_parents,
            **settings.parameters,
        )
        for name in science.measured_sets
    }
    for name, rule in config["readouts"].items():
        for key in ("numerator", "denominator"):
            features = known.get(object_set_of(rule[key]), [])
            if rule[key] not in features:
                close = get_close_matches(rule[key], [f for fs in known.values() for f in fs], 1)
                hint = f" Did you mean '{close[0]}'?" if close else ""
                raise ConfigError(
                    f"readouts.{name}.{key}: the feature '{rule[key]}' will not be measured.{hint} "
                    "Correct its name, or add its family, channel or object set to measurement."
                )
