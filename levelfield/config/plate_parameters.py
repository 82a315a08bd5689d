"""Object sets whose parameters differ from plate to plate."""

from collections.abc import Mapping
from typing import Any

from levelfield.config.sheets import ConfigError


def objects_of(config: Mapping[str, Any], plate: str) -> dict[str, Any]:
    """Return the section ``objects`` as it is for one plate, ``plate_parameters`` put into it."""
    objects = dict(config["objects"])
    for name, parameters in config.get("plate_parameters", {}).get(plate, {}).items():
        rule = objects[name]
        objects[name] = dict(rule) | {"parameters": {**rule.get("parameters", {}), **parameters}}
    return objects


def check_names(config: Mapping[str, Any], plates: Mapping[str, Any]) -> None:
    """Raise ``ConfigError`` if ``plate_parameters`` names a plate or a set that is not there."""
    for plate, sets in config["plate_parameters"].items():
        if plate not in plates:
            raise ConfigError(
                f"plate_parameters: '{plate}' is no plate of the plate sheet. Allowed: "
                f"{', '.join(list(plates)[:10])}."
            )
        for name in sets:
            if name not in config["objects"]:
                raise ConfigError(
                    f"plate_parameters.{plate}: '{name}' is no object set. Allowed: "
                    f"{', '.join(config['objects'])}."
                )
