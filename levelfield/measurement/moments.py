"""Moments of shape: spatial, central, normalised, Hu's invariants and the inertia tensor."""

import numpy as np
from numba import njit

from levelfield.arrays import Floats, Integers
from levelfield.measurement.pixels import ObjectPixels


def moments(pixels: ObjectPixels, centres: Floats) -> Floats:
    """Sum row^p column^q, p and q from 0 to 3, over every object: (n, 4, 4), px^(p+q+2).

    Row by row: fewer products, and what cancels does so before rounding can add up. The moments
    refer to `centres` (n, 2), row and column from the top left pixel of the bounding box. In the
    frame of the box, shifting an object changes no bit of the result.
    """
    result, corners = np.zeros((pixels.count, 4, 4)), np.ascontiguousarray(pixels.boxes[:, ::2])
    where = (pixels.starts, pixels.positions, pixels.shape[1])
    _add_moments(*where, corners, centres, np.empty(4), result)
    return result


@njit(cache=True)
def _add_moments(
    starts: Integers,
    positions: Integers,
    width: int,
    corners: Integers,
    centres: Floats,
    sums: Floats,
    moments: Floats,
) -> None:
    """Add up the moments, with room for the sums of a row."""
    for k in range(starts.size - 1):
        i = starts[k]
        while i < starts[k + 1]:
            row = positions[i] // width
            for q in range(4):
                sums[q] = 0.0
            while i < starts[k + 1] and positions[i] < (row + 1) * width:
                column = positions[i] - row * width - corners[k, 1] - centres[k, 1]
                product = 1.0
                for q in range(4):
                    sums[q] += product
                    product *= column
                i += 1
            power = 1.0
            for p in range(4):
                for q in range(4):
                    moments[k, p, q] += power * sums[q]
                power *= row - corners[k, 0] - centres[k, 0]


def centres_in_box(spatial: Floats) -> Floats:
    """Return the (n, 2) centres in the frame of the bounding box, from the moments about 0, 0."""
    return np.column_stack([spatial[:, 1, 0], spatial[:, 0, 1]]) / spatial[:, :1, 0]


def normalized_moments(central: Floats) -> Floats:
    """Return (n, 4, 4) scale-invariant moments; NaN below order 2, where they are not defined."""
    order = np.add.outer(np.arange(4), np.arange(4))
    normalized = central / central[:, :1, :1] ** (order / 2 + 1)
    normalized[:, order < 2] = np.nan
    return normalized


def hu_moments(normalized: Floats) -> Floats:
    """Return the (n, 7) invariants of Hu (1962) from normalised moments."""
    n20, n02, n11 = normalized[:, 2, 0], normalized[:, 0, 2], normalized[:, 1, 1]
    n30, n21 = normalized[:, 3, 0], normalized[:, 2, 1]
    n12, n03 = normalized[:, 1, 2], normalized[:, 0, 3]
    first, second = n30 + n12, n21 + n03
    skew_row, skew_column = n30 - 3 * n12, 3 * n21 - n03
    cubic_row = first * (first**2 - 3 * second**2)
    cubic_column = second * (3 * first**2 - second**2)
    return np.column_stack(
        [
            n20 + n02,
            (n20 - n02) ** 2 + 4 * n11**2,
            skew_row**2 + skew_column**2,
            first**2 + second**2,
            skew_row * cubic_row + skew_column * cubic_column,
            (n20 - n02) * (first**2 - second**2) + 4 * n11 * first * second,
            skew_column * cubic_row - skew_row * cubic_column,
        ]
    )


def inertia(central: Floats) -> tuple[Floats, Floats]:
    """Return the (n, 3) inertia tensor (rows, off-diagonal, columns) and its (n, 2) eigenvalues.

    Both in px²; eigenvalues in descending order, never below 0.
    """
    mass = central[:, 0, 0]
    rows = central[:, 0, 2] / mass
    mixed = -central[:, 1, 1] / mass
    columns = central[:, 2, 0] / mass
    middle = (rows + columns) / 2
    spread = np.sqrt(((rows - columns) / 2) ** 2 + mixed**2)
    eigenvalues = np.clip(np.column_stack([middle + spread, middle - spread]), 0, None)
    return np.column_stack([rows, mixed, columns]), eigenvalues


def orientation(tensor: Floats) -> Floats:
    """Return the (n,) angles in degrees between the row axis and the major axis, -90 to 90.

    An object without a preferred axis gets ±45°, as in scikit-image.
    """
    rows, mixed, columns = tensor.T
    turned = 0.5 * np.arctan2(-2 * mixed, columns - rows)
    symmetric = np.where(mixed < 0, np.pi / 4, -np.pi / 4)
    return np.degrees(np.where(rows == columns, symmetric, turned))
