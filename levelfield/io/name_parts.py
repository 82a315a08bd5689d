"""The parts of file names: what a pattern finds in them, and identifiers that look like numbers."""

import re
from collections.abc import Sequence

GUID = r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"
"""A globally unique identifier, as a regular expression."""
_EXAMPLES = 3


def guid_span(name: str) -> tuple[int, int] | None:
    """Return where a globally unique identifier stands in a name; None where there is none."""
    if name.count("-") < 4:  # most names, at no cost
        return None
    found = list(re.finditer(GUID, name))
    return found[-1].span() if found else None


def group_parts(expression: str) -> dict[str, str]:
    """Return the named groups of a regular expression, with what is written in each."""
    parts = {}
    for match in re.finditer(r"\(\?P<(\w+)>", expression):
        depth, at = 1, match.end()
        while at < len(expression) and depth:
            letter = expression[at]
            if letter == "\\":
                at += 1
            elif letter == "[":
                at = _end_of_set(expression, at)
            else:
                depth += {"(": 1, ")": -1}.get(letter, 0)
            at += 1
        parts[match[1]] = expression[match.end() : at - 1]
    return parts


def _end_of_set(expression: str, at: int) -> int:
    """Return where the set of characters ends that begins at `at`."""
    closing = at + 2 + expression.startswith("^", at + 1)
    while closing < len(expression) and expression[closing] != "]":
        closing += 1 + (expression[closing] == "\\")
    return min(closing, len(expression) - 1)


def explain(expression: str, names: Sequence[str]) -> str:
    """Say, for three names, what each group of an expression would find there by itself."""
    parts = group_parts(expression)
    step = max(len(names) // _EXAMPLES, 1)
    lines = []
    for name in names[::step][:_EXAMPLES]:
        found = [f"{group} ({part}) {_finds(part, name)}" for group, part in parts.items()]
        lines.append(f"  {name}: {'; '.join(found)}")
    return "\n".join(lines)


def _finds(part: str, name: str) -> str:
    try:
        match = re.search(part, name)
    except re.error:  # it refers to another part
        return "depends on the others"
    return f"finds '{match[0]}'" if match and match[0] else "finds nothing"
