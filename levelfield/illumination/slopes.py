"""Fit a smooth shading to the slopes of log images.

Every sum over pixels or images runs in a fixed order (`einsum`, `add.reduceat`) and none goes
through BLAS, whose order depends on the number of threads: the same images give the same bytes.
"""

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from levelfield.arrays import AnyArray
from levelfield.illumination.thumbnails import FOLDS, SATURATED, AnyFloats, percentile_of_each

Factors = tuple[AnyFloats, AnyFloats]

DIMMEST_SIGNAL = 0.05  # of an image's median; dimmer pixels are not believed
TOLERATED_LOSS = 0.1  # offset uncertainty / signal at which a pixel counts half
# Cauchy widths, in units of the residuals' own spread: wide first, so that a strong shading is not
# taken for an outlier, then narrow, so that cells are. The first rounds look at every second pixel
# of every second row, which is a quarter of the work.
ROUNDS = ((4.0, 2), (2.0, 2), (1.0, 2), (0.5, 2), (0.5, 1))
OFFSET_STEPS = 9
MEDIAN_LENGTH = 1.1774  # of a 2-D normal vector with unit spread: sqrt(2 ln 2)


def legendre_terms(degree: int) -> NDArray[np.intp]:
    """Orders (K, 2) along y and x of all Legendre products up to `degree`, but the constant."""
    pairs = [(y, x) for y in range(degree + 1) for x in range(degree + 1 - y)]
    return np.array(pairs[1:])


def legendre_values(length: int, degree: int) -> AnyFloats:
    """Legendre polynomials (length, degree + 1) at the centres of pixels that span -1..1."""
    return legendre.legvander((2 * np.arange(length) + 1) / length - 1, degree)


def evaluate_field(coefficients: AnyFloats, shape: tuple[int, int], degree: int) -> AnyFloats:
    """Field (Y, X) of float64 with mean 1 from the coefficients (K,) of its logarithm."""
    factors = (legendre_values(shape[0], degree), legendre_values(shape[1], degree))
    with np.errstate(over="ignore", invalid="ignore"):
        field = np.exp(_combine(coefficients, factors, legendre_terms(degree)))
        return field / field.mean()


def _combine(coefficients: AnyFloats, factors: Factors, terms: NDArray[np.intp]) -> AnyFloats:
    """Polynomial (y, x) with these coefficients (K,)."""
    along_y, along_x = factors
    table = np.zeros((along_y.shape[1], along_x.shape[1]))
    table[tuple(terms.T)] = coefficients
    return np.einsum("yj,xj->yx", np.einsum("yi,ij->yj", along_y, table), along_x)


def _project(images: AnyFloats, factors: Factors, terms: NDArray[np.intp]) -> AnyFloats:
    """Scalar products (F, K) of images (F, y, x) with every term."""
    along_y, along_x = factors
    products = np.einsum("fyj,yi->fij", np.einsum("fyx,xj->fyj", images, along_x), along_y)
    return products[:, terms[:, 0], terms[:, 1]]


def _gram(weights: AnyFloats, factors: Factors, terms: NDArray[np.intp]) -> AnyFloats:
    """Weighted scalar products (K, K) of the terms among themselves; `weights` is (y, x)."""
    along_y, along_x = factors
    pairs_y = along_y[:, :, None] * along_y[:, None, :]
    pairs_x = along_x[:, :, None] * along_x[:, None, :]
    rows = np.einsum("yx,xjk->yjk", weights, pairs_x)
    table = np.einsum("yil,yjk->ijlk", pairs_y, rows)
    y, x = terms.T
    return table[y[:, None], x[:, None], y[None, :], x[None, :]]


def _inner(stack: AnyArray) -> AnyArray:
    return stack[:, 1:-1, 1:-1]


def _down(stack: AnyFloats) -> AnyFloats:
    return stack[:, 2:, 1:-1] - stack[:, :-2, 1:-1]


def _right(stack: AnyFloats) -> AnyFloats:
    return stack[:, 1:-1, 2:] - stack[:, 1:-1, :-2]


