"""Estimate and apply the flat field of one channel.

Raw counts are modelled as ``raw = camera_offset + field * light``: the offset is what the camera
reads without light, the field (mean 1) is the shading of lamp and optics, and the light is what
the sample sends. A flat field is worth nothing without the offset: neglecting 100 counts under a
background of 1,000 leaves a tenth of the shading in the image.

Shading is smooth, cells are not. So the estimator looks at the slope of log(raw - offset) from
pixel to pixel: in the background it is the slope of log(field), whatever the image's brightness,
and at the edges of cells it is large and points up as often as down. Iteratively re-weighted
least squares finds the Legendre polynomial whose slopes fit most pixels of most images. Levels
drop out, so images of different brightness and cells that gather in the middle do no harm.
(Symmetric sparse gradients: Zheng et al. 2009, Single-Image Vignetting Correction, IEEE TPAMI
31(12); many images and robust weights as in BaSiC, Peng et al. 2017, Nat Commun 8:14836.)

Read one image at a time, keep `downsample(image)`, and hand the thumbnails to `fit_flat_field`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from matplotlib.figure import Figure
from numpy.polynomial import legendre
from numpy.typing import NDArray
from scipy import sparse, stats

Floats = NDArray[np.floating]

ENOUGH_IMAGES = 100
DARKEST_FIELD = 0.1
DIMMEST_SIGNAL = 0.05
FOLDS = 10
# Cauchy widths, in units of the residuals' own spread: wide first, so that a strong shading is not
# taken for an outlier, then narrow, so that cells are.
WIDTHS = (4.0, 2.0, 1.0, 1.0, 1.0)
OFFSET_STEPS = 9
CAUCHY_MEDIAN = 1.1774  # median length of a 2-D normal vector with unit spread


@dataclass(frozen=True)
class CameraOffset:
    """What the camera reads without light.

    Parameters
    ----------
    counts : float
        Level in raw counts.
    uncertainty : float
        One standard deviation in raw counts; infinite where nothing is known.
    source : str
        ``config``, ``dark frame`` or ``estimated``.
    """

    counts: float
    uncertainty: float
    source: str

    def __post_init__(self) -> None:
        if not (np.isfinite(self.counts) and self.counts >= 0 and self.uncertainty >= 0):
            raise ValueError(
                f"camera offset {self.counts} ± {self.uncertainty} counts: it must be a finite "
                "number of counts, zero or more; every intensity would be wrong. Correct "
                "`camera_offset` in the config, or leave it out to have it estimated."
            )


@dataclass(frozen=True)
class FlatField:
    """Shading of one channel, and how far to trust it.

    Parameters
    ----------
    field : ndarray of float32, shape (Y, X)
        Relative illumination, mean 1; all ones when `status` is ``off``.
    camera_offset : CameraOffset
        Subtracted before the division by `field`.
    status : str
        ``ok``, ``weak`` (applied, but see `reason`) or ``off`` (not applied).
    reason : str
        A sentence for people.
    n_images : int
        Images that the fit used.
    degree : int
        Total degree of the polynomial.
    residual : float
        Robust spread of the slopes that the field does not explain, per thumbnail pixel, as a
        fraction of the signal: small where background shows, large where cells cover everything.
    field_error : float
        Standard error of the field, root mean square over pixels, as a fraction; NaN when ``off``.

    Raises
    ------
    ValueError
        If the field has zeros, negative or missing values, or a mean other than 1.
    """

    field: NDArray[np.float32]
    camera_offset: CameraOffset
    status: str
    reason: str
    n_images: int
    degree: int
    residual: float = float("nan")
    field_error: float = float("nan")

    def __post_init__(self) -> None:
        usable = (
            self.field.ndim == 2 and np.isfinite(self.field).all() and float(self.field.min()) > 0
        )
        if not usable or abs(float(self.field.mean(dtype=np.float64)) - 1) > 1e-3:
            raise ValueError(
                f"flat field of shape {self.field.shape}: it has zeros, negative or missing "
                "values, or its mean is not 1, and every image divided by it would be damaged. "
                "Delete the illumination file so that it is fitted again."
            )


def camera_offset_from_config(counts: float) -> CameraOffset:
    """Return the offset that the user states, in raw counts, taken as exact."""
    return CameraOffset(float(counts), 0.0, "config")


def camera_offset_from_dark_frame(dark_frame: NDArray) -> CameraOffset:
    """Measure the offset in an image taken without light.

    Parameters
    ----------
    dark_frame : ndarray, shape (Y, X)
        Raw counts.

    Returns
    -------
    CameraOffset
        The median, with the robust spread of the frame's regional means as uncertainty.

    Raises
    ------
    ValueError
        If the frame varies over its area like an image taken with light.
    """
    regions = downsample(dark_frame, size=16)
    low, level, high = np.percentile(regions, [5, 50, 95])
    if high - low > max(5.0, 0.1 * level):
        raise ValueError(
            f"the dark frame varies from {low:.0f} to {high:.0f} counts over its area: it seems to "
            "have been taken with light, and would remove signal. Take it with the shutter closed, "
            "or state `camera_offset` as a number."
        )
    spread = stats.median_abs_deviation(regions, axis=None, scale="normal")
    return CameraOffset(float(level), float(spread), "dark frame")


def downsample(image: NDArray, size: int = 120) -> NDArray[np.float32]:
    """Shrink an image by area mean, in raw counts.

    Pixels that straddle two cells count in both by their share, so any image size will do.

    Parameters
    ----------
    image : ndarray, shape (Y, X)
        Raw counts.
    size : int
        Longer side of the thumbnail in px; a smaller image keeps its size.

    Returns
    -------
    ndarray of float32, shape (y, x)
        Thumbnail of about the same proportions.

    Raises
    ------
    ValueError
        If `image` is not two-dimensional.
    """
    if image.ndim != 2 or min(image.shape) < 1:
        raise ValueError(
            f"an image of shape {image.shape} was given for the illumination fit, where one plane "
            "(Y, X) is needed. Pass channels and z planes one by one."
        )
    scale = min(1.0, size / max(image.shape))
    rows, columns = (max(1, round(length * scale)) for length in image.shape)
    along_y = _area_weights(image.shape[0], rows)
    along_x = _area_weights(image.shape[1], columns)
    # Float64 keeps a constant image exactly constant.
    return ((along_y @ image.astype(np.float64)) @ along_x.T).astype(np.float32)


@lru_cache(maxsize=16)
def _area_weights(length: int, cells: int) -> sparse.csr_array:
    """Shares (cells, length) by which each pixel of a row belongs to each equal cell."""
    pixel = np.arange(length)
    first = pixel * cells // length
    last = ((pixel + 1) * cells - 1) // length
    into_last = np.where(last > first, ((pixel + 1) * cells - last * length) / cells, 0.0)
    shares = np.concatenate([1.0 - into_last, into_last]) * cells / length
    where = (np.concatenate([first, last]), np.concatenate([pixel, pixel]))
    return sparse.coo_array((shares, where), shape=(cells, length)).tocsr()


def estimate_camera_offset(
    thumbnails: Floats, *, maximum: float = np.inf, degree: int = 6
) -> CameraOffset:
    """Estimate the offset from the images themselves.

    With a wrong offset, bright pixels and dim pixels disagree about the shading, because the
    offset is a larger share of the dim ones. The offset is fitted together with the field to
    make them agree. The answer is combined with what is certain, that the offset lies between
    zero and the darkest pixel, so images that say nothing give the middle of that range and its
    full spread.

    Parameters
    ----------
    thumbnails : ndarray of float, shape (N, y, x)
        Images from `downsample`, in raw counts, in any order.
    maximum : float
        Largest count of the bit depth.
    degree : int
        Total degree of the field's polynomial.

    Returns
    -------
    CameraOffset
        Never above the darkest pixel of the usable images; 0 where that is below one count, as in
        images whose background was subtracted.
    """
    images = _canonical_order(_usable_images(thumbnails, maximum))
    darkest = float(images.min()) if len(images) else 0.0
    if not len(images):
        return CameraOffset(0.0, np.inf, "estimated")
    if darkest < 1.0:
        return CameraOffset(0.0, darkest, "estimated")
    if len(images) < 2 * FOLDS:
        return CameraOffset(*_between(0.0, darkest, darkest / 2, np.inf), "estimated")
    fit = _SlopeFit(images, maximum, degree)
    fit.settle(darkest / 2)
    offset, error = fit.settle_offset(darkest)
    return CameraOffset(*_between(0.0, darkest, offset, error), "estimated")


def _between(low: float, high: float, estimate: float, error: float) -> tuple[float, float]:
    """Mean and spread of an estimate with normal error that is known to lie in a range."""
    if error > 100 * (high - low):
        return (low + high) / 2, (high - low) / np.sqrt(12)
    error = max(error, 1e-6 * (high - low))
    bounds = ((low - estimate) / error, (high - estimate) / error)
    known = stats.truncnorm(*bounds, loc=estimate, scale=error)
    return float(np.clip(known.mean(), low, high)), float(known.std())


def fit_flat_field(
    thumbnails: Floats,
    shape: tuple[int, int],
    camera_offset: CameraOffset,
    *,
    maximum: float = np.inf,
    degree: int = 6,
    minimum_images: int = 30,
    force: bool = False,
) -> FlatField:
    """Fit the flat field of one channel to a sample of its images.

    The result does not depend on the order of the images, to the last bit. Images without any
    structure (shutter closed, zero-filled) or with more than half of their area saturated are left
    out.

    Parameters
    ----------
    thumbnails : ndarray of float, shape (N, y, x)
        Images from `downsample`, in raw counts.
    shape : tuple of int
        (Y, X) of the raw images in px.
    camera_offset : CameraOffset
        From the config, a dark frame, or `estimate_camera_offset`.
    maximum : float
        Largest count of the bit depth; pixels at it are not believed.
    degree : int
        Total degree of the polynomial of log(field).
    minimum_images : int
        With fewer usable images the field stays ones (status ``off``).
    force : bool
        Fit and apply the field even then.

    Returns
    -------
    FlatField
        At full resolution, evaluated from the polynomial. An estimated offset is dropped together
        with a field that is ``off``: what is not corrected, is left as it was.

    Raises
    ------
    ValueError
        If thumbnails and shape do not fit, or the offset is above most of the signal.
    """
    _check_thumbnails(thumbnails, shape)
    images = _canonical_order(_usable_images(thumbnails, maximum))
    _check_offset(images, camera_offset)
    n_images = len(images)
    if n_images == 0 or (n_images < minimum_images and not force):
        reason = (
            f"{n_images} usable images of {len(thumbnails)}, and at least {minimum_images} are "
            "needed, so this channel is not corrected."
        )
        return _no_field(shape, camera_offset, reason, n_images, degree)
    fit = _SlopeFit(images, maximum, degree)
    fit.settle(camera_offset.counts)
    field = _evaluate(fit.coefficients, shape, degree)
    if not np.isfinite(field).all() or field.min() < DARKEST_FIELD:
        reason = (
            f"the fitted field falls to {100 * np.nanmin(field):.0f} % of its mean, which is not "
            "believable; the images have too little background or the camera offset is wrong, so "
            "this channel is not corrected."
        )
        return _no_field(shape, camera_offset, reason, n_images, degree)
    status, reason = _trust(images, camera_offset)
    return FlatField(
        field.astype(np.float32),
        camera_offset,
        status,
        reason,
        n_images,
        degree,
        residual=fit.spread,
        field_error=fit.field_error(),
    )


def _check_thumbnails(thumbnails: Floats, shape: tuple[int, int]) -> None:
    if thumbnails.ndim != 3 or min(thumbnails.shape[1:]) < 8:
        raise ValueError(
            f"thumbnails of shape {thumbnails.shape}: the illumination fit needs (N, y, x) with at "
            "least 8 x 8 px each. Make them with `downsample` and stack them."
        )
    proportions = [
        side / thumbnail for side, thumbnail in zip(shape, thumbnails.shape[1:], strict=True)
    ]
    if max(proportions) > 1.2 * min(proportions):
        raise ValueError(
            f"thumbnails of {thumbnails.shape[1]} x {thumbnails.shape[2]} px do not have the "
            f"proportions of images of {shape[0]} x {shape[1]} px, so the field would not fit the "
            "images. Give the shape of the raw images that the thumbnails were made of."
        )


def _check_offset(images: Floats, camera_offset: CameraOffset) -> None:
    if not len(images):
        return
    typical = float(np.median(np.median(images, axis=(1, 2))))
    if typical <= camera_offset.counts:
        raise ValueError(
            f"the camera offset of {camera_offset.counts:.1f} counts ({camera_offset.source}) is "
            f"above the typical level of the images, {typical:.1f} counts, so nothing would be "
            "left of them. Correct `camera_offset`, or leave it out to have it estimated."
        )


def _no_field(
    shape: tuple[int, int], offset: CameraOffset, reason: str, n_images: int, degree: int
) -> FlatField:
    if offset.source == "estimated":
        offset = CameraOffset(0.0, offset.counts + offset.uncertainty, "estimated")
    return FlatField(np.ones(shape, np.float32), offset, "off", reason, n_images, degree)


def _trust(images: Floats, camera_offset: CameraOffset) -> tuple[str, str]:
    """Status and reason of a field that was fitted."""
    doubts = []
    if len(images) < ENOUGH_IMAGES:
        doubts.append(f"{len(images)} images, where {ENOUGH_IMAGES} are advised (200 if dense)")
    below = float(np.mean(images < camera_offset.counts))
    if below > 0.001:
        doubts.append(f"{100 * below:.1f} % of the area is darker than the camera offset")
    background = float(np.median(np.percentile(images, 25, axis=(1, 2)))) - camera_offset.counts
    if camera_offset.uncertainty > 0.05 * background:
        doubts.append(
            f"the camera offset is uncertain by {camera_offset.uncertainty:.1f} counts, against "
            f"{background:.0f} counts of background; a dark frame would settle it"
        )
    if doubts:
        return "weak", "; ".join(doubts) + "."
    return "ok", f"{len(images)} images."


def _usable_images(thumbnails: Floats, maximum: float) -> Floats:
    """Images that can show shading: finite, not constant, not saturated over half of the area."""
    flat = np.asarray(thumbnails, np.float32).reshape(len(thumbnails), -1)
    if not len(flat):
        return np.empty(thumbnails.shape, np.float32)
    varies = flat.max(axis=1) > flat.min(axis=1) * (1 + 1e-5)
    unsaturated = np.mean(flat >= 0.98 * maximum, axis=1) < 0.5
    return np.asarray(thumbnails, np.float32)[np.isfinite(flat).all(axis=1) & varies & unsaturated]


def _canonical_order(images: Floats) -> Floats:
    """Sort by content, so that sums come out the same whatever order the images were read in.

    Neighbours in content are dealt to different folds, so that every fold has its share of bright
    and dim images.
    """
    order = np.array(sorted(range(len(images)), key=lambda i: images[i].tobytes()), dtype=int)
    return images[np.concatenate([order[fold::FOLDS] for fold in range(FOLDS)])]


def _terms(degree: int) -> NDArray[np.intp]:
    """Exponents (K, 2) along y and x of all Legendre products up to `degree`, but the constant."""
    pairs = [(y, x) for y in range(degree + 1) for x in range(degree + 1 - y)]
    return np.array(pairs[1:])


def _legendre(length: int, degree: int) -> Floats:
    """Legendre polynomials (length, degree + 1) at the centres of pixels that span -1..1."""
    return legendre.legvander((2 * np.arange(length) + 1) / length - 1, degree)


def _evaluate(coefficients: Floats, shape: tuple[int, int], degree: int) -> Floats:
    """Field (Y, X) with mean 1 from the coefficients of its logarithm."""
    table = np.zeros((degree + 1, degree + 1))
    table[tuple(_terms(degree).T)] = coefficients
    # einsum without `optimize` adds in a fixed order; BLAS depends on the number of threads.
    along_y = np.einsum("yi,ij->yj", _legendre(shape[0], degree), table)
    logarithm = np.einsum("yj,xj->yx", along_y, _legendre(shape[1], degree))
    with np.errstate(over="ignore", invalid="ignore"):
        field = np.exp(logarithm)
        return field / field.mean()


class _SlopeFit:
    """Robust fit of a polynomial log(field) to the slopes of log(images - offset).

    Slopes are central differences over two thumbnail pixels, down and right, at every inner pixel;
    the two share one weight, so that the edge of a cell counts little in both directions.

    Parameters
    ----------
    images : ndarray of float32, shape (N, y, x)
        Raw counts, in canonical order.
    maximum : float
        Pixels at or near this count are not believed.
    degree : int
        Total degree of the polynomial.
    """

    def __init__(self, images: Floats, maximum: float, degree: int) -> None:
        self.images = images
        self.degree = degree
        self.unsaturated = images < 0.98 * maximum
        terms = _terms(degree)
        basis_y = _legendre(images.shape[1], degree)[:, terms[:, 0]]
        basis_x = _legendre(images.shape[2], degree)[:, terms[:, 1]]
        self.basis = basis_y[:, None, :] * basis_x[None, :, :]
        self.design_down = self._differences(self.basis[None], axis=1)[0].T.copy()
        self.design_right = self._differences(self.basis[None], axis=2)[0].T.copy()
        self.coefficients = np.zeros(len(terms))
        self.covariance = np.zeros((len(terms), len(terms)))
        self.spread = float("nan")
        n_folds = min(FOLDS, len(images))
        self.fold_starts = np.arange(n_folds) * len(images) // n_folds

    @staticmethod
    def _differences(stack: Floats, axis: int) -> Floats:
        """Central differences at the inner pixels of (N, y, x, ...), as (N, pixels, ...)."""
        if axis == 1:
            slopes = stack[:, 2:, 1:-1] - stack[:, :-2, 1:-1]
        else:
            slopes = stack[:, 1:-1, 2:] - stack[:, 1:-1, :-2]
        return slopes.reshape(len(stack), -1, *stack.shape[3:])

    def _observe(self, offset: float) -> None:
        """Take the slopes of log(images - offset) and mark the pixels that can be believed."""
        signal = self.images - np.float32(offset)
        floor = DIMMEST_SIGNAL * np.maximum(np.median(signal, axis=(1, 2), keepdims=True), 1e-3)
        doubtful = ~(self.unsaturated & (signal > floor))
        signal = np.maximum(signal, floor)
        logarithm = np.log(signal)
        self.down = self._differences(logarithm, axis=1)
        self.right = self._differences(logarithm, axis=2)
        self.inverse_signal = 1 / signal[:, 1:-1, 1:-1].reshape(len(signal), -1)
        self.believed = None
        if doubtful.any():
            touched = doubtful[:, 1:-1, 1:-1] | doubtful[:, 2:, 1:-1] | doubtful[:, :-2, 1:-1]
            touched |= doubtful[:, 1:-1, 2:] | doubtful[:, 1:-1, :-2]
            self.believed = ~touched.reshape(len(touched), -1)

    def _residuals(self, width: float) -> tuple[Floats, Floats, Floats]:
        """Slopes left over, down and right, and their Cauchy weights (N, pixels)."""
        down = self.down - (self.coefficients @ self.design_down).astype(np.float32)
        right = self.right - (self.coefficients @ self.design_right).astype(np.float32)
        weights = down * down
        weights += right * right
        # Every 23rd value is plenty for a median, and 23 shares no factor with usual image widths.
        believed = weights if self.believed is None else weights[self.believed]
        sample = believed.ravel()[::23]
        self.spread = float(np.sqrt(np.median(sample))) / CAUCHY_MEDIAN if len(sample) else 1.0
        weights /= max((width * self.spread) ** 2, 1e-12)
        weights += 1
        np.reciprocal(weights, out=weights)
        if self.believed is not None:
            weights *= self.believed
        return down, right, weights

    def _by_fold(self, values: Floats) -> Floats:
        """Return sums (folds, pixels) over the images of each fold."""
        return np.add.reduceat(values, self.fold_starts, axis=0, dtype=np.float64)

    def _normal_equations(self, width: float, with_offset: bool) -> tuple[Floats, Floats]:
        """Matrix (K, K) and right-hand sides (folds, K), with the offset as last unknown or not.

        A higher offset by one count steepens every slope of the field by 1 / signal, so that is
        the column of the offset.
        """
        down, right, weights = self._residuals(width)
        total = weights.sum(axis=0, dtype=np.float64)
        matrix = np.einsum("ap,bp->ab", self.design_down * total, self.design_down)
        matrix += np.einsum("ap,bp->ab", self.design_right * total, self.design_right)
        matrix += 1e-12 * np.trace(matrix) * np.eye(len(matrix))
        down *= weights
        right *= weights
        sides = np.einsum("fp,ap->fa", self._by_fold(down), self.design_down)
        sides += np.einsum("fp,ap->fa", self._by_fold(right), self.design_right)
        if not with_offset:
            return matrix, sides
        slope_down = self.coefficients @ self.design_down
        slope_right = self.coefficients @ self.design_right
        weights *= self.inverse_signal
        first = weights.sum(axis=0, dtype=np.float64)
        weights *= self.inverse_signal
        second = weights.sum(axis=0, dtype=np.float64)
        column = np.einsum("ap,p->a", self.design_down, first * slope_down)
        column += np.einsum("ap,p->a", self.design_right, first * slope_right)
        corner = np.sum(second * (slope_down**2 + slope_right**2))
        offset_sides = self._by_fold(down * self.inverse_signal) * slope_down
        offset_sides += self._by_fold(right * self.inverse_signal) * slope_right
        matrix = np.block([[matrix, column[:, None]], [column[None, :], np.array([[corner]])]])
        return matrix, np.column_stack([sides, offset_sides.sum(axis=1)])

    @staticmethod
    def _solve(matrix: Floats, sides: Floats) -> tuple[Floats, Floats]:
        """Solution and its covariance, from the scatter of the folds (sandwich estimator)."""
        inverse = np.linalg.pinv(matrix, hermitian=True)
        folds = len(sides)
        if folds < 2:
            return inverse @ sides.sum(axis=0), np.full(matrix.shape, np.inf)
        scatter = np.cov(sides, rowvar=False) * folds
        return inverse @ sides.sum(axis=0), inverse @ scatter @ inverse

    def settle(self, offset: float) -> None:
        """Fit the coefficients at a known offset."""
        self._observe(offset)
        for width in WIDTHS:
            step, self.covariance = self._solve(*self._normal_equations(width, False))
            self.coefficients = self.coefficients + step

    def settle_offset(self, darkest: float) -> tuple[float, float]:
        """Fit coefficients and offset together; return the offset and its standard error."""
        offset = darkest / 2
        for _ in range(OFFSET_STEPS):
            step, covariance = self._solve(*self._normal_equations(WIDTHS[-1], True))
            self.coefficients = self.coefficients + step[:-1]
            free_offset = offset - step[-1]
            offset = float(np.clip(free_offset, 0.0, darkest))
            self._observe(offset)
        return float(free_offset), float(np.sqrt(max(covariance[-1, -1], 0.0)))

    def field_error(self) -> float:
        """Return the standard error of log(field), root mean square over the thumbnail's pixels."""
        deviations = self.basis - self.basis.mean(axis=(0, 1))
        variance = np.einsum("yxa,ab,yxb->yx", deviations, self.covariance, deviations)
        return float(np.sqrt(max(variance.mean(), 0.0)))


