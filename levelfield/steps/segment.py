"""Segment the fields of a pack and write them to the plate store."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from levelfield.config.planted import Planting, notes_of_sets
from levelfield.config.references import field_names
from levelfield.config.settings import (
    ObjectSetSettings,
    object_sets,
    plate_dtype,
)
from levelfield.execution.checkpoints import Checkpoint
from levelfield.execution.field_cache import code_version, fingerprint
from levelfield.execution.gpu_workers import map_on_gpus
from levelfield.execution.machine_faults import is_machine_fault
from levelfield.execution.progress import map_fields
from levelfield.illumination import FlatField
from levelfield.images.planes import PASSING_ERRORS
from levelfield.images.sites import (
    Site,
    SiteFault,
    check_pixels,
    read_site,
    sites_of,
)
from levelfield.io.checksums import file_sha256
from levelfield.io.store import Channel, Field, checksum, find_damage, stored_field, write_field
from levelfield.segmentation import segment_images
from levelfield.segmentation.imported import label_file, read_labels
from levelfield.segmentation.models import METHODS_FOR_THREADS, load_model
from levelfield.segmentation.pixel_classifier import PixelClassifier, foreground_probability
from levelfield.segmentation.planting import plant_error
from levelfield.steps.fields import correct_site, flat_field_marks, store_channels
from levelfield.steps.measure_thresholds import with_plate_threshold

log = logging.getLogger("levelfield")

# The code that decides where an object's pixels are: a change here makes labels again.
_LABEL_CODE = (
    "levelfield.images.planes",
    "levelfield.illumination",
    "levelfield.labels.objects",
    "levelfield.config.parameters",
    "levelfield.images.preprocessing",
    "levelfield.segmentation",
)

_KEPT = "kept"  # of a field's row, until it is counted


@dataclass(frozen=True)
class SegmentationJob:
    """All that the fields of one pack have in common.

    Attributes
    ----------
    plate : str
        Name of the plate.
    store : Path
        The plate store.
    channels : tuple of Channel
        In the order of the stored images.
    sets : tuple of ObjectSetSettings
        Object sets, in the order in which they are made.
    flat_fields : mapping of str to FlatField
        By channel.
    projection : str or None
        How a z-stack becomes one plane.
    saturated_percent : float
        Sites with more saturated pixels in a channel are excluded.
    pixel_size_um : float or None
        Width of a pixel.
    label_folder : Path
        Where relative paths of label images made elsewhere start.
    classifiers : mapping of str to PixelClassifier
        Trained forests by name.
    weights : mapping of str to (Path, str)
        Files of weights and their sha256, by name.
    device : str
        Rule for the device of learned segmenters, see
        `levelfield.segmentation.devices.choose_device`.
    control_types : mapping of str to str
        Of the wells that get planted errors, by well.
    """

    plate: str
    store: Path
    channels: tuple[Channel, ...]
    sets: tuple[ObjectSetSettings, ...]
    flat_fields: Mapping[str, FlatField]
    projection: str | None
    saturated_percent: float
    pixel_size_um: float | None
    label_folder: Path = Path()
    classifiers: Mapping[str, PixelClassifier] = field(default_factory=dict)
    weights: Mapping[str, tuple[Path, str]] = field(default_factory=dict)
    device: str = "cpu"
    control_types: Mapping[str, str] = field(default_factory=dict)

    @property
    def channel_names(self) -> list[str]:
        """Names of the channels, in order."""
        return [channel.name for channel in self.channels]

    def model(self, one: ObjectSetSettings) -> Any:
        """Return the model of a set's learned segmenter; each process loads it once."""
        return load_model(one.method, self.weights[one.weights][0], self.device)

    def planted(self, well: str) -> dict[str, Planting]:
        """Return the errors that are planted in a well, by object set."""
        kind = self.control_types.get(well, "")
        return {
            one.name: one.planted
            for one in self.sets
            if one.planted is not None and one.planted.control_type == kind
        }

    def planted_notes(self, well: str) -> dict[str, str]:
        """Return a note for every object set that planted errors change in a well."""
        made_from = {one.name: list(one.parents.values()) for one in self.sets}
        return notes_of_sets(self.planted(well), made_from)

    @property
    def learned_methods(self) -> set[str]:
        """Methods of the sets that are made with weights."""
        return {one.method for one in self.sets if one.weights}

    @property
    def gpus(self) -> list[str]:
        """Rules of the GPUs that this job may share among threads; none if it needs none."""
        if not self.learned_methods or not self.learned_methods <= set(METHODS_FOR_THREADS):
            return []
        from levelfield.segmentation.devices import choose_devices

        found = [device.torch for device in choose_devices(self.device)]
        return [str(device) for device in found if device.type == "cuda"]

    @property
    def is_alone_on_gpu(self) -> bool:
        """Whether one process must do: others would hold the same models on the same GPU."""
        if self.learned_methods <= set(METHODS_FOR_THREADS):
            return False
        from levelfield.segmentation.devices import choose_device

        return choose_device(self.device).torch.type == "cuda"

    @property
    def fields_at_once(self) -> int:
        """Fields that are segmented together, which matters to a GPU only."""
        learned = [self.model(one) for one in self.sets if one.weights]
        return max((model.fields_at_once for model in learned), default=1)


