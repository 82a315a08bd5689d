"""The plan of a screen: what is in its config and sheets, checked and typed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from levelfield.config.checks import (
    Methods,
    check_classifiers,
    check_images,
    check_measurement,
    checked_sets,
    sets_with_plate_diameter,
)
from levelfield.config.networks import (
    NetworkSettings,
    check_networks,
    network_settings,
    weights_file,
)
from levelfield.config.paths import counted_from
from levelfield.config.plate_parameters import check_names, objects_of
from levelfield.config.plates import Plate, read_plates
from levelfield.config.references import plates_with_references
from levelfield.config.results import REVIEW, Results
from levelfield.config.settings import ObjectSetSettings, Science, object_sets
from levelfield.config.sheets import (
    SCHEMAS,
    check_config,
    config_schema,
    faults_in,
    load_schema,
    written_parts,
)
from levelfield.config.weights import CATALOGUE, Weights, named_weights

_NO_SCIENCE = (
    *("plates", "data_folder", "results", "packs_per_plate", "weights_cache", "device", "remote"),
    "evaluation",
)
"""Where files lie, how and on what work is done and what labels are compared with: these change no
measurement, so they must not make anything again."""


@dataclass(frozen=True)
class Plan:
    """What there is to do: the checked config with its defaults, and what was made of it.

    Mappings are by name. Results are as seen from the folder in which the run was started.
    """

    config: Mapping[str, Any]
    plates: Mapping[str, Plate]
    object_sets: tuple[ObjectSetSettings, ...]  # in the order in which they are made
    references: Mapping[str, list[Path]]  # files of reference labels, of the plates that have some
    networks: Mapping[str, NetworkSettings]  # trained here
    weights: Mapping[str, Weights]  # to be fetched
    results: Results
    plate_diameters: bool  # whether a diameter is measured on every plate

    @property
    def measured(self) -> list[str]:
        """Object sets that are measured."""
        return list(Science(self.config).measured_sets)

    @property
    def classifiers(self) -> list[str]:
        """Pixel classifiers that object sets name, sorted."""
        return sorted({made.classifier for made in self.object_sets} - {""})

    @property
    def named_weights(self) -> list[str]:
        """Weights that object sets name, sorted: fetched, or trained here."""
        return sorted({made.weights for made in self.object_sets} - {""})

    @property
    def plate_thresholds(self) -> bool:
        """Whether a threshold is measured on every plate."""
        return any(made.threshold_from != "image" for made in self.object_sets)

    @property
    def collages(self) -> bool:
        """Whether collages are made of the control classes."""
        return Science(self.config).collages.make

    @property
    def science(self) -> dict[str, Any]:
        """The config without what changes no measurement; of weights what they are, not where."""
        kept = {key: value for key, value in self.config.items() if key not in _NO_SCIENCE}
        weights = {
            name: {"sha256": weights.sha256, "licence": weights.licence}
            for name, weights in self.weights.items()
        }
        return kept | {"weights": weights}

    def review_path(self, plate: str) -> Path:
        """Return where the review sheet of a plate lies, or will lie."""
        path = self.config["qc"].get("review")
        if not path:
            return Path(self.results.path) / plate / REVIEW
        return Path(path.replace("{plate}", plate))

    def review(self, plate: str) -> Path | None:
        """Return the review sheet of a plate, as soon as there is one."""
        path = self.review_path(plate)
        return path if path.is_file() else None

    def weights_file(self, name: str, results: Results) -> str:
        """Return the file of the weights that object sets call so, below some `results`."""
        if name in self.networks:
            return weights_file(results, self.networks[name])
        return results.file("fetch_weights", weights=name)

    def uncollected(self) -> dict[str, NetworkSettings]:
        """Return networks whose corrections wait to be collected, by the folder of the generation.

        The labels that people looked at are made again with the weights that learn from them, so a
        collection is never made twice: once it is there, no rule makes it, nor that of a generation
        before.
        """
        waiting = {}
        for name, network in self.networks.items():
            folder = f"{name}/generation_{network.generation}"
            sheet = Path(self.results.file("collect_training", collection=folder))
            if network.corrections and network.generation and not sheet.is_file():
                waiting[folder] = network
        return waiting

    def finished_plates(self) -> list[str]:
        """Return the plates that have all that the verdict of a screen is made from."""
        needed = (
            *(("qc_plate", name) for name in ("estimates", "reviewed", "verdict", "answers")),
            *(("summarise_plate", name) for name in ("plate", "readouts")),
        )
        return [
            plate
            for plate in self.plates
            if all(Path(self.results.file(*made, plate=plate)).is_file() for made in needed)
        ]


@dataclass(frozen=True)
class Segmenters:
    """What there is to segment with; rooms above the config know.

    Without any neither the methods of object sets nor their parameters are checked, and no job can
    be planned.
    """

    methods: Methods
    schemas: Mapping[str, Mapping[str, Any]]
    """From `levelfield.segmentation.schema.config_parts`: what the config's schema refers to."""