def correct(image: NDArray, flat_field: FlatField, maximum: float) -> NDArray[np.float32]:
    """Correct an image for offset and shading, and scale it to the declared maximum.

    Nothing is clipped. Pixels darker than the offset become slightly negative and stay so, because
    clipping them would lift the mean of dim regions; bright pixels in dim corners may exceed 1.

    Parameters
    ----------
    image : ndarray, shape (Y, X)
        Raw counts.
    flat_field : FlatField
        Of the same channel and image size.
    maximum : float
        Largest count of the declared bit depth, such as 255, 4095 or 65535.

    Returns
    -------
    ndarray of float32, shape (Y, X)
        ``(image - offset) / field / maximum``.

    Raises
    ------
    ValueError
        If image and field differ in size, or the maximum is not positive.
    """
    if image.shape != flat_field.field.shape:
        raise ValueError(
            f"an image of shape {image.shape} cannot be corrected by a flat field of shape "
            f"{flat_field.field.shape}: each pixel would get another pixel's shading. Images of "
            "one channel must have one size; exclude the site or put it on a plate of its own."
        )
    if not maximum > 0:
        raise ValueError(
            f"the declared maximum is {maximum}, so intensities cannot be scaled. State the bit "
            "depth of the camera, or its largest count, such as 65535."
        )
    corrected = np.subtract(image, flat_field.camera_offset.counts, dtype=np.float32)
    corrected /= flat_field.field * np.float32(maximum)
    return corrected


