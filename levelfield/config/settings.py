"""The config as the stages use it: small frozen descriptions in place of nested mappings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from levelfield.config.planted import Planting, plantings
from levelfield.config.sheets import ConfigError

if TYPE_CHECKING:  # Snakemake's own environment, in which the plan is read, has neither
    import numpy as np
    import pandas as pd

METHODS_WITH_THRESHOLD = ("classical", "propagation", "watershed")

METHODS_WITH_WEIGHTS = (
    "network",
    "stardist",
    "mask_rcnn",
    "segment_anything",
    "segment_anything_cells",
    "cellpose",
    "cellpose3",
    "instanseg",
)

MOST_CHANNELS = {
    "network": 1,
    "mask_rcnn": 1,
    "cellpose": 3,
    "cellpose3": 2,
    "segment_anything": 3,
    "segment_anything_cells": 3,
    **dict.fromkeys(METHODS_WITH_THRESHOLD, 1),
}
"""That a method sees. Those that are not here depend on the model."""

METHODS_WITH_CLASSIFIER = ("pixel_classifier", *METHODS_WITH_THRESHOLD)
"""The first segments what a forest calls foreground; to the others its probability is the image."""

PARENT_ROLES = ("parent", "minus", "within")
"""Keys of an object set that name another set."""


THRESHOLD_CONTROLS = {"negcon": ("negcon",), "controls": ("negcon", "poscon")}
"""Control types that a threshold is measured on, by ``threshold_from``; else on all wells."""


@dataclass(frozen=True)
class ObjectSetSettings:
    """How one object set is made.

    Attributes
    ----------
    name, method : str
        Of the set, and of its segmenter.
    channels : tuple of str
        Channels that the segmenter sees, in order.
    parents : dict of str to str
        Object sets that it builds on, by role (``parent``, ``minus``, ``within``).
    parameters : mapping
        Of the segmenter.
    steps : tuple of mapping
        Image processing that only the segmenter sees.
    threshold_from : str
        ``image``, or the wells that one threshold for all images is measured on.
    files : str
        Where the label images lie that were made elsewhere (method ``labels``).
    classifier : str
        Name of the pixel classifier (`METHODS_WITH_CLASSIFIER`), or nothing.
    weights : str
        Name of the weights (`METHODS_WITH_WEIGHTS`), or nothing.
    planted : Planting, optional
        Error that the labels get on purpose.
    """

    name: str
    method: str
    channels: tuple[str, ...]
    parents: dict[str, str]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[Mapping[str, Any], ...] = ()
    threshold_from: str = "image"
    files: str = ""
    classifier: str = ""
    weights: str = ""
    planted: Planting | None = None


def object_sets(config: Mapping) -> list[ObjectSetSettings]:
    """Return the object sets of a config, in the order in which they are made.

    Raises
    ------
    ConfigError
        If a set names a channel or an object set that is not there before it.
    """
    sets: list[ObjectSetSettings] = []
    planted = plantings(config["objects"])
    for name, rule in config["objects"].items():
        _check_names(name, "channels", rule.get("channels", []), list(config["channels"]))
        parents = {role: rule[role] for role in PARENT_ROLES if role in rule}
        for role, parent in parents.items():
            _check_names(name, role, [parent], [other.name for other in sets])
        sets.append(
            ObjectSetSettings(
                name=name,
                method=rule["method"],
                channels=tuple(rule.get("channels", [next(iter(config["channels"]))])),
                parents=parents,
                parameters=rule.get("parameters", {}),
                steps=tuple(rule.get("steps", ())),
                threshold_from=rule.get("threshold_from", "image"),
                files=rule.get("files", ""),
                classifier=rule.get("classifier", ""),
                weights=rule.get("weights", ""),
                planted=planted.get(name),
            )
        )
        _check_channels(sets[-1])
        _check_threshold(sets[-1])
        _check_weights(sets[-1])
        _check_planted(sets[-1])
    return sets


def sets_with_plate_diameter(sets: Sequence[ObjectSetSettings]) -> list[ObjectSetSettings]:
    """Return the object sets of learned segmenters whose diameter the config does not give."""
    return [one for one in sets if one.method == "network" and not one.parameters.get("diameter")]


def threshold_wells(
    sets: Sequence[ObjectSetSettings], control_types: Mapping[str, str]
) -> dict[str, list[str]]:
    """Return the wells that the threshold of a set is measured on, by object set.

    Sets whose threshold is measured image by image are left out. `control_types` are by well.
    """
    found = {}
    for one in sets:
        if one.threshold_from != "image":
            kinds = THRESHOLD_CONTROLS.get(one.threshold_from)
            found[one.name] = [
                well for well, kind in control_types.items() if kinds is None or kind in kinds
            ]
    return found


def planted_wells(
    sets: Sequence[ObjectSetSettings], control_types: Mapping[str, str]
) -> dict[str, str]:
    """Return the control types of those wells that get planted errors, by well."""
    kinds = {one.planted.control_type for one in sets if one.planted is not None}
    return {well: kind for well, kind in control_types.items() if kind in kinds}


def _check_channels(one: ObjectSetSettings) -> None:
    """Refuse more channels than the method sees; steps may make fewer of them."""
    most = MOST_CHANNELS.get(one.method)
    if most is None or one.steps or one.classifier or len(one.channels) <= most:
        return
    allowed = "one channel" if most == 1 else f"at most {most} channels"
    raise ConfigError(
        f"objects.{one.name}.channels: method {one.method} sees {allowed}, and these are "
        f"{len(one.channels)} ({', '.join(one.channels)}). Name fewer, or make one of them with "
        "the step combine_channels."
    )


def _check_threshold(one: ObjectSetSettings) -> None:
    if one.threshold_from == "image":
        return
    if one.method not in METHODS_WITH_THRESHOLD:
        raise ConfigError(
            f"objects.{one.name}.threshold_from: method {one.method} has no threshold to measure. "
            f"Leave the key out, or choose among {', '.join(METHODS_WITH_THRESHOLD)}."
        )
    if one.classifier:
        raise ConfigError(
            f"objects.{one.name}.threshold_from: with a classifier the image is a probability, "
            "which means the same in all images. Leave the key out, and give one level for all as "
            "threshold: {method: manual, value: 0.5}."
        )
    settings = one.parameters.get("threshold", {})
    if settings.get("method") in ("manual", "sauvola") or settings.get("window"):
        raise ConfigError(
            f"objects.{one.name}.threshold_from: one level for all images cannot be measured by "
            "the methods 'manual' and 'sauvola', nor in windows. Leave the key out, or choose "
            "another threshold.method."
        )


def _check_weights(one: ObjectSetSettings) -> None:
    if one.method in METHODS_WITH_WEIGHTS and not one.weights:
        raise ConfigError(
            f"objects.{one.name}: method {one.method} needs weights. Add `weights:` with a name of "
            "levelfield/weights/catalogue.yaml or of the config's section weights."
        )
    if one.weights and one.method not in METHODS_WITH_WEIGHTS:
        raise ConfigError(
            f"objects.{one.name}.weights: method {one.method} has none. Leave the key out, or "
            f"choose among {', '.join(METHODS_WITH_WEIGHTS)}."
        )


def _check_planted(one: ObjectSetSettings) -> None:
    if one.planted is None:
        return
    if one.method in ("subtraction", "masked"):
        raise ConfigError(
            f"objects.{one.name}.planted: the outlines of method {one.method} are those of other "
            f"sets, and would no longer fit them. Plant into {', '.join(one.parents.values())}."
        )
    if "parent" not in one.parents:
        return
    parent = one.parents["parent"]
    if one.planted.shrinks:
        raise ConfigError(
            f"objects.{one.name}.planted: shrunk objects would no longer hold their parents. Let "
            f"them grow, or shrink {parent}."
        )
    if one.planted.renumbers:
        raise ConfigError(
            f"objects.{one.name}.planted: {one.planted.error} gives objects new numbers, and they "
            f"belong to {parent} by their numbers. Plant it into {parent}."
        )


def check_measurement(config: Mapping) -> None:
    """Check the names in the config's section ``measurement``.

    Raises
    ------
    ConfigError
        If it names a channel or an object set that is not there, or asks for µm without a size.
    """
    settings, channels = config["measurement"], list(config["channels"])
    pairs = [channel for pair in settings.get("channel_pairs", []) for channel in pair]
    for key, names, known in (
        ("channels", settings.get("channels", []), channels),
        ("channel_pairs", pairs, settings.get("channels", channels)),
        ("object_sets", settings.get("object_sets", []), list(config["objects"])),
    ):
        for name in names:
            if name not in known:
                raise ConfigError(
                    f"measurement.{key}: '{name}' is not there. Allowed: {', '.join(known)}."
                )
    if settings["unit"] == "um" and "pixel_size_um" not in config["images"]:
        raise ConfigError(
            "measurement.unit is 'um', but images.pixel_size_um is not given. Add it, or measure "
            "in px."
        )


def measured_sets(config: Mapping) -> list[str]:
    """Return the object sets that are measured."""
    return list(config["measurement"].get("object_sets", config["objects"]))


def check_classifiers(sets: list[ObjectSetSettings], known: list[str]) -> None:
    """Raise ``ConfigError`` if a set names a classifier that is not there, or for no use."""
    for one in sets:
        if one.classifier and one.method not in METHODS_WITH_CLASSIFIER:
            raise ConfigError(
                f"objects.{one.name}.classifier: method {one.method} does not look at a "
                "probability. Leave the key out, or choose among "
                f"{', '.join(METHODS_WITH_CLASSIFIER)}."
            )
        if (one.classifier or one.method == "pixel_classifier") and one.classifier not in known:
            raise ConfigError(
                f"objects.{one.name}.classifier: '{one.classifier}' is not under "
                f"pixel_classifiers. Allowed: {', '.join(known) or 'none are there yet'}."
            )


def _check_names(set_name: str, key: str, names: list[str], known: list[str]) -> None:
    for name in names:
        if name not in known:
            what = "channel" if key == "channels" else "object set made before it"
            raise ConfigError(
                f"objects.{set_name}.{key}: '{name}' is no {what}. "
                f"Allowed: {', '.join(known) or 'none, as it is the first'}."
            )


def relations(sets: list[ObjectSetSettings]) -> dict[str, str]:
    """Return the parent of each object set that has one."""
    return {one.name: one.parents["parent"] for one in sets if "parent" in one.parents}


def intensity_maximum(bit_depth: int | None, dtype: np.dtype) -> int:
    """Return the largest value that the camera can write, by which intensities are divided."""
    import numpy as np

    return 2**bit_depth - 1 if bit_depth else int(np.iinfo(dtype).max)


def plate_dtype(index: pd.DataFrame) -> np.dtype:
    """Return the type of a plate's raw pixels (uint8 or uint16)."""
    import numpy as np

    return np.dtype(index.loc[index["fault"] == "", "dtype"].iloc[0])
