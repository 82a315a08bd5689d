"""Zernike moments of shape and of intensity within the smallest circle around each object."""

import math

import numpy as np
from numba import njit
from scipy.sparse import csr_array

from levelfield.arrays import Floats, Integers
from levelfield.measurement.pixels import ObjectPixels


def orders(degree: int) -> list[tuple[int, int]]:
    """Return the radial and azimuthal orders (n, m) up to a degree: m <= n of the same parity."""
    return [(n, m) for n in range(degree + 1) for m in range(n % 2, n + 1, 2)]


def zernike_sums(
    values: Floats, pixels: ObjectPixels, circles: tuple[Floats, Floats], degree: int
) -> Floats:
    """Sum every Zernike polynomial over the pixels of every object: (n, C + 1, K, 2).

    Real and imaginary sums, for weight 1 and then for the intensities of each channel, in the order
    of `orders`; NaN where the enclosing circle has radius 0. The polynomials are sums of products
    row^p column^q, and so are their sums over pixels: a pixel costs one power per degree and
    channel instead of one polynomial per order and channel.
    """
    moments = np.zeros((pixels.count, len(values) + 1, degree + 1, degree + 1))
    work = np.ones((len(values) + 2, degree + 1))
    where = (pixels.starts, pixels.positions, pixels.shape[1])
    _add_moments(values, *where, np.column_stack(circles), work, moments)
    moments[circles[1] == 0] = np.nan
    table = np.moveaxis(polynomials(degree), 3, 1).reshape(-1, (degree + 1) ** 2)
    sums = csr_array(table) @ moments.reshape(-1, (degree + 1) ** 2).T
    form = (*moments.shape[:2], -1, 2)
    return np.ascontiguousarray(sums.T).reshape(form)


def polynomials(degree: int) -> Floats:
    """Return the (K, degree + 1, degree + 1, 2) coefficients of row^p column^q, real and imaginary.

    Zernike (1934): V_nm = R_nm(r) (row + i column)^m / r^m with the factor of r^(n - 2k) in R_nm
    (-1)^k (n - k)! / (k! ((n + m) / 2 - k)! ((n - m) / 2 - k)!).
    """
    table = np.zeros((len(orders(degree)), degree + 1, degree + 1, 2))
    for polynomial, (n, m) in zip(table, orders(degree), strict=True):
        for k in range((n - m) // 2 + 1):
            below = (
                math.factorial(k)
                * math.factorial((n + m) // 2 - k)
                * math.factorial((n - m) // 2 - k)
            )
            _add_term(polynomial, (-1) ** k * math.factorial(n - k) // below, m, (n - m) // 2 - k)
    return table


def _add_term(polynomial: Floats, factor: int, m: int, squares: int) -> None:
    """Add factor (row + i column)^m (row² + column²)^squares, multiplied out."""
    for across in range(m + 1):
        turn = 1j**across  # a power of i: exactly 1, i, -1 or -i
        for more in range(squares + 1):
            ways = factor * math.comb(m, across) * math.comb(squares, more)
            row_power = m - across + 2 * (squares - more)
            polynomial[row_power, across + 2 * more, 0] += ways * round(turn.real)
            polynomial[row_power, across + 2 * more, 1] += ways * round(turn.imag)


@njit(cache=True)
def _add_moments(
    values: Floats,
    starts: Integers,
    positions: Integers,
    width: int,
    circles: Floats,
    work: Floats,
    moments: Floats,
) -> None:
    """Sum weight * row^p column^q of the pixels in the circle, in units of its radius."""
    # `work` holds the sums of a row of an object, and in its last line the powers of a column.
    channels, degree = values.shape[0], work.shape[1] - 1
    for k in range(starts.size - 1):
        i = starts[k]
        while i < starts[k + 1] and circles[k, 2] > 0:
            image_row = positions[i] // width
            row = (image_row - circles[k, 0]) / circles[k, 2]
            for channel in range(channels + 1):
                for q in range(degree + 1):
                    work[channel, q] = 0.0
            while i < starts[k + 1] and positions[i] < (image_row + 1) * width:
                column = (positions[i] - image_row * width - circles[k, 1]) / circles[k, 2]
                if column * column + row * row <= 1:
                    for q in range(1, degree + 1):
                        work[channels + 1, q] = work[channels + 1, q - 1] * column
                    for q in range(degree + 1):
                        work[0, q] += work[channels + 1, q]
                    for channel in range(channels):
                        for q in range(degree + 1):
                            work[channel + 1, q] += values[channel, i] * work[channels + 1, q]
                i += 1
            row_power = 1.0
            for p in range(degree + 1):
                for channel in range(channels + 1):
                    for q in range(degree + 1 - p):
                        moments[k, channel, p, q] += row_power * work[channel, q]
                row_power *= row