NO_SEGMENTERS = Segmenters(
    {}, written_parts() | {"methods": {"$defs": {"name": {}, "object_set": {}}}}
)


def checked_plan(
    config: Mapping[str, Any],
    source: str,
    segmenters: Segmenters,
    folder: str,
    check: bool,
    base: str = ".",
) -> Plan:
    """Check a config and its sheets, and fill in the defaults.

    Parameters
    ----------
    config, source : mapping, str
        As it was read, and the name of its file for errors.
    segmenters : Segmenters
        What object sets may be made with.
    folder : str
        That relative paths of results start from; where the process runs when left out.
    check : bool
        Whether the sheets are checked too. A job of a run does without: it takes what the first
        process has checked, and reads the layout of its own plate only.
    base : str
        The folder that relative paths of the config count from.

    Raises
    ------
    ConfigError, SheetError
        Naming the file, the key or line, the value and what is allowed.
    """
    checked = check_config(config, config_schema(), source, segmenters.schemas)
    config = counted_from(checked, base)
    with faults_in(source):
        config, methods = check_images(config), segmenters.methods
        sets = checked_sets(config, methods) if methods else object_sets(config)
        if methods:
            check_classifiers(sets, list(config["pixel_classifiers"]), methods)
        check_measurement(config)
        plates = _checked_plates(config, source, segmenters, check, base)
        networks = network_settings(config)
        check_networks(networks, config)
        return Plan(
            config=config,
            plates=plates,
            object_sets=tuple(sets),
            references=plates_with_references(config, plates),
            networks=networks,
            weights=_fetched(config, sets, networks),
            results=Results(config["results"], folder),
            plate_diameters=bool(methods and sets_with_plate_diameter(sets, methods)),
        )


def _checked_plates(
    config: Mapping[str, Any], source: str, segmenters: Segmenters, check: bool, base: str
) -> dict[str, Plate]:
    """Read the sheets, and check what is set for single plates."""
    sheets = {name: load_schema(SCHEMAS / f"{name}.yaml") for name in ("plates", "layout")}
    plates = read_plates(config, sheets if check else None, base)
    check_names(config, plates)
    for name in config["plate_parameters"] if check else ():
        changed = dict(config) | {"objects": objects_of(config, name)}
        place = f"{source}, plate_parameters.{name}"
        check_config(changed, config_schema(), place, segmenters.schemas)
    return plates


def _fetched(
    config: Mapping[str, Any],
    sets: list[ObjectSetSettings],
    networks: Mapping[str, NetworkSettings],
) -> dict[str, Weights]:
    """Return the weights that object sets name or networks start from, and nobody trains here."""
    names = {made.weights for made in sets} - networks.keys()
    names |= {network.start for network in networks.values()}
    return named_weights(names - {""}, config["weights"], CATALOGUE)
