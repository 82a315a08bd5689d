"""Whether what a config says of its object sets and of the measurement can be done."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from levelfield.config.settings import ObjectSetSettings, object_sets
from levelfield.config.sheets import ConfigError


@dataclass(frozen=True, kw_only=True)
class MethodFacts:
    """What the config's checks need to know of a method; `segmentation.Method` is one."""

    channels: tuple[int, int | None] = (1, None)
    """Fewest and most channels that it sees; None where the model or nothing limits them."""
    threshold: bool = False
    """Whether it has a ``threshold`` that can be measured on a whole plate beforehand."""
    classifier: Literal["", "needed", "image"] = ""
    """``"needed"`` where the method segments what a pixel classifier says, ``"image"`` where the
    classifier's probability of foreground can be the image that it sees."""
    load: Callable[[Path, str], Any] | str | None = None
    """From a file of weights and a rule for the device (`levelfield.segmentation.devices`) to a
    model, which has a `device_name`. A text ``module:function`` says where it is; it is imported
    when the first model is wanted."""
    fields_at_once: Mapping[str, int] = field(default_factory=dict)
    """Fields that are segmented together so that a device is busy, by its kind (``cuda``, ``mps``,
    ``cpu``); one where nothing is said. Fewer where fields are large."""
    plate_diameter: bool = False
    """Whether an option ``diameter`` that is not given is measured once for each plate."""
    copies_outlines: bool = False
    """Whether its outlines are those of other object sets."""

    @property
    def weights(self) -> bool:
        """Whether it needs a file of weights."""
        return self.load is not None


Methods = Mapping[str, MethodFacts]
"""The methods that there are: `levelfield.segmentation.METHODS`."""


def checked_sets(config: Mapping[str, Any], methods: Methods) -> list[ObjectSetSettings]:
    """Return the object sets of a config, each of which suits its method.

    Raises
    ------
    ConfigError
        As `object_sets`, and if a set has what its method cannot use or lacks what it needs.
    """
    sets = object_sets(config)
    for made in sets:
        _check_channels(made, methods[made.method])
        _check_threshold(made, methods)
        if made.weights and not methods[made.method].weights:
            raise ConfigError(
                f"objects.{made.name}.weights: method {made.method} has none. Leave the key out, "
                f"or choose among {_those_with('weights', methods)}."
            )
        if made.planted is not None and methods[made.method].copies_outlines:
            raise ConfigError(
                f"objects.{made.name}.planted: the outlines of method {made.method} are those of "
                "other sets, and would no longer fit them. Plant into "
                f"{', '.join(made.parents.values())}."
            )
    return sets


def sets_with_plate_diameter(
    sets: Sequence[ObjectSetSettings], methods: Methods
) -> list[ObjectSetSettings]:
    """Return the object sets whose diameter is measured on the plate, as the config gives none."""
    return [
        made
        for made in sets
        if methods[made.method].plate_diameter and not made.parameters.get("diameter")
    ]


def _check_channels(made: ObjectSetSettings, method: MethodFacts) -> None:
    """Refuse more or fewer channels than the method sees; steps may change their number."""
    if made.steps or made.classifier:
        return
    (fewest, most), number = method.channels, len(made.channels)
    where, these = f"objects.{made.name}.channels: method {made.method}", ", ".join(made.channels)
    if number < fewest:
        raise ConfigError(
            f"{where} needs at least {fewest} channels, and these are {number} ({these}). Name "
            "more, or use the step repeat_channel."
        )
    if most is not None and number > most:
        allowed = "one channel" if most == 1 else f"at most {most} channels"
        raise ConfigError(
            f"{where} sees {allowed}, and these are {number} ({these}). Name fewer, or make one "
            "of them with the step combine_channels."
        )


def _check_threshold(made: ObjectSetSettings, methods: Methods) -> None:
    if made.threshold_from == "image":
        return
    where = f"objects.{made.name}.threshold_from"
    if not methods[made.method].threshold:
        raise ConfigError(
            f"{where}: method {made.method} has no threshold to measure. Leave the key out, or "
            f"choose among {_those_with('threshold', methods)}."
        )
    if made.classifier:
        raise ConfigError(
            f"{where}: with a classifier the image is a probability, which means the same in all "
            "images. Leave the key out, and give one level for all as threshold: {method: manual, "
            "value: 0.5}."
        )
    settings = made.parameters.get("threshold", {})
    if settings.get("method") in ("manual", "sauvola") or settings.get("window"):
        raise ConfigError(
            f"{where}: one level for all images cannot be measured by the methods 'manual' and "
            "'sauvola', nor in windows. Leave the key out, or choose another threshold.method."
        )


def check_classifiers(
    sets: Sequence[ObjectSetSettings], known: Sequence[str], methods: Methods
) -> None:
    """Raise ``ConfigError`` if a set names a classifier that is not there, or for no use."""
    for made in sets:
        where = f"objects.{made.name}.classifier"
        use = methods[made.method].classifier
        if made.classifier and not use:
            raise ConfigError(
                f"{where}: method {made.method} does not look at a probability. Leave the key "
                f"out, or choose among {_those_with('classifier', methods)}."
            )
        if (made.classifier or use == "needed") and made.classifier not in known:
            raise ConfigError(
                f"{where}: '{made.classifier}' is not under pixel_classifiers. Allowed: "
                f"{', '.join(known) or 'none are there yet'}."
            )


def _those_with(fact: str, methods: Methods) -> str:
    return ", ".join(name for name, method in methods.items() if getattr(method, fact))


def check_images(config: Mapping[str, Any]) -> dict[str, Any]:
    """Check the config's section ``images``; return the config with ``images.format`` filled in.

    Raises
    ------
    ConfigError
        If a pattern is missing or has no use, or a stack would become a plane in two ways.
    """
    images = config["images"]
    chosen = images.get("format", "pattern" if "pattern" in images else "auto")
    if chosen == "pattern" and "pattern" not in images:
        raise ConfigError(
            "images: the key 'pattern' is missing. Add it, as images.format is 'pattern': a "
            "regular expression for the paths of the files. Or leave images.format out, to have "
            "the format recognised."
        )
    if chosen != "pattern" and "pattern" in images:
        raise ConfigError(
            f"images.pattern: has no use where images.format is '{chosen}'. Leave one of them out."
        )
    if "sheet" in images and chosen not in ("sheet", "loaddata"):
        raise ConfigError(
            f"images.sheet: has no use where images.format is '{chosen}'. Leave it out, or choose "
            "images.format: sheet or loaddata."
        )
    sections = {"images": images}
    sections |= {f"channels.{name}": rule for name, rule in config["channels"].items()}
    for where, section in sections.items():
        if "projection" in section and "z_plane" in section:
            raise ConfigError(
                f"{where}: projection and z_plane are two ways to make one plane of a stack. Leave "
                "one of them out."
            )
    return dict(config) | {"images": dict(images) | {"format": chosen}}


def check_measurement(config: Mapping[str, Any]) -> None:
    """Check the names in the config's section ``measurement``.

    Raises
    ------
    ConfigError
        If it names a channel or an object set that is not there.
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
