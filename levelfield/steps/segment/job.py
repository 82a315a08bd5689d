"""What the fields of a pack have in common when they are segmented."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from levelfield.config.planted import Planting, notes_of_sets
from levelfield.config.settings import ObjectSetSettings, Science
from levelfield.execution.field_cache import code_version, fingerprint
from levelfield.illumination import FlatField
from levelfield.images.sites import pixel_size_um, plate_dtype
from levelfield.io.checksums import file_sha256
from levelfield.io.store import checksum
from levelfield.io.tables import read_measured
from levelfield.segmentation.pixel_classifier import PixelClassifier
from levelfield.segmentation.registry import METHODS, load_model
from levelfield.steps.fields import PlateImages, plate_images
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

_PORTION_PIXELS = 32 * 3 * 1080**2
"""Of all fields that a thread works on together: about 1.3 GB, with what is made of them, so that
four threads and a large network stay below the memory that the profiles ask for."""


@dataclass(frozen=True)
class JobInputs:
    """What a job has besides the config: files, and what was measured on the whole plate.

    Relative paths of label images made elsewhere start from the label folder. Classifiers and
    files of weights are by name, thresholds and diameters by object set. `device` is a rule of
    `levelfield.segmentation.devices.choose_device`; the control types are those of the wells
    that get planted errors (`levelfield.config.settings.planted_wells`).
    """

    label_folder: Path = Path()
    classifiers: Mapping[str, PixelClassifier] = field(default_factory=dict)
    weights: Mapping[str, Path] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    diameters: Mapping[str, float] = field(default_factory=dict)
    device: str = "cpu"
    control_types: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        classifiers: Iterable[str],
        weights: Mapping[str, str],
        thresholds: str | Sequence[str],
        diameters: str | Sequence[str],
        device: str,
    ) -> JobInputs:
        """Read the files of a job: trained classifiers, weights by name, and measured tables.

        Of thresholds and of diameters there is one table, or none where nothing was measured.
        """
        return cls(
            classifiers={Path(path).stem: PixelClassifier.load(Path(path)) for path in classifiers},
            weights={name: Path(path) for name, path in weights.items()},
            thresholds=read_measured(thresholds, "threshold"),
            diameters=read_measured(diameters, "diameter"),
            device=device,
        )


@dataclass(frozen=True)
class SegmentationJob:
    """All that the fields of one pack have in common.

    Attributes
    ----------
    sets : tuple of ObjectSetSettings
        Object sets in the order in which they are made, with what was measured on the plate.
    saturated_percent : float
        Sites with more saturated pixels in a channel are excluded.
    pixel_size_um : float or None
        Width of a pixel.
    weight_sums : mapping of str to str
        The sha256 of the files of weights, by name.
    in_place : bool
        Whether labels are written beside the raw images too, which are OME-Zarr.
    """

    plate: str
    store: Path
    images: PlateImages
    sets: tuple[ObjectSetSettings, ...]
    saturated_percent: float
    pixel_size_um: float | None
    inputs: JobInputs
    weight_sums: Mapping[str, str]
    in_place: bool = False

    def on(self, device: str) -> SegmentationJob:
        """Return the job on another device."""
        return replace(self, inputs=replace(self.inputs, device=device))

    def model(self, object_set: ObjectSetSettings) -> Any:
        """Return the model of a set's learned segmenter; each process loads it once."""
        path = self.inputs.weights[object_set.weights]
        return load_model(object_set.method, path, self.inputs.device)

    def planted(self, well: str) -> dict[str, Planting]:
        """Return the errors that are planted in a well, by object set."""
        kind = self.inputs.control_types.get(well, "")
        plantings = {made.name: made.planted for made in self.sets if made.planted is not None}
        return {name: error for name, error in plantings.items() if error.control_type == kind}

    def planted_notes(self, well: str) -> dict[str, str]:
        """Return a note for every object set that planted errors change in a well."""
        made_from = {made.name: list(made.parents.values()) for made in self.sets}
        return notes_of_sets(self.planted(well), made_from)

    @property
    def learned_methods(self) -> set[str]:
        """Methods of the sets that are made with weights."""
        return {made.method for made in self.sets if made.weights}

    @property
    def models_are_for_threads(self) -> bool:
        """Whether several threads may share the models, so that a GPU need not wait for one."""
        return all(METHODS[name].for_threads for name in self.learned_methods)

    @property
    def gpus(self) -> list[str]:
        """Rules of the GPUs that this job may use; none if it needs none."""
        if not self.learned_methods:
            return []
        from levelfield.segmentation.devices import choose_devices

        found = choose_devices(self.inputs.device)
        return [device.place for device in found if device.kind == "cuda"]

    def fields_at_once(self, pixels: int) -> int:
        """Return how many fields are segmented together, each of so many pixels in all channels.

        No model is loaded for it: the process that asks may have several GPUs to share out, and
        must open none.
        """
        if not self.learned_methods:
            return 1
        from levelfield.segmentation.devices import choose_devices

        kind = choose_devices(self.inputs.device)[0].kind
        wanted = max(METHODS[name].fields_at_once.get(kind, 1) for name in self.learned_methods)
        return max(1, min(wanted, _PORTION_PIXELS // max(pixels, 1)))

    @cached_property
    def _classifier_sums(self) -> dict[str, list[str]]:
        return {
            name: [checksum(np.asarray(part)) for part in asdict(forest).values()]
            for name, forest in self.inputs.classifiers.items()
        }

    def fingerprint(
        self, image_checksum: str, imported: Mapping[str, NDArray[Any]], well: str
    ) -> str:
        """Return the sha256 of all that a field's labels depend on.

        These are its pixels and the labels made elsewhere, the config, the flat fields and the
        code.
        """
        planted = self.planted(well)
        modules = METHODS.modules_of([made.method for made in self.sets])
        return fingerprint(
            {
                "image": image_checksum,
                "imported": {name: checksum(labels) for name, labels in imported.items()},
                "classifiers": self._classifier_sums,
                "weights": dict(self.weight_sums),
                "sets": [asdict(replace(s, planted=planted.get(s.name))) for s in self.sets],
                "code": code_version(_LABEL_CODE + modules),
                **({"pixel_size_um": self.pixel_size_um} if self.pixel_size_um else {}),
                **self.images.marks,
            }
        )


def segmentation_job(
    plate: str,
    store: Path | str,
    index: pd.DataFrame,
    science: Science,
    flat_fields: Mapping[str, FlatField],
    saturated_percent: float,
    inputs: JobInputs | None = None,
) -> SegmentationJob:
    """Describe a job from the config's sections ``images``, ``channels`` and ``objects``."""
    inputs = inputs or JobInputs()
    pixel_size = pixel_size_um(index)
    return SegmentationJob(
        plate=plate,
        store=Path(store),
        images=plate_images(science, plate_dtype(index), flat_fields),
        sets=tuple(
            _with_measured(object_set, inputs, pixel_size) for object_set in science.object_sets
        ),
        saturated_percent=saturated_percent,
        pixel_size_um=pixel_size,
        inputs=inputs,
        weight_sums={name: file_sha256(path) for name, path in inputs.weights.items()},
        in_place=science.images.in_place,
    )


def _with_measured(
    object_set: ObjectSetSettings, inputs: JobInputs, pixel_size: float | None
) -> ObjectSetSettings:
    """Add what was measured on the plate, or is known of it, to what the config leaves out."""
    name, parameters = object_set.name, object_set.parameters
    if name in inputs.thresholds:
        parameters = with_plate_threshold(parameters, inputs.thresholds[name])
    if name in inputs.diameters:
        parameters = dict(parameters) | {"diameter": inputs.diameters[name]}
    wants_size = "pixel_size" in METHODS[object_set.method].options.model_fields
    if wants_size and "pixel_size" not in parameters and pixel_size:
        parameters = dict(parameters) | {"pixel_size": pixel_size}
    return replace(object_set, parameters=parameters)
