"""The config as the stages use it: small frozen descriptions in place of nested mappings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from levelfield.config.planted import PARENT_ROLES, Planting, plantings
from levelfield.config.sheets import ConfigError

if TYPE_CHECKING:  # Snakemake's own environment, in which the plan is read, has neither
    import numpy as np
    import pandas as pd


class MethodFacts(Protocol):
    """What the config's checks need to know of a method; `segmentation.Method` has it."""

    @property
    def channels(self) -> tuple[int, int | None]:
        """Fewest and most channels that it sees."""

    @property
    def threshold(self) -> bool:
        """Whether it has a threshold that can be measured beforehand."""

    @property
    def weights(self) -> bool:
        """Whether it needs a file of weights."""

    @property
    def classifier(self) -> str:
        """Whether it can use a pixel classifier: ``needed``, ``image`` or nothing."""

    @property
    def plate_diameter(self) -> bool:
        """Whether a diameter that is not given is measured on the plate."""

    @property
    def copies_outlines(self) -> bool:
        """Whether its outlines are those of other object sets."""


Methods = Mapping[str, MethodFacts]
"""The methods that there are: `levelfield.segmentation.METHODS`."""

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
        Name of the pixel classifier that the method uses, or nothing.
    weights : str
        Name of the weights of a learned method, or nothing.
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


