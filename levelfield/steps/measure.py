"""Measure the objects of a pack."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from levelfield.config.settings import MeasurementSettings, Science
from levelfield.config.sheets import ConfigError
from levelfield.execution.checkpoints import Checkpoint
from levelfield.execution.field_cache import (
    code_version,
    field_fingerprints,
    join,
    map_changed_fields,
)
from levelfield.illumination import FlatField
from levelfield.measurement import feature_names, measure_image, measure_site
from levelfield.measurement.readouts import object_set_of
from levelfield.qc.columns import SITE
from levelfield.steps.fields import FieldReader, field_reader, identify

# The code that decides a feature's value: a change here measures again.
_FEATURE_CODE = ("levelfield.illumination", "levelfield.labels", "levelfield.measurement")

IMAGE = "Image"
"""Name of the table of whole images; no object set may have it."""


@dataclass(frozen=True)
class MeasurementJob:
    """All that the fields of one pack have in common.

    Attributes
    ----------
    relations : mapping of str to str
        Parent set of each child set.
    options : mapping
        Keyword arguments of `levelfield.measurement.measure_site`: channel pairs, pixel size and
        the parameters of the families.
    """

    reader: FieldReader
    settings: MeasurementSettings
    channels: tuple[str, ...]
    relations: Mapping[str, str]
    options: Mapping[str, Any]

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables that a field gives: its object sets, and the image as a whole."""
        return (*self.reader.sets, IMAGE)

    @property
    def options_in_px(self) -> dict[str, Any]:
        """The options but for the unit of lengths, which does not decide what is measured."""
        return {key: value for key, value in self.options.items() if key != "pixel_size_um"}


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
        "pixel_size_um": science.images.pixel_size_um if settings.unit == "um" else None,
    } | dict(settings.parameters)
    relations = science.measured_parents
    return MeasurementJob(reader, settings, science.measured_channels, relations, options)


def measure_pack(
    segmented: pd.DataFrame,
    job: MeasurementJob,
    previous: dict[str, pd.DataFrame],
    workers: int,
    what: str,
    checkpoint: Checkpoint | None = None,
) -> dict[str, pd.DataFrame]:
    """Measure every sound field of a pack, unless an earlier table holds it.

    Returns
    -------
    dict of str to DataFrame
        A row per object, by object set, and under `IMAGE` a row per field.
    """
    parts = {
        "measured": job.channels,
        "families": job.settings.families,
        "relations": dict(job.relations),
        "options": dict(job.options),
        "image_families": job.settings.image_families,
        "code": code_version(_FEATURE_CODE),
        **job.reader.images.marks,
    }
    fields = field_fingerprints(segmented, parts)
    compute = partial(measure_field, job=job)
    expected = partial(_rows_of, sets=job.reader.sets)
    tables = map_changed_fields(compute, fields, previous, expected, workers, what, checkpoint)
    return join(tables, job.tables, partial(_no_objects, job=job))


def _rows_of(counts: dict[str, int], sets: tuple[str, ...]) -> dict[str, int]:
    """Return a row per object for an object set's table, and one for the image's."""
    return {name: counts[name] for name in sets} | {IMAGE: 1}


def _no_objects(name: str, job: MeasurementJob) -> pd.DataFrame:
    if name == IMAGE:
        return pd.DataFrame(columns=[*SITE, "fingerprint"])
    families, options = job.settings.families, job.options_in_px
    features = feature_names(name, job.channels, families, relations=job.relations, **options)
    return pd.DataFrame(columns=[*SITE, "Metadata_ObjectNumber", *features, "fingerprint"])


def measure_field(field: tuple[str, str, int], job: MeasurementJob) -> dict[str, pd.DataFrame]:
    """Measure one field; returns a table per object set, and one of the whole image."""
    _, well, site = field
    image, labels = job.reader.read(well, site)
    names = job.reader.images.names
    seen, channels = image[[names.index(name) for name in job.channels]], list(job.channels)
    settings, relations = job.settings, job.relations
    tables = measure_site(
        seen, channels, labels, families=settings.families, relations=relations, **job.options
    )
    tables[IMAGE] = measure_image(
        seen, channels, labels, settings.image_families, **job.options_in_px
    )
    return {name: identify(table, field) for name, table in tables.items()}


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