def to_arrays(flat_fields: Mapping[str, FlatField]) -> dict[str, NDArray]:
    """Turn the fields of all channels into plain arrays for one ``.npz``, without pickle.

    Scalars are arrays (C,) in the order of ``channels``; the field of channel number i is
    ``field_i`` (Y, X).
    """
    fields = list(flat_fields.values())
    arrays: dict[str, NDArray] = {
        "channels": np.array(list(flat_fields), dtype=np.str_),
        "status": np.array([field.status for field in fields], dtype=np.str_),
        "reason": np.array([field.reason for field in fields], dtype=np.str_),
        "n_images": np.array([field.n_images for field in fields], dtype=np.int64),
        "degree": np.array([field.degree for field in fields], dtype=np.int64),
        "residual": np.array([field.residual for field in fields], dtype=np.float64),
        "field_error": np.array([field.field_error for field in fields], dtype=np.float64),
    }
    offsets = [field.camera_offset for field in fields]
    arrays["camera_offset"] = np.array([offset.counts for offset in offsets], dtype=np.float64)
    arrays["camera_offset_uncertainty"] = np.array(
        [offset.uncertainty for offset in offsets], dtype=np.float64
    )
    arrays["camera_offset_source"] = np.array([o.source for o in offsets], dtype=np.str_)
    arrays |= {f"field_{number}": field.field for number, field in enumerate(fields)}
    return arrays