def object_sets(
    config: Mapping[str, Any], methods: Methods | None = None
) -> list[ObjectSetSettings]:
    """Return the object sets of a config, in the order in which they are made.

    Parameters
    ----------
    config : mapping
        The config.
    methods : mapping of str to MethodFacts, optional
        `levelfield.segmentation.METHODS`: check that each set suits its method. Left out by the
        jobs, as the plan has checked the config before.

    Raises
    ------
    ConfigError
        If a set names a channel or an object set that is not there before it, or has what its
        method cannot use.
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
        _check_planted(sets[-1])
        if methods is not None:
            _check_method(sets[-1], methods)
    return sets


def sets_with_plate_diameter(
    sets: Sequence[ObjectSetSettings], methods: Methods
) -> list[ObjectSetSettings]:
    """Return the object sets whose diameter is measured on the plate, as the config gives none."""
    return [
        object_set
        for object_set in sets
        if methods[object_set.method].plate_diameter and not object_set.parameters.get("diameter")
    ]


def threshold_wells(
    sets: Sequence[ObjectSetSettings], control_types: Mapping[str, str]
) -> dict[str, list[str]]:
    """Return the wells that the threshold of a set is measured on, by object set.

    Sets whose threshold is measured image by image are left out. `control_types` are by well.
    """
    found = {}
    for object_set in sets:
        if object_set.threshold_from != "image":
            kinds = THRESHOLD_CONTROLS.get(object_set.threshold_from)
            found[object_set.name] = [
                well for well, kind in control_types.items() if kinds is None or kind in kinds
            ]
    return found


def planted_wells(
    sets: Sequence[ObjectSetSettings], control_types: Mapping[str, str]
) -> dict[str, str]:
    """Return the control types of those wells that get planted errors, by well."""
    kinds = {
        object_set.planted.control_type for object_set in sets if object_set.planted is not None
    }
    return {well: kind for well, kind in control_types.items() if kind in kinds}


def _check_method(object_set: ObjectSetSettings, methods: Methods) -> None:
    """Refuse what the method of a set cannot use."""
    _check_channels(object_set, methods[object_set.method])
    _check_threshold(object_set, methods)
    _check_weights(object_set, methods)
    if object_set.planted is not None and methods[object_set.method].copies_outlines:
        raise ConfigError(
            f"objects.{object_set.name}.planted: the outlines of method {object_set.method} are "
            "those of other sets, and would no longer fit them. Plant into "
            f"{', '.join(object_set.parents.values())}."
        )


def _check_channels(object_set: ObjectSetSettings, method: MethodFacts) -> None:
    """Refuse more or fewer channels than the method sees; steps may change their number."""
    (fewest, most), number = method.channels, len(object_set.channels)
    if object_set.steps or object_set.classifier:
        return
    if number < fewest:
        raise ConfigError(
            f"objects.{object_set.name}.channels: method {object_set.method} needs at least "
            f"{fewest} channels, and these are {number} ({', '.join(object_set.channels)}). Name "
            "more, or use the step repeat_channel."
        )
    if most is None or number <= most:
        return
    allowed = "one channel" if most == 1 else f"at most {most} channels"
    raise ConfigError(
        f"objects.{object_set.name}.channels: method {object_set.method} sees {allowed}, and these "
        f"are {number} ({', '.join(object_set.channels)}). Name fewer, or make one of them with "
        "the step combine_channels."
    )


def _check_threshold(object_set: ObjectSetSettings, methods: Methods) -> None:
    if object_set.threshold_from == "image":
        return
    where = f"objects.{object_set.name}.threshold_from"
    if not methods[object_set.method].threshold:
        allowed = [name for name, method in methods.items() if method.threshold]
        raise ConfigError(
            f"{where}: method {object_set.method} has no threshold to measure. Leave the key out, "
            f"or choose among {', '.join(allowed)}."
        )
    if object_set.classifier:
        raise ConfigError(
            f"{where}: with a classifier the image is a probability, which means the same in all "
            "images. Leave the key out, and give one level for all as threshold: {method: manual, "
            "value: 0.5}."
        )
    settings = object_set.parameters.get("threshold", {})
    if settings.get("method") in ("manual", "sauvola") or settings.get("window"):
        raise ConfigError(
            f"{where}: one level for all images cannot be measured by the methods 'manual' and "
            "'sauvola', nor in windows. Leave the key out, or choose another threshold.method."
        )


def _check_weights(object_set: ObjectSetSettings, methods: Methods) -> None:
    needed = methods[object_set.method].weights
    if needed and not object_set.weights:
        raise ConfigError(
            f"objects.{object_set.name}: method {object_set.method} needs weights. Add `weights:` "
            "with a name of levelfield/weights/catalogue.yaml or of the config's section weights."
        )
    if object_set.weights and not needed:
        allowed = [name for name, method in methods.items() if method.weights]
        raise ConfigError(
            f"objects.{object_set.name}.weights: method {object_set.method} has none. Leave the "
            f"key out, or choose among {', '.join(allowed)}."
        )


def _check_planted(object_set: ObjectSetSettings) -> None:
    if object_set.planted is None:
        return
    if "parent" not in object_set.parents:
        return
    parent = object_set.parents["parent"]
    if object_set.planted.shrinks:
        raise ConfigError(
            f"objects.{object_set.name}.planted: shrunk objects would no longer hold their "
            f"parents. Let them grow, or shrink {parent}."
        )
    if object_set.planted.renumbers:
        raise ConfigError(
            f"objects.{object_set.name}.planted: {object_set.planted.error} gives objects new "
            f"numbers, and they belong to {parent} by their numbers. Plant it into {parent}."
        )


def check_measurement(config: Mapping[str, Any]) -> None:
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


def measured_sets(config: Mapping[str, Any]) -> list[str]:
    """Return the object sets that are measured."""
    return list(config["measurement"].get("object_sets", config["objects"]))


def check_classifiers(
    sets: Sequence[ObjectSetSettings], known: Sequence[str], methods: Methods
) -> None:
    """Raise ``ConfigError`` if a set names a classifier that is not there, or for no use."""
    for object_set in sets:
        where = f"objects.{object_set.name}.classifier"
        use = methods[object_set.method].classifier
        if object_set.classifier and not use:
            allowed = [name for name, method in methods.items() if method.classifier]
            raise ConfigError(
                f"{where}: method {object_set.method} does not look at a probability. Leave the "
                f"key out, or choose among {', '.join(allowed)}."
            )
        if (object_set.classifier or use == "needed") and object_set.classifier not in known:
            raise ConfigError(
                f"{where}: '{object_set.classifier}' is not under pixel_classifiers. Allowed: "
                f"{', '.join(known) or 'none are there yet'}."
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
    return {
        object_set.name: object_set.parents["parent"]
        for object_set in sets
        if "parent" in object_set.parents
    }


def intensity_maximum(bit_depth: int | None, dtype: np.dtype[Any]) -> int:
    """Return the largest value that the camera can write, by which intensities are divided."""
    import numpy as np

    return 2**bit_depth - 1 if bit_depth else int(np.iinfo(dtype).max)


def plate_dtype(index: pd.DataFrame) -> np.dtype[Any]:
    """Return the type of a plate's raw pixels (uint8 or uint16)."""
    import numpy as np

    return np.dtype(index.loc[index["fault"] == "", "dtype"].iloc[0])