class SlopeFit:
    """Robust fit of a polynomial log(field) to the slopes of log(images - offset).

    Slopes are central differences over two thumbnail pixels, down and right, at every inner pixel;
    the two share one weight, so that the edge of a cell counts little in both directions. Central
    differences matter: with one-sided ones a bright pixel would bend both slopes at once.

    Parameters
    ----------
    images : (N, y, x) float32
        Raw counts, in an order that depends on their content only. Consecutive runs form folds
        whose scatter gives the errors.
    maximum, degree : float and int
        Pixels at or near this count are not believed; total degree of the polynomial.

    Attributes
    ----------
    coefficients, spread : (K,) float64 and float
        Coefficients of log(field), in the order of `legendre_terms`; robust spread of the slopes
        that are left over, per thumbnail pixel.
    """

    def __init__(self, images: AnyFloats, maximum: float, degree: int) -> None:
        self.images = images
        self.unsaturated = images < SATURATED * maximum
        self.terms = legendre_terms(degree)
        self.values = tuple(legendre_values(side, degree) for side in images.shape[1:])
        values_y, values_x = (values[1:-1] for values in self.values)
        slopes_y, slopes_x = (values[2:] - values[:-2] for values in self.values)
        self.factors = ((slopes_y, values_x), (values_y, slopes_x))
        self.coefficients = np.zeros(len(self.terms))
        self.covariance = np.full((len(self.terms),) * 2, np.nan)
        self.spread = float("nan")
        n_folds = min(FOLDS, len(images))
        self.fold_starts = np.arange(n_folds) * len(images) // n_folds

    def fit(self, offset: float, uncertainty: float = 0.0) -> None:
        """Fit the coefficients at an offset that is known to some uncertainty (counts)."""
        self._observe(offset, uncertainty)
        for width, stride in ROUNDS:
            matrix, sides, weights = self._normal_equations(width, stride)
            inverse = np.linalg.pinv(matrix, hermitian=True)
            self.coefficients = self.coefficients + np.einsum("ab,fb->a", inverse, sides)
        self.covariance = _sandwich(inverse, sides, weights)

    def shrink(self) -> None:
        """Shrink the terms of each degree by the share of them that is noise.

        Positive-part James-Stein shrinkage (James & Stein 1961), degree by degree: detail that the
        images do not establish is left out, so few or crowded images give a smooth field instead
        of ripples at its border.
        """
        energy = self.coefficients**2 * self._mean_squares()
        noise = np.diag(self.covariance) * self._mean_squares()
        degrees = self.terms.sum(axis=1)
        for degree in np.unique(degrees):
            group = degrees == degree
            signal = max(energy[group].sum() - noise[group].sum(), 0.0)
            self.coefficients[group] *= signal / max(energy[group].sum(), 1e-300)

    def _mean_squares(self) -> AnyFloats:
        """Mean square (K,) of each term over the image; Legendre products are orthogonal."""
        return np.prod(1 / (2 * self.terms + 1), axis=1)

    def fit_offset(self, darkest: float) -> tuple[float, float]:
        """Fit coefficients and offset together; no offset is above the darkest pixel (counts).

        Gives the unconstrained estimate of the offset and its standard error in counts.
        """
        offset = free_offset = darkest / 2
        self.fit(offset)
        for _ in range(OFFSET_STEPS):
            matrix, sides, weights = self._normal_equations_with_offset(ROUNDS[-1][0])
            inverse = np.linalg.pinv(matrix, hermitian=True)
            step = np.einsum("ab,fb->a", inverse, sides)
            self.coefficients = self.coefficients + step[:-1]
            free_offset = offset - step[-1]
            offset = float(np.clip(free_offset, 0.0, darkest))
            self._observe(offset)
        covariance = _sandwich(inverse, sides, weights)
        return float(free_offset), float(np.sqrt(covariance[-1, -1]))

    def field_error(self) -> float:
        """Return the standard error of log(field), root mean square over the thumbnail's area."""
        return float(np.sqrt(np.diag(self.covariance) @ self._mean_squares()))

    def _observe(self, offset: float, uncertainty: float = 0.0) -> None:
        """Take the slopes of log(images - offset), and how far each pixel can be trusted."""
        signal = self.images - np.float32(offset)
        # Far below the image's median the logarithm magnifies noise.
        level = np.maximum(percentile_of_each(signal, 50), 1e-3).astype(np.float32)
        floor = DIMMEST_SIGNAL * level[:, None, None]
        doubtful = ~(self.unsaturated & (signal > floor))
        np.maximum(signal, floor, out=signal)
        self.inverse_signal = 1 / _inner(signal)
        logarithm = np.log(signal, out=signal)
        self.slopes_down = _down(logarithm)
        self.slopes_right = _right(logarithm)
        self.trust = None
        if doubtful.any() or uncertainty > 0:
            # An offset wrong by 10 % of the signal is wrong by 10 % of the shading.
            lost = self.inverse_signal * np.float32(uncertainty / TOLERATED_LOSS)
            self.trust = 1 / (1 + lost**2)
            touched = _inner(doubtful) | doubtful[:, 2:, 1:-1] | doubtful[:, :-2, 1:-1]
            self.trust[touched | doubtful[:, 1:-1, 2:] | doubtful[:, 1:-1, :-2]] = 0

    def _residuals(self, width: float, stride: int = 1) -> tuple[AnyFloats, AnyFloats, AnyFloats]:
        """Slopes left over, down and right, and their Cauchy weights, each (N, rows, columns)."""
        part = np.s_[:, ::stride, ::stride]
        fitted_down, fitted_right = self._fitted_slopes()
        down = self.slopes_down[part] - fitted_down.astype(np.float32)[part[1:]]
        right = self.slopes_right[part] - fitted_right.astype(np.float32)[part[1:]]
        trust = None if self.trust is None else self.trust[part]
        weights = down * down
        weights += right * right
        # Every 101st value is plenty for a median.
        sample = weights.ravel()[::101]
        if trust is not None:
            trusted = trust.ravel()[::101]
            sample = sample[trusted > 0.5 * trusted.max()]
        self.spread = float(np.sqrt(np.median(sample))) / MEDIAN_LENGTH if len(sample) else 0.0
        weights *= np.float32(1 / max((width * self.spread) ** 2, 1e-12))
        weights += 1
        np.reciprocal(weights, out=weights)
        if trust is not None:
            weights *= trust
        return down, right, weights

    def _fitted_slopes(self) -> tuple[AnyFloats, AnyFloats]:
        """Slopes of the polynomial, down and right, at every inner pixel."""
        down, right = (_combine(self.coefficients, pair, self.terms) for pair in self.factors)
        return down, right

    def _by_fold(self, values: AnyFloats) -> AnyFloats:
        """Return sums (folds, y, x) over the images of each fold."""
        return np.add.reduceat(values, self.fold_starts, axis=0).astype(np.float64)

    def _factors(self, stride: int = 1) -> tuple[Factors, Factors]:
        down, right = ((along_y[::stride], along_x[::stride]) for along_y, along_x in self.factors)
        return down, right

    def _sides(self, down: AnyFloats, right: AnyFloats, stride: int = 1) -> AnyFloats:
        """Right-hand sides (folds, K) of weighted residuals (folds, rows, columns)."""
        factors_down, factors_right = self._factors(stride)
        sides = _project(down, factors_down, self.terms)
        return sides + _project(right, factors_right, self.terms)

    def _matrix(self, weights: AnyFloats, stride: int = 1) -> AnyFloats:
        """Return the normal matrix (K, K) of weights (N, rows, columns)."""
        total = self._by_fold(weights).sum(axis=0)
        factors_down, factors_right = self._factors(stride)
        matrix = _gram(total, factors_down, self.terms)
        return matrix + _gram(total, factors_right, self.terms)

    def _normal_equations(
        self, width: float, stride: int
    ) -> tuple[AnyFloats, AnyFloats, AnyFloats]:
        """Matrix (K, K), right-hand sides (folds, K) and weights (N, rows, columns)."""
        down, right, weights = self._residuals(width, stride)
        sides = self._sides(self._by_fold(down * weights), self._by_fold(right * weights), stride)
        return self._matrix(weights, stride), sides, weights

    def _normal_equations_with_offset(self, width: float) -> tuple[AnyFloats, AnyFloats, AnyFloats]:
        """Build the same equations with the offset as last unknown."""
        # One count more of offset steepens each slope of log(field) by the factor 1 + 1 / signal,
        # so slope / signal is the offset's column.
        down, right, weights = self._residuals(width)
        matrix = self._matrix(weights)
        down *= weights
        right *= weights
        sides = self._sides(self._by_fold(down), self._by_fold(right))

        slope_down, slope_right = self._fitted_slopes()
        offset_sides = self._by_fold(down * self.inverse_signal) * slope_down
        offset_sides += self._by_fold(right * self.inverse_signal) * slope_right
        once = self._by_fold(weights * self.inverse_signal).sum(axis=0)[None]
        column = self._sides(once * slope_down, once * slope_right)[0]
        twice = self._by_fold(weights * self.inverse_signal**2).sum(axis=0)
        corner = np.sum(twice * (slope_down**2 + slope_right**2))

        matrix = np.block([[matrix, column[:, None]], [column[None, :], np.array([[corner]])]])
        return matrix, np.column_stack([sides, offset_sides.sum(axis=(1, 2))]), weights


def _sandwich(inverse: AnyFloats, sides: AnyFloats, weights: AnyFloats) -> AnyFloats:
    """Covariance (K, K) of the solution, from the scatter of the folds."""
    # The sandwich estimator (Huber 1967): residuals would count neighbouring pixels as independent.
    # The curvature of a Cauchy objective in two dimensions, averaged over directions, is weight².
    n_folds = len(sides)
    total = float(weights.sum(dtype=np.float64))
    if n_folds < 2 or total <= 0:
        return np.full(inverse.shape, np.inf)
    deviations = np.einsum("ab,fb->fa", inverse, sides - sides.mean(axis=0))
    scatter = np.einsum("fa,fb->ab", deviations, deviations) * n_folds / (n_folds - 1)
    curvature = float(np.square(weights).sum(dtype=np.float64)) / total
    return scatter / curvature**2
