"""Draw the rooms of the package from its imports: ``docs/pictures/house*.svg``.

A room is a subpackage or a module; it stands one floor above the highest room that it imports from,
so every arrow points down. An arrow that follows from others (a → b → c makes a → c) is left out.
Run it after rooms or imports changed: ``python docs/pictures/house.py``; a test compares.
"""

import ast
import textwrap
from collections.abc import Iterator, Mapping
from html import escape
from itertools import pairwise
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PICTURES = {"house.svg": ("levelfield",), "house_qc.svg": ("levelfield", "qc")}
"""What is drawn: the rooms of the package, and those of the QC."""

WIDTH, HEIGHT = 200, 78
"""Of a room, in px."""
PASSAGE = 26
"""Width that an arrow takes which passes a floor, in px."""
GAP_X, GAP_Y, MARGIN = 18, 44, 20
SWEEPS = 12

Edges = Mapping[str, set[str]]
Point = tuple[float, float]


def rooms_of(package: tuple[str, ...]) -> dict[str, list[Path]]:
    """Return the files of every room, by its name."""
    rooms = {}
    for path in sorted(REPOSITORY.joinpath(*package).iterdir()):
        if (path / "__init__.py").is_file():
            rooms[path.name] = sorted(path.rglob("*.py"))
        elif path.suffix == ".py" and path.name != "__init__.py":
            rooms[path.stem] = [path]
    return rooms


def imported(path: Path) -> Iterator[list[str]]:
    """Yield the parts of every dotted name that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ([*node.module.split("."), name.name] for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name.split(".") for name in node.names)


def imports_between(package: tuple[str, ...]) -> dict[str, set[str]]:
    """Return the other rooms that every room imports from."""
    rooms, depth = rooms_of(package), len(package)
    edges: dict[str, set[str]] = {room: set() for room in rooms}
    for room, paths in rooms.items():
        for parts in (parts for path in paths for parts in imported(path)):
            if tuple(parts[:depth]) == package and len(parts) > depth and parts[depth] in rooms:
                edges[room].add(parts[depth])
        edges[room].discard(room)
    return edges


def below(room: str, edges: Edges) -> set[str]:
    """Return all rooms that a room rests on, directly or not."""
    return edges[room].union(*(below(other, edges) for other in edges[room]))


def needed(edges: Edges) -> dict[str, list[str]]:
    """Leave out the arrows that follow from others."""
    return {
        room: sorted(
            other
            for other in others
            if not any(other in below(between, edges) for between in others)
        )
        for room, others in edges.items()
    }


def floor_of(room: str, edges: Edges) -> int:
    """Return 0 for a room that imports from no other, else one more than the highest it needs."""
    return 1 + max((floor_of(other, edges) for other in edges[room]), default=-1)


def routes(edges: Edges) -> list[list[str]]:
    """Return each arrow as the places it runs through, from the top, a passage on every floor."""
    arrows = []
    for room, others in needed(edges).items():
        for other in others:
            between = range(floor_of(room, edges) - 1, floor_of(other, edges), -1)
            arrows.append([room, *(f"{room}>{other}>{floor}" for floor in between), other])
    return arrows


def floors(edges: Edges, arrows: list[list[str]]) -> list[list[str]]:
    """Return rooms and passages by floor, ordered so that neighbours in the graph are near."""
    height = {room: floor_of(room, edges) for room in edges}
    for arrow in arrows:
        height |= {place: height[arrow[0]] - step for step, place in enumerate(arrow)}
    order = [sorted(p for p in height if height[p] == n) for n in range(max(height.values()) + 1)]
    linked: dict[str, set[str]] = {place: set() for place in height}
    for arrow in arrows:
        for upper, lower in pairwise(arrow):
            linked[upper].add(lower)
            linked[lower].add(upper)
    for _ in range(SWEEPS):
        for places in order:
            x = positions(order)
            mean = {p: sum(x[q][0] for q in linked[p]) / max(len(linked[p]), 1) for p in places}
            places.sort(key=lambda place: (mean[place], place))
    return order


def positions(order: list[list[str]]) -> dict[str, Point]:
    """Return the centres of rooms and passages; every floor is centred, the lowest at y = 0."""
    places = {}
    for floor, names in enumerate(order):
        widths = [PASSAGE if ">" in name else WIDTH for name in names]
        x = -(sum(widths) + GAP_X * (len(names) - 1)) / 2
        for name, width in zip(names, widths, strict=True):
            places[name] = (x + width / 2, -floor * (HEIGHT + GAP_Y))
            x += width + GAP_X
    return places


def purpose(package: tuple[str, ...], room: str) -> str:
    """Return the first sentence of a room's docstring."""
    folder = REPOSITORY.joinpath(*package)
    path = folder / f"{room}.py"
    text = (path if path.is_file() else folder / room / "__init__.py").read_text()
    summary = (ast.get_docstring(ast.parse(text)) or "").split("\n\n")[0]
    return " ".join(summary.split()).rstrip(".")


