"""Measure the objects of a pack."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from levelfield.config.settings import measured_sets, object_sets, relations
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
from levelfield.steps.fields import FIELD, FieldReader, field_reader, flat_field_marks, identify

# The code that decides a feature's value: a change here measures again.
_FEATURE_CODE = ("levelfield.illumination", "levelfield.labels", "levelfield.measurement")

IMAGE = "Image"
"""Name of the table of whole images; no object set may have it."""


@dataclass(frozen=True)
class MeasurementJob:
    """All that the fields of one pack have in common.

    Attributes
    ----------
    reader : FieldReader
        Reads corrected images and labels.
    families : tuple of str or None
        Feature families; None measures all.
    channels : tuple of str
        Channels to measure.
    relations : mapping of str to str
        Parent set of each child set.
    options : mapping
        Keyword arguments of `levelfield.measurement.measure_site`: channel pairs, pixel size and
        the parameters of the families.
    image_families : tuple of str
        Feature families of the whole image.
    """

    reader: FieldReader
    families: tuple[str, ...] | None
    channels: tuple[str, ...]
    relations: Mapping[str, str]
    options: Mapping[str, Any]
    image_families: tuple[str, ...]

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables that a field gives: its object sets, and the image as a whole."""
        return (*self.reader.sets, IMAGE)


def measurement_job(
    store: Path | str, science: Mapping[str, Any], flat_fields: Mapping[str, FlatField]
) -> MeasurementJob:
    """Describe a job from the config's ``images``, ``channels``, ``objects``, ``measurement``."""
    settings = science["measurement"]
    families = settings.get("families")
    reader = field_reader(store, science, flat_fields, settings.get("object_sets"))
    parents = relations(object_sets(science))
    return MeasurementJob(
        reader=reader,
        families=tuple(families) if families is not None else None,
        channels=tuple(settings.get("channels", science["channels"])),
        relations={c: p for c, p in parents.items() if {c, p} <= set(reader.sets)},
        options=_options(settings, science["images"], reader.channels[0].maximum),
        image_families=tuple(settings["image_families"]),
    )


def _options(
    settings: Mapping[str, Any], images: Mapping[str, Any], maximum: int
) -> dict[str, Any]:
    pairs = settings.get("channel_pairs")
    return {
        # Finer steps than the camera's cannot be told apart, and only cost time.
        "costes_steps": maximum,
        "channel_pairs": [tuple(pair) for pair in pairs] if pairs is not None else None,
        "pixel_size_um": images["pixel_size_um"] if settings["unit"] == "um" else None,
    } | settings.get("parameters", {})


def measure_pack(
    segmented: pd.DataFrame,
    job: MeasurementJob,
    previous: dict[str, pd.DataFrame],
    workers: int,
    what: str,
    checkpoint: Checkpoint | None = None,
) -> dict[str, pd.DataFrame]:
    """Measure every sound field of a pack, unless an earlier table holds it.

    Parameters
    ----------
    segmented : DataFrame
        The pack's table of fields.
    job : MeasurementJob
        What the fields have in common.
    previous : dict of str to DataFrame
        What an earlier run of this job wrote, or nothing.
    workers : int
        Processes.
    what : str
        Of the progress line.
    checkpoint : Checkpoint, optional
        Where fields are kept until the tables are written.

    Returns
    -------
    dict of str to DataFrame
        A row per object, by object set, and under `IMAGE` a row per field.
    """
    fields = field_fingerprints(segmented, _parts(job))
    compute = partial(measure_field, job=job)
    expected = partial(_rows_of, sets=job.reader.sets)
    tables = map_changed_fields(compute, fields, previous, expected, workers, what, checkpoint)
    return join(tables, job.tables, partial(_no_objects, job=job))


def _rows_of(counts: dict[str, int], sets: tuple[str, ...]) -> dict[str, int]:
    """Return a row per object for an object set's table, and one for the image's."""
    return {name: counts[name] for name in sets} | {IMAGE: 1}


def _parts(job: MeasurementJob) -> dict[str, Any]:
    return {
        "channels": [[c.name, c.maximum] for c in job.reader.channels],
        "measured": list(job.channels),
        "families": list(job.families) if job.families is not None else None,
        "relations": dict(job.relations),
        "options": dict(job.options),
        "image_families": list(job.image_families),
        "flat_fields": flat_field_marks(job.reader.flat_fields),
        "code": code_version(_FEATURE_CODE),
    }


def _no_objects(name: str, job: MeasurementJob) -> pd.DataFrame:
    if name == IMAGE:
        return pd.DataFrame(columns=[*FIELD, "fingerprint"])
    options = {key: value for key, value in job.options.items() if key != "pixel_size_um"}
    features = feature_names(name, job.channels, job.families, relations=job.relations, **options)
    return pd.DataFrame(columns=[*FIELD, "Metadata_ObjectNumber", *features, "fingerprint"])


def measure_field(field: tuple[str, str, int], job: MeasurementJob) -> dict[str, pd.DataFrame]:
    """Measure one field; returns a table per object set, and one of the whole image."""
    _, well, site = field
    image, labels = job.reader.read(well, site)
    names = [channel.name for channel in job.reader.channels]
    seen, channels = image[[names.index(name) for name in job.channels]], list(job.channels)
    tables = measure_site(
        seen, channels, labels, families=job.families, relations=job.relations, **job.options
    )
    options = {key: value for key, value in job.options.items() if key != "pixel_size_um"}
    tables[IMAGE] = measure_image(seen, channels, labels, job.image_families, **options)
    return {name: identify(table, field) for name, table in tables.items()}


def check_readouts(config: Mapping[str, Any]) -> None:
    """Check that the features of the readouts will be measured.

    Raises
    ------
    ConfigError
        If one will not.
    """
    settings = config["measurement"]
    channels = settings.get("channels", list(config["channels"]))
    parents = relations(object_sets(config))
    sets = measured_sets(config)
    known = {
        name: feature_names(
            name,
            channels,
            settings.get("families"),
            [tuple(pair) for pair in settings["channel_pairs"]]
            if "channel_pairs" in settings
            else None,
            relations={c: p for c, p in parents.items() if {c, p} <= set(sets)},
            **settings.get("parameters", {}),
        )
        for name in sets
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
