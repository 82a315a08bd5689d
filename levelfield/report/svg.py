"""Small SVG drawings: crisp at any size, light, and readable by a screen reader."""

import math
from collections.abc import Iterable
from xml.etree import ElementTree

import numpy as np
from markupsafe import Markup

from levelfield.arrays import Floats
from levelfield.qc.wording.numbers import plain

Element = ElementTree.Element
Attribute = str | float
NEGATIVE, POSITIVE, DIFFERENCE = "var(--negative)", "var(--positive)", "var(--difference)"
"""Colours of the page's stylesheet, light and dark; the marker's shape says it again."""
CLASS_COLOURS = {"negcon": NEGATIVE, "poscon": POSITIVE, "difference": DIFFERENCE}


def element(tag: str, *children: Element | str, **attributes: Attribute) -> Element:
    """Make an element; ``class_`` and ``stroke_width`` become ``class`` and ``stroke-width``."""
    made = ElementTree.Element(
        tag, {key.rstrip("_").replace("_", "-"): _text(value) for key, value in attributes.items()}
    )
    for child in children:
        if isinstance(child, str):
            made.text = child
        else:
            made.append(child)
    return made


def drawing(width: float, height: float, name: str, children: Iterable[Element]) -> Markup:
    """Return a whole drawing as safe HTML; `name` describes it to those who cannot see it.

    Without a name it is hidden from them.
    """
    said = {"role": "img", "aria-label": name} if name else {"aria-hidden": "true"}
    size = f"0 0 {_text(width)} {_text(height)}"
    svg = element("svg", viewBox=size, width=width, height=height, **said)
    svg.extend(children)
    return Markup(ElementTree.tostring(svg, encoding="unicode"))


def line(x1: float, x2: float, y1: float, y2: float, **attributes: Attribute) -> Element:
    """Draw a line between two places."""
    return element("line", x1=x1, x2=x2, y1=y1, y2=y2, **attributes)


def text(
    x: float, y: float, content: str, anchor: str = "start", **attributes: str | float
) -> Element:
    """Return a text element; `anchor` is start, middle or end."""
    return element("text", content, x=x, y=y, text_anchor=anchor, **attributes)


def title(content: str) -> Element:
    """Return the text that a mouse over the parent element shows."""
    return element("title", content)


def marker(scope: str, x: float, y: float, radius: float, colour: str | None = None) -> Element:
    """Draw the sign of a class: circle for negcon, triangle for poscon, diamond for difference."""
    fill = colour or CLASS_COLOURS[scope]
    if scope == "negcon":
        return element("circle", cx=x, cy=y, r=radius, fill=fill)
    corners = {
        "poscon": ((0, -1.2), (1.1, 0.8), (-1.1, 0.8)),
        "difference": ((0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)),
    }[scope]
    points = " ".join(f"{_text(x + radius * dx)},{_text(y + radius * dy)}" for dx, dy in corners)
    return element("polygon", points=points, fill=fill)


class Scale:
    """A linear map from values (`low` and `high` must differ) to positions."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        if not high > low:
            raise ValueError(f"A scale from {low} to {high} has no length; widen it first.")
        self.low, self.high, self.start, self.end = low, high, start, end

    def __call__(self, value: float) -> float:
        """Return the position of a value, held inside the ends."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, about: int = 4) -> list[float]:
        """Return round values within the ends, about so many."""
        rough = (self.high - self.low) / about
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(step for step in (1, 2, 2.5, 5, 10) if step * power >= rough * 0.999) * power
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(number * step, 12) for number in range(first, last + 1)]


def upright_axis(upwards: Scale, about: int, left: float, right: float) -> list[Element]:
    """Draw horizontal lines at about so many round values, written at their left."""
    parts = []
    for tick in upwards.ticks(about):
        y = upwards(tick)
        parts.append(line(left, right, y, y, class_="zero" if tick == 0 else "grid"))
        parts.append(text(left - 6, y + 3.5, plain(tick), "end", class_="tick"))
    return parts


def level_axis(across: Scale, top: float, bottom: float, *, zero: bool = False) -> list[Element]:
    """Draw vertical lines at about six round values, written below; `zero` marks that one."""
    parts = []
    for tick in across.ticks(6):
        x = across(tick)
        parts.append(line(x, x, top, bottom, class_="zero" if zero and tick == 0 else "grid"))
        parts.append(text(x, bottom + 14, plain(tick), "middle", class_="tick"))
    return parts


def band(scale: Scale, reach: float, top: float, bottom: float) -> Element:
    """Draw the harmless range, `reach` to either side of zero."""
    left, right = scale(-reach), scale(reach)
    return element("rect", x=left, width=right - left, y=top, height=bottom - top, class_="margin")


def value_limits(values: Floats, margin: float = 0.06) -> tuple[float, float]:
    """Return ends of a scale that holds all finite values with some room."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    room = (high - low) * margin or abs(high) * margin or 0.5
    return low - room, high + room


def _text(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.2f}".rstrip("0").rstrip(".")
