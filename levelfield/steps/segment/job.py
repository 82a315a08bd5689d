"""What the fields of a pack have in common when they are segmented."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from levelfield.config.planted import Planting, notes_of_sets
from levelfield.config.settings import ObjectSetSettings, object_sets, plate_dtype
from levelfield.execution.field_cache import code_version, fingerprint
from levelfield.illumination import FlatField
from levelfield.io.checksums import file_sha256
from levelfield.io.store import Channel, checksum
from levelfield.segmentation.pixel_classifier import PixelClassifier
from levelfield.segmentation.registry import METHODS, load_model
from levelfield.steps.fields import flat_field_marks, store_channels
from levelfield.steps.measure_thresholds import with_plate_threshold

# The code that decides where an object's pixels are: a change here makes labels again.
_LABEL_CODE = (
    "levelfield.images.planes",
    "levelfield.illumination",
    "levelfield.labels.objects",
    "levelfield.config.options",
    "levelfield.config.parameters",
    "levelfield.images.preprocessing",
    "levelfield.segmentation",
)


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

    def model(self, object_set: ObjectSetSettings) -> Any:
        """Return the model of a set's learned segmenter; each process loads it once."""
        return load_model(object_set.method, self.weights[object_set.weights][0], self.device)

    def planted(self, well: str) -> dict[str, Planting]:
        """Return the errors that are planted in a well, by object set."""
        kind = self.control_types.get(well, "")
        return {
            object_set.name: object_set.planted
            for object_set in self.sets
            if object_set.planted is not None and object_set.planted.control_type == kind
        }

    def planted_notes(self, well: str) -> dict[str, str]:
        """Return a note for every object set that planted errors change in a well."""
        made_from = {object_set.name: list(object_set.parents.values()) for object_set in self.sets}
        return notes_of_sets(self.planted(well), made_from)

    @property
    def learned_methods(self) -> set[str]:
        """Methods of the sets that are made with weights."""
        return {object_set.method for object_set in self.sets if object_set.weights}

    @property
    def _models_are_for_threads(self) -> bool:
        return all(METHODS[name].for_threads for name in self.learned_methods)

    @property
    def gpus(self) -> list[str]:
        """Rules of the GPUs that this job may share among threads; none if it needs none."""
        if not self.learned_methods or not self._models_are_for_threads:
            return []
        from levelfield.segmentation.devices import choose_devices

        found = choose_devices(self.device)
        return [device.place for device in found if device.kind == "cuda"]

    @property
    def is_alone_on_gpu(self) -> bool:
        """Whether one process must do: others would hold the same models on the same GPU."""
        if self._models_are_for_threads:
            return False
        from levelfield.segmentation.devices import choose_device

        return choose_device(self.device).kind == "cuda"

    @property
    def fields_at_once(self) -> int:
        """Fields that are segmented together, which matters to a GPU only."""
        learned = [self.model(object_set) for object_set in self.sets if object_set.weights]
        return max((model.fields_at_once for model in learned), default=1)

    def fingerprint(
        self, image: NDArray[Any], imported: Mapping[str, NDArray[Any]], well: str
    ) -> str:
        """Return the sha256 of all that a field's labels depend on.

        These are its pixels (C, Y, X) and the labels made elsewhere, the config, the flat fields
        and the code.
        """
        planted = self.planted(well)
        methods = [object_set.method for object_set in self.sets]
        return fingerprint(
            {
                "image": checksum(image),
                "imported": {name: checksum(labels) for name, labels in imported.items()},
                "classifiers": {
                    name: [checksum(np.asarray(part)) for part in asdict(forest).values()]
                    for name, forest in self.classifiers.items()
                },
                "weights": {name: sha256 for name, (_, sha256) in self.weights.items()},
                "channels": [[channel.name, channel.maximum] for channel in self.channels],
                "sets": [
                    asdict(replace(object_set, planted=planted.get(object_set.name)))
                    for object_set in self.sets
                ],
                "flat_fields": flat_field_marks(self.flat_fields),
                "code": code_version(_LABEL_CODE + METHODS.modules_of(methods)),
            }
        )


@dataclass(frozen=True)
class JobInputs:
    """What a job has besides the config: files, and what was measured on the whole plate.

    Attributes
    ----------
    label_folder : Path
        Where relative paths of label images made elsewhere start.
    classifiers : mapping of str to PixelClassifier
        Trained forests by name.
    weights : mapping of str to Path
        Files of weights by name.
    thresholds, diameters : mapping of str to float
        By object set.
    device : str
        Rule for the device of learned segmenters.
    control_types : mapping of str to str
        Of the wells that get planted errors (`levelfield.config.settings.planted_wells`), by well.
    """

    label_folder: Path = Path()
    classifiers: Mapping[str, PixelClassifier] = field(default_factory=dict)
    weights: Mapping[str, Path] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    diameters: Mapping[str, float] = field(default_factory=dict)
    device: str = "cpu"
    control_types: Mapping[str, str] = field(default_factory=dict)


def segmentation_job(
    plate: str,
    store: Path | str,
    index: pd.DataFrame,
    science: Mapping[str, Any],
    flat_fields: Mapping[str, FlatField],
    saturated_percent: float,
    inputs: JobInputs | None = None,
) -> SegmentationJob:
    """Describe a job from the config's sections ``images``, ``channels`` and ``objects``.

    Parameters
    ----------
    plate : str
        Name of the plate.
    store : Path
        The plate store.
    index : DataFrame
        The plate's index.
    science : mapping
        The config.
    flat_fields : mapping of str to FlatField
        By channel.
    saturated_percent : float
        Sites with more saturated pixels in a channel are excluded.
    inputs : JobInputs, optional
        Files, and what was measured on the whole plate.
    """
    inputs = inputs or JobInputs()
    return SegmentationJob(
        plate=plate,
        store=Path(store),
        channels=tuple(store_channels(science, plate_dtype(index))),
        sets=tuple(_with_measured(object_set, inputs) for object_set in object_sets(science)),
        flat_fields=flat_fields,
        projection=science["images"].get("projection"),
        saturated_percent=saturated_percent,
        pixel_size_um=science["images"].get("pixel_size_um"),
        label_folder=inputs.label_folder,
        classifiers=inputs.classifiers,
        weights={name: (path, file_sha256(path)) for name, path in inputs.weights.items()},
        device=inputs.device,
        control_types=inputs.control_types,
    )


def _with_measured(object_set: ObjectSetSettings, inputs: JobInputs) -> ObjectSetSettings:
    name, parameters = object_set.name, object_set.parameters
    if name in inputs.thresholds:
        parameters = with_plate_threshold(parameters, inputs.thresholds[name])
    if name in inputs.diameters:
        parameters = dict(parameters) | {"diameter": inputs.diameters[name]}
    return replace(object_set, parameters=parameters)
