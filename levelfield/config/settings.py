"""The config as the steps use it: typed records in place of nested mappings.

The schema says what every key means, and its defaults have been filled in before. Where a value may
be None, that stands for a key that was left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from levelfield.config.planted import PARENT_ROLES, Planting, plantings
from levelfield.config.sheets import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")

THRESHOLD_CONTROLS = {"negcon": ("negcon",), "controls": ("negcon", "poscon")}
"""Control types that a threshold is measured on, by ``threshold_from``; else on all wells."""


@dataclass(frozen=True)
class ChannelSettings:
    """A channel; its camera offset is in counts, the path of a dark frame, or ``auto``."""

    color: str = "FFFFFF"
    camera_offset: float | str = "auto"
    projection: str | None = None
    z_plane: int | None = None


@dataclass(frozen=True)
class ImageSettings:
    """How raw images are read."""

    bit_depth: int | None
    projection: str | None = None
    pixel_size_um: float | None = None
    in_place: bool = False


@dataclass(frozen=True)
class IlluminationSettings:
    """How flat fields are fitted."""

    correct: bool
    sample_sites: int
    minimum_sites: int | None = None
    degree: int | None = None


@dataclass(frozen=True)
class ObjectSetSettings:
    """How one object set is made.

    Attributes
    ----------
    channels : tuple of str
        Channels that the segmenter sees, in order.
    parents : dict of str to str
        Object sets that it builds on, by role (`PARENT_ROLES`).
    parameters : mapping
        Parameters of the segmenter.
    steps : tuple of mapping
        Image processing that only the segmenter sees.
    threshold_from : str
        ``image``, or the wells that one threshold for all images is measured on.
    files : str
        Where the label images lie that were made elsewhere (method ``labels``).
    classifier, weights : str
        Names of the pixel classifier and of the weights that the method uses, or nothing.
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


@dataclass(frozen=True)
class MeasurementSettings:
    """What is measured; None stands for all that there is."""

    unit: str
    image_families: tuple[str, ...]
    families: tuple[str, ...] | None = None
    channels: tuple[str, ...] | None = None
    channel_pairs: tuple[tuple[str, str], ...] | None = None
    object_sets: tuple[str, ...] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CollageSettings:
    """Whether collages are made of the control classes, and from how much.

    ``plant``: whether errors are planted into labels of the plate as well, and read back.
    """

    make: bool
    plant: bool
    windows_per_class: int
    least_donors: int
    least_yield: float


@dataclass(frozen=True)
class QcSettings:
    """How a plate is judged; the margins are by question, of a class and of the difference."""

    margins: Mapping[str, Mapping[str, float]]
    threshold_level: float
    review_per_class: int
    calibration: str = ""