def segmentation_job(
    plate: str,
    store: Path | str,
    index: pd.DataFrame,
    science: Mapping,
    flat_fields: Mapping[str, FlatField],
    saturated_percent: float,
    label_folder: Path | str = "",
    classifiers: Mapping[str, PixelClassifier] | None = None,
    thresholds: Mapping[str, float] | None = None,
    diameters: Mapping[str, float] | None = None,
    weights: Mapping[str, Path] | None = None,
    device: str = "cpu",
    control_types: Mapping[str, str] | None = None,
) -> SegmentationJob:
    """Describe a job from the config's sections ``images``, ``channels`` and ``objects``.

    `thresholds` and `diameters` hold what was measured on the plate as a whole, by object set;
    `control_types` are those of the wells that get planted errors
    (`levelfield.config.settings.planted_wells`).
    """
    measured = {"threshold": thresholds or {}, "diameter": diameters or {}}
    return SegmentationJob(
        plate=plate,
        store=Path(store),
        channels=tuple(store_channels(science, plate_dtype(index))),
        sets=tuple(_with_measured(one, **measured) for one in object_sets(science)),
        flat_fields=flat_fields,
        projection=science["images"].get("projection"),
        saturated_percent=saturated_percent,
        pixel_size_um=science["images"].get("pixel_size_um"),
        label_folder=Path(label_folder),
        classifiers=classifiers or {},
        weights={name: (path, file_sha256(path)) for name, path in (weights or {}).items()},
        device=device,
        control_types=control_types or {},
    )


def _with_measured(
    one: ObjectSetSettings, threshold: Mapping[str, float], diameter: Mapping[str, float]
) -> ObjectSetSettings:
    parameters = one.parameters
    if one.name in threshold:
        parameters = with_plate_threshold(parameters, threshold[one.name])
    if one.name in diameter:
        parameters = dict(parameters) | {"diameter": diameter[one.name]}
    return replace(one, parameters=parameters)


def segment_pack(
    index: pd.DataFrame,
    wells: Sequence[str],
    job: SegmentationJob,
    workers: int,
    what: str,
    checkpoint: Checkpoint | None = None,
) -> pd.DataFrame:
    """Segment every usable site of some wells.

    Parameters
    ----------
    index : DataFrame
        The plate's index.
    wells : sequence of str
        The pack's.
    job : SegmentationJob
        What the fields have in common.
    workers : int
        Processes, or on a GPU threads.
    what : str
        Of the progress line.
    checkpoint : Checkpoint, optional
        Tells of another run of this job that may be at work. Fields are kept in the store.

    Returns
    -------
    DataFrame
        A row per site of the index: ``Metadata_Plate``, ``Metadata_Well``, ``Metadata_Site``,
        ``fault`` and ``path`` (empty where the site is sound), ``Count_<set>``, facts of the
        segmentation, checksums of the stored pixels, and the field's fingerprint.
    """
    sites = sites_of(index, wells)
    _tell_planted(wells, job, what)
    gpus = job.gpus
    if gpus:
        job = replace(job, device=gpus[0])
    elif workers > 1 and job.is_alone_on_gpu:
        log.info("%s: one process, since every further one would load the models again", what)
        workers = 1
    step = job.fields_at_once if sites else 1
    together = [sites[first : first + step] for first in range(0, len(sites), step)]
    # Another run of this job may still be at work, at the first fields: meet it from the other end.
    backwards = checkpoint is not None and checkpoint.begin()
    if backwards:
        together.reverse()
    segment = partial(_segment_unless_done, job=job, checkpoint=checkpoint)
    if gpus:
        parts = map_on_gpus(segment, together, gpus, workers, what, len)
    else:
        parts = map_fields(segment, together, workers, what, len)
    parts = list(parts)[::-1] if backwards else parts
    rows = list(chain.from_iterable(parts))
    kept = sum(row.pop(_KEPT) for row in rows)
    log.info("%s: %d fields made, %d kept from an earlier run", what, len(rows) - kept, kept)
    table = pd.DataFrame(rows, columns=None if rows else _first_columns(job))
    for row in table[table["fault"] != ""].itertuples():
        log.warning("site %s %s is excluded: %s", row.Metadata_Well, row.Metadata_Site, row.fault)
    return table