def from_arrays(arrays: Mapping[str, NDArray]) -> dict[str, FlatField]:
    """Rebuild the fields by channel from `to_arrays` or from the ``.npz`` written of it."""
    flat_fields = {}
    for number, channel in enumerate(arrays["channels"]):
        offset = CameraOffset(
            float(arrays["camera_offset"][number]),
            float(arrays["camera_offset_uncertainty"][number]),
            str(arrays["camera_offset_source"][number]),
        )
        flat_fields[str(channel)] = FlatField(
            np.asarray(arrays[f"field_{number}"], dtype=np.float32),
            offset,
            status=str(arrays["status"][number]),
            reason=str(arrays["reason"][number]),
            n_images=int(arrays["n_images"][number]),
            degree=int(arrays["degree"][number]),
            residual=float(arrays["residual"][number]),
            field_error=float(arrays["field_error"][number]),
        )
    return flat_fields


def edge_falloff(field: Floats) -> float:
    """How much dimmer the border of the field is than its brightest part, as a fraction."""
    border = np.concatenate([field[0], field[-1], field[:, 0], field[:, -1]])
    return float(1 - border.mean(dtype=np.float64) / field.max())


def summary(flat_fields: Mapping[str, FlatField]) -> list[dict[str, str | int | float]]:
    """One row per channel for ``illumination.csv``; offsets in counts, fields with mean 1."""
    return [
        {
            "channel": channel,
            "status": flat_field.status,
            "reason": flat_field.reason,
            "camera_offset": flat_field.camera_offset.counts,
            "camera_offset_uncertainty": flat_field.camera_offset.uncertainty,
            "camera_offset_source": flat_field.camera_offset.source,
            "n_images": flat_field.n_images,
            "degree": flat_field.degree,
            "field_min": float(flat_field.field.min()),
            "field_max": float(flat_field.field.max()),
            "edge_falloff_percent": 100 * edge_falloff(flat_field.field),
            "field_error_percent": 100 * flat_field.field_error,
            "residual_percent": 100 * flat_field.residual,
        }
        for channel, flat_field in flat_fields.items()
    ]


