"""Zernike moments of shape and of intensity within the smallest circle around each object."""

import math

import numpy as np
from numba import njit

from levelfield.measurement.arrays import Floats, Integers


def orders(degree: int) -> list[tuple[int, int]]:
    """Return the radial and azimuthal orders (n, m) up to a degree: m <= n of the same parity."""
    return [(n, m) for n in range(degree + 1) for m in range(n % 2, n + 1, 2)]


def radial_coefficients(degree: int) -> Floats:
    """Return the coefficients of the radial polynomials over r^m, in r², highest power first.

    Zernike (1934): the factor of r^(n - 2k) is
    (-1)^k (n - k)! / (k! ((n + m) / 2 - k)! ((n - m) / 2 - k)!).
    """
    table = np.zeros((len(orders(degree)), degree // 2 + 1))
    for row, (n, m) in zip(table, orders(degree), strict=True):
        for k in range((n - m) // 2 + 1):
            below = (
                math.factorial(k)
                * math.factorial((n + m) // 2 - k)
                * math.factorial((n - m) // 2 - k)
            )
            row[k] = (-1) ** k * math.factorial(n - k) / below
    return table


def zernike_sums(
    values: Floats,
    starts: Integers,
    positions: Integers,
    width: int,
    circles: tuple[Floats, Floats],
    degree: int,
) -> Floats:
    """Sum every Zernike polynomial over the pixels of every object.

    Parameters
    ----------
    values : (C, P) float64
        Weights of the pixels, grouped by object.
    circles : (n, 2) and (n,) float64
        Centres and radii of the enclosing circles in px; objects with radius 0 get NaN.

    Returns
    -------
    (n, C + 1, K, 2) float64
        Real and imaginary sums, for weight 1 and then for each channel, in the order of `orders`.
    """
    steps = np.array(orders(degree))
    return _sums(values, starts, positions, width, *circles, radial_coefficients(degree), steps)


@njit(cache=True)
def _sums(
    values: Floats,
    starts: Integers,
    positions: Integers,
    width: int,
    centres: Floats,
    radii: Floats,
    coefficients: Floats,
    steps: Integers,
) -> Floats:
    channels, kinds = values.shape[0], steps.shape[0]
    sums = np.zeros((starts.size - 1, channels + 1, kinds, 2))
    basis = np.empty(2 * kinds)
    powers = np.empty((np.max(steps) + 1, 2))
    for k in range(starts.size - 1):
        if radii[k] == 0:
            sums[k] = np.nan
            continue
        flat = sums[k].reshape(channels + 1, 2 * kinds)
        for i in range(starts[k], starts[k + 1]):
            row = (positions[i] // width - centres[k, 0]) / radii[k]
            column = (positions[i] % width - centres[k, 1]) / radii[k]
            if column * column + row * row > 1:
                continue
            _fill_basis(row, column, coefficients, steps, powers, basis)
            for j in range(2 * kinds):
                flat[0, j] += basis[j]
            for channel in range(channels):
                value = values[channel, i]
                for j in range(2 * kinds):
                    flat[channel + 1, j] += basis[j] * value
    return sums


@njit(cache=True)
def _fill_basis(
    row: float, column: float, coefficients: Floats, steps: Integers, powers: Floats, basis: Floats
) -> None:
    """Evaluate all polynomials at one point of the unit disc: R(r²) (row + i column)^m."""
    square = column * column + row * row
    powers[0, 0], powers[0, 1] = 1.0, 0.0
    for m in range(1, powers.shape[0]):
        powers[m, 0] = powers[m - 1, 0] * row - powers[m - 1, 1] * column
        powers[m, 1] = powers[m - 1, 0] * column + powers[m - 1, 1] * row
    for j in range(steps.shape[0]):
        n, m = steps[j]
        radial = 0.0
        for term in range((n - m) // 2 + 1):
            radial = radial * square + coefficients[j, term]
        basis[2 * j] = radial * powers[m, 0]
        basis[2 * j + 1] = radial * powers[m, 1]