def _tell_planted(wells: Sequence[str], job: SegmentationJob, what: str) -> None:
    concerned: dict[str, list[str]] = {}
    for well in wells:
        for note in dict.fromkeys(job.planted_notes(well).values()):
            concerned.setdefault(note, []).append(well)
    for note, own in concerned.items():
        log.warning("%s: %s Here in %s.", what, note, ", ".join(own))


def _segment_unless_done(
    sites: Sequence[Site],
    device: str = "",
    *,
    job: SegmentationJob,
    checkpoint: Checkpoint | None,
) -> list[dict]:
    if checkpoint is not None:
        checkpoint.check()
    return segment_fields(sites, replace(job, device=device) if device else job)


def _first_columns(job: SegmentationJob) -> list[str]:
    identity = _identity(Site("", 0, pd.DataFrame()), job)
    identity.pop(_KEPT)
    return [*identity, *(f"Count_{one.name}" for one in job.sets)]


def _identity(site: Site, job: SegmentationJob, fault: str = "", path: str = "") -> dict:
    return {
        "Metadata_Plate": job.plate,
        "Metadata_Well": site.well,
        "Metadata_Site": site.number,
        "fault": fault,
        "path": path,
        _KEPT: False,
    }


@dataclass(frozen=True)
class _Waiting:
    """A site whose labels have to be made."""

    site: Site
    image: np.ndarray
    imported: Mapping[str, np.ndarray]
    mark: str


def segment_fields(sites: Sequence[Site], job: SegmentationJob) -> list[dict]:
    """Segment sites and store them, unless the store holds them already; return their rows."""
    looked_at = [_look_at(site, job) for site in sites]
    waiting = [found for found in looked_at if isinstance(found, _Waiting)]
    made = iter(_make_fields(waiting, job))
    return [next(made) if isinstance(found, _Waiting) else found for found in looked_at]