def draw_flat_field(flat_field: FlatField, channel: str) -> Figure:
    """Draw the field as a map beside its profiles along the two diagonals.

    Parameters
    ----------
    flat_field : FlatField
        Field of one channel.
    channel : str
        Its name, for the title.

    Returns
    -------
    matplotlib.figure.Figure
        About 9 x 4 inches; save it with ``figure.savefig``.
    """
    field = flat_field.field
    rows, columns = field.shape
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    map_axes, profile_axes = figure.subplots(1, 2, width_ratios=[1, 1.15])
    # At most ~600 px a side is all that the picture shows.
    step = max(1, max(field.shape) // 600)
    limits = {"vmin": min(field.min(), 0.9), "vmax": max(field.max(), 1.1)}
    extent = (0, columns, rows, 0)
    shown = map_axes.imshow(field[::step, ::step], cmap="viridis", extent=extent, **limits)
    figure.colorbar(shown, ax=map_axes, label="relative illumination", shrink=0.85)
    map_axes.set(xlabel="x (px)", ylabel="y (px)")

    along = np.linspace(0, 1, 400)
    y = np.rint(along * (rows - 1)).astype(int)
    x = np.rint(along * (columns - 1)).astype(int)
    for name, profile, style, colour in (
        ("top left to bottom right", field[y, x], "-", "#1b6ca8"),
        ("bottom left to top right", field[y[::-1], x], "--", "#d1495b"),
    ):
        profile_axes.plot(100 * along, profile, style, color=colour, label=name)
        ends = {"color": colour, "linestyle": style, "linewidth": 0.8, "alpha": 0.6}
        map_axes.plot(x, y if style == "-" else y[::-1], **ends)
    profile_axes.axhline(1, color="0.6", linewidth=0.8)
    profile_axes.set(
        xlabel="along the diagonal (%)",
        ylabel="relative illumination",
        ylim=(min(0.9, float(field.min()) - 0.03), max(1.1, float(field.max()) + 0.03)),
    )
    profile_axes.spines[["top", "right"]].set_visible(False)
    profile_axes.legend(frameon=False, loc="lower center")
    offset = flat_field.camera_offset
    figure.suptitle(
        f"{channel}: {flat_field.status} – {flat_field.reason}\n"
        f"camera offset {offset.counts:.1f} ± {offset.uncertainty:.1f} counts ({offset.source})",
        fontsize=10,
    )
    return figure
