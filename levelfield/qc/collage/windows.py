"""Which parts of a control class's fields collages are made of."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

SIDE = 16.0
"""Side of a window, in diameters of a typical object."""
SIDES_PX = (192, 512)
LARGEST_SHARE = 0.08
"""Share of a plate's pixels that windows of all its control classes may hold together."""
FEWEST = 4
"""Windows of a class, however small the plate."""


class Window(NamedTuple):
    """A square of a field."""

    well: str
    site: int
    rows: slice
    columns: slice


def window_side(diameter: float) -> int:
    """Return the side in px of windows that hold some twenty objects, of a diameter in px."""
    known = diameter if np.isfinite(diameter) else 0.0
    return int(np.clip(8 * round(SIDE * known / 8), *SIDES_PX))


def affordable(wanted: int, side: int, plate_pixels: int, n_classes: int) -> int:
    """Return how many windows of a side (px) each class gets: on small plates fewer than wanted.

    What is made of a window takes about as long as all that is done with as many pixels of the
    plate, so that their share of the pixels is that of the time. `plate_pixels` are those of one
    channel.
    """
    most = int(LARGEST_SHARE * plate_pixels / (max(n_classes, 1) * side**2))
    return min(wanted, max(FEWEST, most))


def choose_windows(
    fields: Sequence[tuple[str, int]],
    shape: tuple[int, int],
    side: int,
    number: int,
    names: Sequence[int],
) -> list[Window]:
    """Choose windows that do not overlap, as many of each field as of any other.

    Parameters
    ----------
    fields : sequence of (str, int)
        Well and site of the fields of a class.
    shape : (int, int)
        Of every field, px. Windows are no larger.
    side, number : int
        Side in px, and the number of windows; fewer where the fields hold fewer.
    names : sequence of int
        The state of what is random: which fields and which places come first.
    """
    random = np.random.default_rng(list(names))
    rows, columns = (_parts(length, side) for length in shape)
    places = [(row, column) for row in rows for column in columns]
    order = [fields[k] for k in random.permutation(len(fields))]
    of_fields = [random.permutation(len(places)) for _ in order]
    chosen = [
        Window(*field, *places[of_fields[k][turn]])
        for turn in range(len(places))
        for k, field in enumerate(order)
    ]
    return chosen[:number]


def _parts(length: int, side: int) -> list[slice]:
    """Divide a length into as many parts of a side as it holds, one at least."""
    count, part = max(1, length // side), min(length, side)
    starts = np.linspace(0, length - part, count).astype(int)
    return [slice(int(start), int(start) + part) for start in starts]
