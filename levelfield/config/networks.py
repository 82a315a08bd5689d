"""The config's section `networks`: what is trained, on what, and where it goes.

Snakemake reads the plan in every job: nothing here loads torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from levelfield.config.results import Results
from levelfield.config.sheets import ConfigError

# Parameters of the training that only one method's networks have.
_METHOD_OF = {
    **dict.fromkeys(("heads", "threshold_bias", "split_merge"), "network"),
    "backbone": "mask_rcnn",
}


@dataclass(frozen=True)
class CorrectionSettings:
    """What people's corrections of the labels of an object set a network learns from."""

    object_set: str
    reviews: tuple[str, ...] = ()  # sheets; {plate} stands for every plate
    # What is known of a field with edited labels: the whole "field", or only the "changes".
    edited: str = "field"
    group_by: str = "well"  # or "plate": what images form a group


@dataclass(frozen=True)
class NetworkSettings:
    """How one network is trained; by its name object sets use its weights."""

    name: str
    method: str = "network"  # that uses the weights, a name in `levelfield.training.kinds.KINDS`
    start: str = ""  # weights to start from; empty for random ones
    generation: int = 1  # which training this is; 0 uses `start` as it is
    training: str = ""  # sheet of annotated images; empty for none
    corrections: CorrectionSettings | None = None
    # Share or names of the groups that decide when to stop, and of those that judge.
    validation_groups: float | tuple[str, ...] = 0.0
    test_groups: float | tuple[str, ...] = 0.2
    # Fields of `levelfield.training.recipe.TrainingSettings`.
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def earlier(self) -> range:
        """Generations before this one that were trained."""
        return range(1, self.generation)


def weights_file(results: Results, network: NetworkSettings) -> str:
    """Return the path of the weights that a network stands for."""
    if network.generation == 0:
        return results.file("fetch_weights", weights=network.start)
    return results.file("train_network", network=network.name, generation=network.generation)


def network_settings(config: Mapping[str, Any]) -> dict[str, NetworkSettings]:
    """Return the networks of the config's section ``networks``, by name."""
    return {name: _settings(name, rule) for name, rule in config["networks"].items()}


def check_networks(networks: Mapping[str, NetworkSettings], config: Mapping[str, Any]) -> None:
    """Check networks against the rest of a config.

    Raises
    ------
    ConfigError
        If a network has nothing to start from or to learn from, or a name is wrong.
    """
    for network in networks.values():
        _check(network, config)
    for name, rule in config["objects"].items():
        used = networks.get(rule.get("weights"))
        if used and rule["method"] != used.method:
            raise ConfigError(
                f"objects.{name}.weights: '{used.name}' is trained here (section networks) for "
                f"the method {used.method}, and this set is segmented with {rule['method']}. "
                f"Set networks.{used.name}.method or objects.{name}.method."
            )


def _settings(name: str, rule: Mapping[str, Any]) -> NetworkSettings:
    given = _with_tuples({key: value for key, value in rule.items() if value is not None})
    if "corrections" in given:
        given["corrections"] = CorrectionSettings(**_with_tuples(given["corrections"]))
    return NetworkSettings(name, **given)


def _with_tuples(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in rule.items()}


def _check(network: NetworkSettings, config: Mapping[str, Any]) -> None:
    key, corrections = f"networks.{network.name}", network.corrections
    if network.name in config["weights"]:
        raise ConfigError(
            f"{key}: weights of this name are described under 'weights' too. Rename one of them."
        )
    for parameter in network.parameters:
        method = _METHOD_OF.get(parameter, network.method)
        if method != network.method:
            raise ConfigError(
                f"{key}.parameters.{parameter}: this is for the method {method}, and the network "
                f"is for {network.method}. Take it out, or correct {key}.method."
            )
    if network.method == "mask_rcnn" and corrections:
        _check_whole_images(key, corrections)
    if network.generation == 0 and not network.start:
        raise ConfigError(
            f"{key}: generation 0 uses the weights named as `start`, and there are none. Name "
            "some, or train with generation: 1."
        )
    if network.generation and not (network.training or corrections):
        raise ConfigError(
            f"{key}: there is nothing to learn from. Add `training`, a sheet of annotated images, "
            "or `corrections`, what people corrected."
        )
    if network.training and not Path(network.training).is_file():
        raise ConfigError(
            f"{key}.training: there is no file '{network.training}'. Correct the path, or write "
            "the sheet (docs/training.md says what is in it)."
        )
    if corrections and corrections.object_set not in config["objects"]:
        raise ConfigError(
            f"{key}.corrections.object_set: '{corrections.object_set}' is not under 'objects'. "
            f"Allowed: {', '.join(config['objects'])}."
        )


def _check_whole_images(key: str, corrections: CorrectionSettings) -> None:
    """Refuse corrections of parts of images for a network that learns from whole ones."""
    wrong = "reviews" if corrections.reviews else "edited" if corrections.edited != "field" else ""
    if wrong:
        raise ConfigError(
            f"{key}.corrections.{wrong}: a Mask R-CNN learns from images that are annotated "
            "completely, and this says only what is right in parts of them. Use `edited: field` "
            "without reviews, or train for the method network."
        )


def review_files(patterns: Sequence[str], plates: Sequence[str]) -> list[Path]:
    """Return the review sheets there are, with every plate in place of ``{plate}``.

    A sheet that is named without ``{plate}`` is returned whether it is there or not: reading it
    says that it is missing.
    """
    files: list[Path] = []
    for pattern in patterns:
        if "{plate}" in pattern:
            named = [Path(pattern.replace("{plate}", plate)) for plate in plates]
            files += [path for path in named if path.is_file()]
        else:
            files.append(Path(pattern))
    return files