def room_svg(name: str, text: str, centre: Point) -> str:
    """Return the box of a room, with its name and what it is for."""
    x, y = centre
    lines = textwrap.wrap(text, 34, max_lines=3, placeholder=" …")
    words = [
        f'<text x="{x:.0f}" y="{y - 4 + 14 * n:.0f}" font-size="11">{escape(line)}</text>'
        for n, line in enumerate(lines)
    ]
    return "\n".join(
        [
            f'<rect x="{x - WIDTH / 2:.0f}" y="{y - HEIGHT / 2:.0f}" width="{WIDTH}" '
            f'height="{HEIGHT}" rx="4" fill="#eef3f7" stroke="#33566f"/>',
            f'<text x="{x:.0f}" y="{y - 21:.0f}" font-size="14" font-weight="bold">{name}</text>',
            *words,
        ]
    )


def arrow_svg(arrow: list[str], places: Mapping[str, Point]) -> str:
    """Return a line from the floor of a room, through its passages, to the ceiling of another."""
    (x, y), *passages, (end, ceiling) = (places[place] for place in arrow)
    path = f"M{x:.0f},{y + HEIGHT / 2:.0f}"
    stops = [(x, y + HEIGHT / 2)]
    for px, py in passages:
        stops += [(px, py - HEIGHT / 2), (px, py + HEIGHT / 2)]
    stops.append((end, ceiling - HEIGHT / 2 - 6))
    for n in range(1, len(stops)):
        (x0, y0), (x1, y1) = stops[n - 1], stops[n]
        middle = (y0 + y1) / 2
        path += f" C{x0:.0f},{middle:.0f} {x1:.0f},{middle:.0f} {x1:.0f},{y1:.0f}"
    return f'<path d="{path}" fill="none" stroke="#8a9aa6" marker-end="url(#tip)"/>'


def draw(package: tuple[str, ...]) -> str:
    """Return the picture of a package's rooms as SVG; the same imports give the same bytes."""
    edges = imports_between(package)
    arrows = routes(edges)
    places = positions(floors(edges, arrows))
    left = min(x for x, _ in places.values()) - WIDTH / 2 - MARGIN
    top = min(y for _, y in places.values()) - HEIGHT / 2 - MARGIN
    size = f"{left:.0f} {top:.0f} {-2 * left:.0f} {HEIGHT / 2 + MARGIN - top:.0f}"
    rooms = [room_svg(room, purpose(package, room), places[room]) for room in sorted(edges)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}" font-family="sans-serif" '
            'text-anchor="middle">',
            '<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="2" refY="4" '
            'orient="auto"><path d="M0,0 L8,4 L0,8 Z" fill="#8a9aa6"/></marker></defs>',
            f'<rect x="{left:.0f}" y="{top:.0f}" width="100%" height="100%" fill="white"/>',
            *(arrow_svg(arrow, places) for arrow in arrows),
            *rooms,
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    for name, package in PICTURES.items():
        (Path(__file__).parent / name).write_text(draw(package))
