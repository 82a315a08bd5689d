"""The one door to all methods: those of Levelfield, and those of packages that add some.

A method of Levelfield is a file of `levelfield.segmentation.methods`; another package announces its
own as an entry point of the group ``levelfield.methods``, see docs/add_a_segmenter.md. A method is
imported when it is asked for.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from pkgutil import iter_modules, resolve_name
from threading import Lock
from typing import Any, cast

import numpy as np

from levelfield.arrays import Image, Plane
from levelfield.config.extras import missing_library
from levelfield.config.parameters import require_choice
from levelfield.config.planted import PARENT_ROLES
from levelfield.segmentation import methods
from levelfield.segmentation.method import Method
from levelfield.segmentation.options import ThresholdOptions
from levelfield.segmentation.result import Segmentation

GROUP = "levelfield.methods"
"""Group of the entry points with which other packages add methods."""
_OWN_PACKAGE = "levelfield"


class Methods(Mapping[str, Method]):
    """All methods by name."""

    @cached_property
    def _own(self) -> set[str]:
        return {module.name for module in iter_modules(methods.__path__)}

    @cached_property
    def _others(self) -> dict[str, EntryPoint]:
        found: dict[str, EntryPoint] = {}
        for entry in entry_points(group=GROUP):
            earlier = found.setdefault(entry.name, entry)
            if entry.name in self._own or earlier.value != entry.value:
                raise ValueError(
                    f"the method {entry.name!r} of the package {_package(entry)} has the name of "
                    "another one. Rename it, or uninstall one of the two packages."
                )
        return found

    def __getitem__(self, name: str) -> Method:
        if name in self._own:
            module = import_module(f"{methods.__name__}.{name}")
            if not hasattr(module, "METHOD"):
                raise ValueError(f"{module.__file__} defines no METHOD: docs/add_a_segmenter.md")
            return cast(Method, module.METHOD)
        return _load_entry(self._others[name])

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._own) + sorted(self._others))

    def __len__(self) -> int:
        return len(self._own) + len(self._others)

    def modules_of(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the packages outside of Levelfield that define some of the named methods."""
        found = {self._others[name].module.split(".")[0] for name in names if name in self._others}
        return tuple(sorted(found - {_OWN_PACKAGE}))


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.value


def _load_entry(entry: EntryPoint) -> Method:
    try:
        method = entry.load()
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"the method {entry.name!r} of the package {_package(entry)} cannot be loaded from "
            f"'{entry.value}' ({error}). Repair or uninstall that package."
        ) from error
    if not isinstance(method, Method) or method.name != entry.name:
        raise ValueError(
            f"the entry point {entry.name!r} of the package {_package(entry)} must name a "
            f"levelfield Method of the same name, and '{entry.value}' is {method!r}"
        )
    return method


METHODS = Methods()


def find_method(name: str) -> Method:
    """Return a method by its name in the config.

    Raises
    ------
    ValueError
        If there is no such method.
    """
    require_choice("method", name, METHODS)
    return METHODS[name]


_LOADING = Lock()


def load_model(name: str, path: Path, device: str) -> Any:
    """Load the weights of a learned method, once per process, whichever thread wants them first.

    The device follows the rule as `levelfield.segmentation.devices.choose_device` reads it.

    Raises
    ------
    ValueError
        If the file is not of that method, the device is not there, or what the method needs is not
        installed.
    """
    with _LOADING:
        return _load(name, path, device)


@lru_cache(maxsize=4)
def _load(name: str, path: Path, device: str) -> Any:
    method = find_method(name)
    if method.load is None:
        raise ValueError(f"method {name} has no weights")
    try:
        load = resolve_name(method.load) if isinstance(method.load, str) else method.load
        return load(path, device)
    except ModuleNotFoundError as error:
        if (library := (error.name or "").split(".")[0]) == _OWN_PACKAGE:
            raise
        raise missing_library(f"method {name}", library, method.environment) from error


def forget_models() -> None:
    """Forget the models that this process has loaded, so that their memory can be used again."""
    _load.cache_clear()


