"""The flat field of one channel: fit it, judge it, apply it."""

from dataclasses import dataclass

import numpy as np

from levelfield.arrays import Image
from levelfield.illumination.camera_offset import CameraOffset
from levelfield.illumination.slopes import SlopeFit, evaluate_field
from levelfield.illumination.thumbnails import (
    AnyFloats,
    canonical_order,
    percentile_of_each,
    usable_images,
)

ENOUGH_IMAGES = 100
DARKEST_FIELD = 0.1
WEAK_ERROR = 0.02
LARGEST_ERROR = 0.05


@dataclass(frozen=True)
class FlatField:
    """Shading of one channel, and how far to trust it.

    Parameters
    ----------
    field : (Y, X) float32
        Relative illumination, mean 1; all ones when `status` is ``off``.
    camera_offset : CameraOffset
        Subtracted before the division by `field`.
    status, reason : str
        ``ok``, ``weak`` (applied, but see the reason) or ``off``; a sentence for people.
    n_images, degree : int
        Images that the fit used, and total degree of the polynomial.
    residual : float
        Robust spread of the slopes that the field does not explain, per thumbnail pixel, as a
        fraction of the signal: small where background shows, large where cells cover everything.
    field_error : float
        Standard error of the field, root mean square over pixels, as a fraction; NaN when ``off``.
    darkest, brightest : float
        Corrected intensities, as fractions of full scale, that pictures of the plate show as black
        and as white (`levelfield.illumination.display_range`).

    Raises
    ------
    ValueError
        If the field has zeros, negative or missing values, or a mean other than 1.
    """

    field: Image
    camera_offset: CameraOffset
    status: str
    reason: str
    n_images: int
    degree: int
    residual: float = float("nan")
    field_error: float = float("nan")
    darkest: float = 0.0
    brightest: float = 1.0

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


def fit_flat_field(
    thumbnails: AnyFloats,
    shape: tuple[int, int],
    camera_offset: CameraOffset,
    *,
    maximum: float = np.inf,
    degree: int = 6,
    minimum_images: int = 30,
    force: bool = False,
) -> FlatField:
    """Fit the flat field of one channel to a sample of its usable images, whatever their order.

    Parameters
    ----------
    thumbnails, shape : (N, y, x) ndarray of float, (int, int)
        Images from `downsample`, in raw counts, and (Y, X) of the raw images in px.
    maximum, degree : float, int
        As in `levelfield.illumination.slopes.SlopeFit`.
    minimum_images, force : int, bool
        With fewer usable images the field stays ones (status ``off``), unless forced.

    Returns
    -------
    FlatField
        An estimated offset is dropped together with a field that is ``off``.

    Raises
    ------
    ValueError
        If thumbnails and shape do not fit, or the offset is above most of the signal.
    """
    _check_thumbnails(thumbnails, shape)
    images = canonical_order(usable_images(thumbnails, maximum))
    _check_offset(images, camera_offset)
    if not len(images) or (len(images) < minimum_images and not force):
        reason = (
            f"{len(images)} usable images of {len(thumbnails)}, and at least {minimum_images} are "
            "needed, so this channel is not corrected."
        )
        return _no_field(shape, camera_offset, reason, len(images), degree)
    fit = SlopeFit(images, maximum, degree)
    fit.fit(camera_offset.counts, camera_offset.uncertainty)
    fit.shrink()
    field = evaluate_field(fit.coefficients, shape, degree)
    error = fit.field_error()
    if reason := _fault(field, error, images, camera_offset, force):
        return _no_field(shape, camera_offset, reason, len(images), degree)
    status, reason = _trust(images, camera_offset, error)
    field, count = field.astype(np.float32), len(images)
    return FlatField(field, camera_offset, status, reason, count, degree, fit.spread, error)


def _check_thumbnails(thumbnails: AnyFloats, shape: tuple[int, int]) -> None:
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


def _check_offset(images: AnyFloats, camera_offset: CameraOffset) -> None:
    if not len(images):
        return
    level = float(np.median(percentile_of_each(images, 50)))
    if level <= camera_offset.counts:
        raise ValueError(
            f"the camera offset of {camera_offset.counts:.1f} counts ({camera_offset.source}) is "
            f"above the typical level of the images, {level:.1f} counts, so nothing would be "
            "left of them. Correct `camera_offset`, or leave it out to have it estimated."
        )


def _no_field(
    shape: tuple[int, int], offset: CameraOffset, reason: str, n_images: int, degree: int
) -> FlatField:
    if offset.source == "estimated":
        offset = CameraOffset(0.0, offset.counts + offset.uncertainty, "estimated")
    return FlatField(np.ones(shape, np.float32), offset, "off", reason, n_images, degree)


def _fault(
    field: AnyFloats, error: float, images: AnyFloats, camera_offset: CameraOffset, force: bool
) -> str:
    """Why a fitted field must not be applied; empty where it may."""
    if not np.isfinite(field).all() or field.min() < DARKEST_FIELD:
        return (
            f"The fitted field falls to {100 * np.nanmin(field):.0f} % of its mean, which is not "
            "believable; the images have too little background or the camera offset is wrong, so "
            "this channel is not corrected."
        )
    if error > LARGEST_ERROR and not force:
        return (
            f"The field is uncertain by {100 * error:.0f} %, and a correction would do more harm "
            f"than good, so this channel is not corrected; {_background(images, camera_offset)}."
        )
    return ""


def _background(images: AnyFloats, camera_offset: CameraOffset) -> str:
    background = float(np.median(percentile_of_each(images, 25))) - camera_offset.counts
    return (
        f"its background is {background:.1f} counts, and the camera offset is known to "
        f"{camera_offset.uncertainty:.1f} counts"
    )


def _trust(images: AnyFloats, camera_offset: CameraOffset, error: float) -> tuple[str, str]:
    """Status and reason of a field that was fitted."""
    doubts = []
    if len(images) < ENOUGH_IMAGES:
        doubts.append(f"{len(images)} images, where {ENOUGH_IMAGES} are advised (200 if dense)")
    if error > WEAK_ERROR:
        doubts.append(f"the field is uncertain by {100 * error:.1f} %")
    below = float(np.mean(images < camera_offset.counts))
    if below > 0.001:
        doubts.append(f"{100 * below:.1f} % of the area is darker than the camera offset")
    background = float(np.median(percentile_of_each(images, 25))) - camera_offset.counts
    if camera_offset.uncertainty > 0.05 * background:
        doubts.append(f"{_background(images, camera_offset)}, which a dark frame would settle")
    if doubts:
        text = "; ".join(doubts)
        return "weak", f"{text[0].upper()}{text[1:]}."
    return "ok", f"{len(images)} images; the standard error of the field is {100 * error:.1f} %."


def correct(image: Image, flat_field: FlatField, maximum: float) -> Image:
    """Correct an image for offset and shading: ``(image - offset) / field / maximum``, float32.

    Nothing is clipped. Pixels darker than the offset become slightly negative and stay so, because
    clipping them would lift the mean of dim regions; bright pixels in dim corners may exceed 1.

    Parameters
    ----------
    image : (Y, X) ndarray
        Raw counts, of the channel and the image size of the flat field.
    maximum : float
        Largest count of the declared bit depth, such as 255, 4095 or 65535.

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