@dataclass(frozen=True)
class EvaluationSettings:
    """What the labels are compared with: patterns of files by object set."""

    references: Mapping[str, str]
    by: tuple[str, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Science:
    """Those sections of a checked config that a job was given, each read when it is asked for."""

    sections: Mapping[str, Any]

    @cached_property
    def channels(self) -> dict[str, ChannelSettings]:
        """The channels by name, in the order of the stored images."""
        rules = self.sections["channels"].items()
        return {name: _record(ChannelSettings, rule) for name, rule in rules}

    @cached_property
    def images(self) -> ImageSettings:
        """How raw images are read."""
        return _record(ImageSettings, self.sections["images"])

    @property
    def projections(self) -> dict[str, str | None]:
        """How the z-stacks of each channel become one plane."""
        return {
            name: made.projection or (None if made.z_plane is not None else self.images.projection)
            for name, made in self.channels.items()
        }

    @cached_property
    def illumination(self) -> IlluminationSettings:
        """How flat fields are fitted."""
        return _record(IlluminationSettings, self.sections["illumination"])

    @cached_property
    def object_sets(self) -> list[ObjectSetSettings]:
        """The object sets, in the order in which they are made."""
        return object_sets(self.sections)

    @cached_property
    def measurement(self) -> MeasurementSettings:
        """What is measured."""
        return _record(MeasurementSettings, self.sections["measurement"])

    @cached_property
    def qc(self) -> QcSettings:
        """How a plate is judged."""
        return _record(QcSettings, self.sections["qc"])

    @property
    def collages(self) -> CollageSettings:
        """Whether and how collages are made."""
        return _record(CollageSettings, self.sections["qc"]["collages"])

    @cached_property
    def evaluation(self) -> EvaluationSettings:
        """What the labels are compared with."""
        return _record(EvaluationSettings, self.sections["evaluation"])

    @property
    def measured_channels(self) -> tuple[str, ...]:
        """Channels that are measured."""
        chosen = self.measurement.channels
        return tuple(self.sections["channels"]) if chosen is None else chosen

    @property
    def measured_sets(self) -> tuple[str, ...]:
        """Object sets that are measured."""
        chosen = self.measurement.object_sets
        return tuple(self.sections["objects"]) if chosen is None else chosen

    @property
    def measured_parents(self) -> dict[str, str]:
        """The parent of each measured object set whose parent is measured too."""
        parents = {made.name: made.parents.get("parent", "") for made in self.object_sets}
        sets = set(self.measured_sets)
        return {child: parent for child, parent in parents.items() if {child, parent} <= sets}


def _record(kind: type[Record], rule: Mapping[str, Any]) -> Record:
    """Return a section of the config, of which the steps need the fields of a record."""
    names = {part.name for part in fields(kind)}
    return kind(**{name: _fixed(value) for name, value in rule.items() if name in names})


def _fixed(value: Any) -> Any:
    return tuple(map(_fixed, value)) if isinstance(value, list) else value


def object_sets(config: Mapping[str, Any]) -> list[ObjectSetSettings]:
    """Return the object sets of a config, in the order in which they are made.

    Raises
    ------
    ConfigError
        If a set names a channel or an object set that is not there before it, or its planted
        error does not suit it.
    """
    sets: list[ObjectSetSettings] = []
    planted, channels = plantings(config["objects"]), list(config["channels"])
    for name, rule in config["objects"].items():
        _check_names(name, "channels", rule.get("channels", []), channels)
        parents = {role: rule[role] for role in PARENT_ROLES if role in rule}
        for role, parent in parents.items():
            _check_names(name, role, [parent], [other.name for other in sets])
        given: dict[str, Any] = {"channels": channels[:1], **rule, "name": name}
        given |= {"parents": parents, "planted": planted.get(name)}
        sets.append(_record(ObjectSetSettings, given))
        _check_planted(sets[-1])
    return sets


def _check_names(set_name: str, key: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            what = "channel" if key == "channels" else "object set made before it"
            raise ConfigError(
                f"objects.{set_name}.{key}: '{name}' is no {what}. "
                f"Allowed: {', '.join(known) or 'none, as it is the first'}."
            )


def _check_planted(made: ObjectSetSettings) -> None:
    if made.planted is None or "parent" not in made.parents:
        return
    parent = made.parents["parent"]
    if made.planted.shrinks:
        raise ConfigError(
            f"objects.{made.name}.planted: shrunk objects would no longer hold their parents. Let "
            f"them grow, or shrink {parent}."
        )
    if made.planted.renumbers:
        raise ConfigError(
            f"objects.{made.name}.planted: {made.planted.error} gives objects new numbers, and "
            f"they belong to {parent} by their numbers. Plant it into {parent}."
        )


def threshold_wells(
    sets: Sequence[ObjectSetSettings], control_types: Mapping[str, str]
) -> dict[str, list[str]]:
    """Return the wells that the threshold of a set is measured on, by object set.

    Sets whose threshold is measured image by image are left out. `control_types` are by well.
    """
    found = {}
    for made in sets:
        if made.threshold_from != "image":
            kinds = THRESHOLD_CONTROLS.get(made.threshold_from)
            found[made.name] = [
                well for well, kind in control_types.items() if kinds is None or kind in kinds
            ]
    return found


def planted_wells(
    sets: Sequence[ObjectSetSettings], control_types: Mapping[str, str]
) -> dict[str, str]:
    """Return the control types of those wells that get planted errors, by well."""
    kinds = {made.planted.control_type for made in sets if made.planted is not None}
    return {well: kind for well, kind in control_types.items() if kind in kinds}