def segment_objects(
    image: Image,
    method: str,
    parameters: Mapping[str, Any],
    inputs: Mapping[str, Any] | None = None,
    steps: Sequence[Mapping[str, Any]] = (),
) -> Segmentation:
    """Segment one image with one method.

    Parameters
    ----------
    image : (C, Y, X) float32
        Corrected, intensity 0-1: the channels of this object set, in the order of the config.
    method : str
    parameters : mapping
        What the config sets for the method.
    inputs : mapping, optional
        What the method builds on, by the names in `Method.inputs`.
    steps : sequence of mapping
        Image processing that only the segmenter sees, for
        `levelfield.images.preprocessing.apply_steps`.

    Raises
    ------
    ValueError
        If the method, a parameter or its value is unknown, an input is missing or superfluous, or
        the image has a wrong shape or values that are not finite.
    """
    return segment_images([image], method, parameters, [inputs or {}], steps)[0]


def segment_images(
    images: Sequence[Image],
    method: str,
    parameters: Mapping[str, Any],
    inputs: Sequence[Mapping[str, Any]],
    steps: Sequence[Mapping[str, Any]] = (),
) -> list[Segmentation]:
    """Segment the images of many fields with one method.

    Results do not depend on which images are segmented together. Parameters and errors are those of
    `segment_objects`, with an image and what it builds on for every field.
    """
    found = find_method(method)
    for image, given in zip(images, inputs, strict=True):
        if sorted(given) != sorted(found.inputs):
            raise ValueError(
                f"method {method} builds on [{', '.join(found.inputs)}], but was given "
                f"[{', '.join(given)}]"
            )
        _check_image(image, given)
    options = found.options.read(parameters, f"method {method}")
    seen = [_seen(image, steps) for image in images]
    if found.run_many is not None:
        return found.run_many(seen, options, inputs)
    if found.run is None:
        raise ValueError(f"method {method} cannot run")
    return [found.run(image, options, **given) for image, given in zip(seen, inputs, strict=True)]


def threshold_input(
    image: Image,
    method: str,
    parameters: Mapping[str, Any],
    steps: Sequence[Mapping[str, Any]] = (),
) -> Plane:
    """Return the smoothed image (Y, X) that a method would threshold.

    For thresholds that are measured on many images at once
    (`levelfield.segmentation.threshold.measure_threshold`). Parameters are those of
    `segment_objects`; a method without a threshold is a ValueError.
    """
    from levelfield.segmentation.growth import smooth

    options = _with_threshold(method).options.read(parameters, f"method {method}")
    return smooth(_seen(image, steps)[0], getattr(options, "smoothing", 0.0))


def threshold_settings(method: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return all parameters of the threshold that a method would use, with its own defaults.

    Parameters and errors are those of `threshold_input`.
    """
    own = _with_threshold(method).options.defaults()["threshold"]
    return ThresholdOptions().model_dump() | dict(parameters.get("threshold", own))


def _seen(image: Image, steps: Sequence[Mapping[str, Any]]) -> Image:
    # Imported here: the plan and other jobs ask for methods, and no image.
    from levelfield.images.preprocessing import apply_steps

    return apply_steps(image, steps)


def _with_threshold(method: str) -> Method:
    found = find_method(method)
    if not found.threshold:
        raise ValueError(f"method {method} has no threshold that could be measured beforehand")
    return found


def _check_image(image: Image, inputs: Mapping[str, Any]) -> None:
    if image.ndim != 3:
        raise ValueError(f"the image has shape {image.shape}; it must be (channel, y, x)")
    if not np.isfinite(image).all():
        n_bad = int(np.count_nonzero(~np.isfinite(image)))
        raise ValueError(
            f"{n_bad} pixels of the image are not finite numbers, so no threshold would mean "
            "anything; check the flat field that was applied"
        )
    for role in PARENT_ROLES:
        if role in inputs and inputs[role].shape != image.shape[1:]:
            raise ValueError(
                f"the {role} labels are {inputs[role].shape}, the image is {image.shape[1:]} px"
            )