def _look_at(site: Site, job: SegmentationJob) -> dict | _Waiting:
    """Read a site; return its row if there is nothing to make."""
    try:
        image = read_site(site, job.channel_names, job.projection)
        maximum = job.channels[0].maximum
        check_pixels(site, image, job.channel_names, maximum, job.saturated_percent)
    except SiteFault as fault:
        return _store_fault(site, job, fault)
    try:
        imported = _imported_labels(site, job)
    except (ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno in PASSING_ERRORS:
            raise
        return _store_fault(site, job, SiteFault(str(error), ""))
    mark = field_fingerprint(image, imported, job, site.well)
    done = stored_field(job.store, site.well, site.number)
    if done.get("fingerprint") == mark and not find_damage(
        job.store, site.well, site.number, done["checksums"]
    ):
        return _row(site, job, done["record"], done["checksums"], mark) | {_KEPT: True}
    return _Waiting(site, image, imported, mark)


def _make_fields(waiting: Sequence[_Waiting], job: SegmentationJob) -> list[dict]:
    """Make and store the labels of sites together; if that fails, of each by itself."""
    if not waiting:
        return []
    try:
        made = _make_labels(waiting, job)
    except Exception as error:  # one site must not end a plate; its reason goes into the tables
        if len(waiting) > 1:
            return [row for one in waiting for row in _make_fields([one], job)]
        if is_machine_fault(error):
            raise
        site = waiting[0].site
        log.exception("site %s %s: segmentation failed", site.well, site.number)
        reason = f"segmentation failed: {error}"
        fault = SiteFault(reason, str(site.planes["path"].iloc[0]))
        return [_store_fault(site, job, fault)]
    return [_store_field(one, *results, job) for one, results in zip(waiting, made, strict=True)]


def _store_field(
    one: _Waiting, labels: Mapping[str, np.ndarray], record: Mapping, job: SegmentationJob
) -> dict:
    checksums = write_field(
        job.store,
        one.site.well,
        one.site.number,
        Field(one.image, labels, job.planted_notes(one.site.well)),
        job.channels,
        one.mark,
        record,
        job.pixel_size_um,
    )
    return _row(one.site, job, record, checksums, one.mark)


def _imported_labels(site: Site, job: SegmentationJob) -> dict[str, np.ndarray]:
    """Read the label images that were made elsewhere, by object set."""
    names = field_names(job.plate, site.well, site.number, site.planes["path"].iloc[0])
    return {
        one.name: read_labels(label_file(job.label_folder, one.files, names))
        for one in job.sets
        if one.method == "labels"
    }


def _make_labels(
    waiting: Sequence[_Waiting], job: SegmentationJob
) -> list[tuple[dict[str, np.ndarray], dict[str, Any]]]:
    """Correct raw images (C, Y, X) and make every object set of them; return labels and facts."""
    names, maximum = job.channel_names, job.channels[0].maximum
    corrected = [correct_site(one.image, names, job.flat_fields, maximum) for one in waiting]
    made: list[tuple[dict[str, np.ndarray], dict[str, Any]]] = [({}, {}) for _ in waiting]
    for one in job.sets:
        chosen = [names.index(channel) for channel in one.channels]
        seen = [image[chosen] for image in corrected]
        inputs = [
            _inputs(one, labels, field.imported, job)
            for field, (labels, _) in zip(waiting, made, strict=True)
        ]
        if one.classifier and one.method != "pixel_classifier":
            forest = job.classifiers[one.classifier]
            seen = [foreground_probability(image, forest)[None] for image in seen]
        results = segment_images(seen, one.method, one.parameters, inputs, one.steps)
        for place, (labels, record), result in zip(waiting, made, results, strict=True):
            labels[one.name] = _with_planted(result.labels, one.name, place.site, job)
            n_objects = np.count_nonzero(np.bincount(labels[one.name].flat)[1:])
            record[f"Count_{one.name}"] = float(n_objects)
            for fact, value in result.record.items():
                family = "Threshold" if "Threshold" in fact else "Segmentation"
                record[f"{family}_{fact}_{one.name}"] = float(value)
            if one.weights:
                record[f"Segmentation_Device_{one.name}"] = job.model(one).device_name
    return made


def _with_planted(
    labels: np.ndarray, object_set: str, site: Site, job: SegmentationJob
) -> np.ndarray:
    """Return labels (Y, X) with the error that the config plants into them, if any."""
    planting = job.planted(site.well).get(object_set)
    if planting is None:
        return labels
    names = (job.plate, site.well, site.number, object_set)
    return plant_error(labels, planting.error, planting.amount, names)


def _inputs(
    one: ObjectSetSettings,
    labels: Mapping[str, np.ndarray],
    imported: Mapping[str, np.ndarray],
    job: SegmentationJob,
) -> dict[str, Any]:
    """Return what a set builds on in one field, by role."""
    inputs: dict[str, Any] = {role: labels[parent] for role, parent in one.parents.items()}
    if one.method == "labels":
        inputs["imported"] = imported[one.name]
    if one.method == "pixel_classifier":
        inputs["classifier"] = job.classifiers[one.classifier]
    if one.weights:
        inputs["model"] = job.model(one)
    return inputs


def _row(site: Site, job: SegmentationJob, record: Mapping, checksums: Mapping, mark: str) -> dict:
    counts = {name: int(value) for name, value in record.items() if name.startswith("Count_")}
    sums = {f"checksum_{name}": value for name, value in checksums.items()}
    return _identity(site, job) | dict(record) | counts | sums | {"fingerprint": mark}


def _store_fault(site: Site, job: SegmentationJob, fault: SiteFault) -> dict:
    """Store a blank field in place of one that cannot be used, so that the plate stays whole."""
    first = site.planes.iloc[0]
    dtype = np.dtype(first["dtype"])
    blank = np.zeros((len(job.channels), first["size_y"], first["size_x"]), dtype)
    labels = {one.name: np.zeros(blank.shape[1:], np.int32) for one in job.sets}
    note = {"fault": fault.reason}
    write_field(
        job.store,
        site.well,
        site.number,
        Field(blank, labels),
        job.channels,
        "",
        note,
        job.pixel_size_um,
    )
    return _identity(site, job, fault.reason, fault.path)


def field_fingerprint(
    image: np.ndarray, imported: Mapping[str, np.ndarray], job: SegmentationJob, well: str
) -> str:
    """Return the sha256 of all that a field's labels depend on: pixels, config, fields and code."""
    planted = job.planted(well)
    return fingerprint(
        {
            "image": checksum(image),
            "imported": {name: checksum(labels) for name, labels in imported.items()},
            "classifiers": {
                name: [checksum(np.asarray(part)) for part in asdict(forest).values()]
                for name, forest in job.classifiers.items()
            },
            "weights": {name: sha256 for name, (_, sha256) in job.weights.items()},
            "channels": [[c.name, c.maximum] for c in job.channels],
            "sets": [asdict(replace(one, planted=planted.get(one.name))) for one in job.sets],
            "flat_fields": flat_field_marks(job.flat_fields),
            "code": code_version(_LABEL_CODE),
        }
    )
