"""Which weights of networks there are: the catalogue, and the config's section ``weights``."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from levelfield.config.sheets import ConfigError
from levelfield.config.urls import has_secret

CATALOGUE = Path(__file__).parents[1] / "weights" / "catalogue.yaml"
"""Published weights that object sets can name."""


@dataclass(frozen=True)
class Weights:
    """A file of weights: the name that object sets use, a URL or path, 64 hexadecimal digits.

    The licence is what its users should be told; it may be empty.
    """

    name: str
    source: str
    sha256: str
    licence: str = ""

    @property
    def is_url(self) -> bool:
        """Whether it has to be downloaded."""
        return _is_url(self.source)


def _is_url(source: str) -> bool:
    return source.startswith(("http://", "https://"))


def named_weights(
    names: Iterable[str], section: Mapping[str, Mapping[str, str]], catalogue: Path
) -> dict[str, Weights]:
    """Return the weights of those names, as object sets have them.

    The config's `section` ``weights`` replaces keys of the `catalogue`, which is YAML of the same
    form; paths in it start from its folder.

    Raises
    ------
    ConfigError
        If a name is unknown, a source or checksum is missing, or a file is not there.
    """
    known = _read_catalogue(catalogue)
    for name, rule in section.items():
        known[name] = known.get(name, {}) | dict(rule)
    return {name: _weights(name, known) for name in sorted(set(names))}


def _read_catalogue(path: Path) -> dict[str, dict[str, str]]:
    known = yaml.safe_load(path.read_text())
    for rule in known.values():
        if not _is_url(rule["source"]):
            rule["source"] = str(path.parent / rule["source"])
    return known


def _weights(name: str, known: Mapping[str, Mapping[str, str]]) -> Weights:
    if name not in known:
        raise ConfigError(
            f"weights: '{name}' is not there, but an object set, or `start` of a network, names "
            f"it. Allowed: {', '.join(sorted(known))}; or describe weights of your own under "
            "'weights'."
        )
    rule = known[name]
    if "source" not in rule:
        raise ConfigError(f"weights.{name}.source is missing. Add the URL or path of the file.")
    source, path = rule["source"], Path(rule["source"])
    if _is_url(source):
        if has_secret(source):
            raise ConfigError(
                f"weights.{name}.source holds a password or token, which would stand in logs, "
                "reports and the provenance. Take it out: fetch the file yourself, and give its "
                "path."
            )
    elif not path.is_file():
        raise ConfigError(f"weights.{name}.source: there is no file '{path}'. Correct the path.")
    if "sha256" not in rule:
        own = f"`curl -L {source} | sha256sum` prints it."
        if path.is_file():
            own = f"This file's is {hashlib.sha256(path.read_bytes()).hexdigest()}."
        raise ConfigError(
            f"weights.{name}.sha256 is missing. Add it, so that no other file is ever used in "
            f"its place. {own}"
        )
    return Weights(name, source, rule["sha256"], rule.get("licence", ""))
