"""The tables of methods and of their options in the documents, generated from the methods.

``python -m levelfield.segmentation.reference PAGE ...`` writes them between the marks
``<!-- methods -->`` and ``<!-- options of <name> -->`` and the next ``<!-- end -->``.
"""

import re
import sys
from collections.abc import Mapping
from math import isinf
from pathlib import Path

from pydantic.fields import FieldInfo

from levelfield.config.options import Options, choices_of, group_of, limits_of, meaning
from levelfield.segmentation.decoder_options import DECODING
from levelfield.segmentation.method import Method
from levelfield.segmentation.options import DeclumpOptions, ThresholdOptions
from levelfield.segmentation.registry import METHODS

_MARK = re.compile(r"(<!-- (methods|options of (\w+)) -->\n).*?(<!-- end -->)", re.DOTALL)
_GROUPS: dict[str, type[Options]] = {
    "threshold": ThresholdOptions,
    "declump": DeclumpOptions,
    **{f"decoder_{name}": options for name, options in DECODING.items()},
}


def with_tables(page: str, methods: Mapping[str, Method] = METHODS) -> str:
    """Return a page in Markdown with its tables made again; methods come by name."""

    def made(mark: re.Match[str]) -> str:
        if mark[2] == "methods":
            return mark[1] + methods_table(methods) + mark[4]
        options = methods[mark[3]].options if mark[3] in methods else _GROUPS[mark[3]]
        return mark[1] + options_table(options) + mark[4]

    return _MARK.sub(made, page)


def methods_table(methods: Mapping[str, Method]) -> str:
    """Return a Markdown table of the methods: what each builds on, makes, sees and needs."""
    lines = ["| method | builds on | channels | makes | needs |", "|---|---|---|---|---|"]
    for name, method in methods.items():
        keys = ", ".join(f"`{key}`" for key in (*method.builds_on, *method.keys))
        cells = (f"`{name}`", keys, _channels(method), method.makes, method.environment)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def options_table(options: type[Options]) -> str:
    """Return a Markdown table of options: default, what is allowed, and what they do."""
    lines = ["| option | default | allowed | what it does |", "|---|---|---|---|"]
    defaults = options.defaults()
    for name, field in options.fields().items():
        default = "" if group_of(field) else f"`{_shown(defaults.get(name))}`"
        lines.append(f"| `{name}` | {default} | {_allowed(field)} | {meaning(field.description)} |")
    return "\n".join(lines) + "\n"


def _channels(method: Method) -> str:
    fewest, most = method.channels
    if fewest == most:
        return str(fewest)
    return f"{fewest} or more" if most is None else f"{fewest} to {most}"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(_shown(part) for part in value)}]"
    return "null" if value is None else str(value)


def _allowed(field: FieldInfo) -> str:
    if choices := choices_of(field):
        return ", ".join(f"`{word}`" for word in choices)
    low, high = limits_of(field)
    if isinf(low) and isinf(high):
        return ""
    return f"from {low:g}" if isinf(high) else f"{low:g} to {high:g}"


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(with_tables(path.read_text()))
