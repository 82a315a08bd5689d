"""What the camera reads without light: stated, measured in a dark frame, or estimated."""

from dataclasses import dataclass

import numpy as np

from levelfield.arrays import AnyArray
from levelfield.illumination.slopes import SlopeFit
from levelfield.illumination.thumbnails import (
    FOLDS,
    AnyFloats,
    canonical_order,
    downsample,
    usable_images,
)


@dataclass(frozen=True)
class CameraOffset:
    """What the camera reads without light, in raw counts.

    ``uncertainty`` is one standard deviation, infinite where nothing is known; ``source`` is
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


def camera_offset_from_config(counts: float) -> CameraOffset:
    """Return the offset that the user states, in raw counts, taken as exact."""
    return CameraOffset(float(counts), 0.0, "config")


def camera_offset_from_dark_frame(dark_frame: AnyArray) -> CameraOffset:
    """Measure the offset in an image (Y, X) taken without light, in raw counts.

    It is the median, with the robust spread of the frame's regional means as uncertainty.

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
    from scipy import stats  # many processes only apply what was estimated

    spread = stats.median_abs_deviation(regions, axis=None, scale="normal")
    return CameraOffset(float(level), float(spread), "dark frame")


def estimate_camera_offset(
    thumbnails: AnyFloats, *, maximum: float = np.inf, degree: int = 6
) -> CameraOffset:
    """Estimate the offset from the images themselves.

    With a wrong offset, bright pixels and dim pixels disagree about the shading, because the
    offset is a larger share of the dim ones. The offset is fitted together with the field to
    make them agree. The answer is combined with what is certain, that the offset lies between
    zero and the darkest pixel of the usable images, so images that say nothing give the middle of
    that range and its full spread. It is 0 where the darkest pixel is below one count, as in
    images whose background was subtracted.

    Parameters
    ----------
    thumbnails : (N, y, x) ndarray of float
        Images from `downsample`, in raw counts, in any order.
    maximum, degree : float, int
        As in `levelfield.illumination.slopes.SlopeFit`.
    """
    images = canonical_order(usable_images(thumbnails, maximum))
    darkest = float(images.min()) if len(images) else 0.0
    if not len(images):
        return CameraOffset(0.0, np.inf, "estimated")
    if darkest < 1.0:
        return CameraOffset(0.0, 1.0, "estimated")
    if len(images) < 2 * FOLDS:
        return CameraOffset(*_between(0.0, darkest, darkest / 2, np.inf), "estimated")
    offset, error = SlopeFit(images, maximum, degree).fit_offset(darkest)
    return CameraOffset(*_between(0.0, darkest, offset, error), "estimated")


def _between(low: float, high: float, estimate: float, error: float) -> tuple[float, float]:
    """Mean and spread of an estimate with normal error that is known to lie in a range."""
    if error > 100 * (high - low):
        return (low + high) / 2, (high - low) / np.sqrt(12)
    from scipy import stats  # many processes only apply what was estimated

    error = max(error, 1e-6 * (high - low))
    bounds = ((low - estimate) / error, (high - estimate) / error)
    known = stats.truncnorm(*bounds, loc=estimate, scale=error)
    return float(np.clip(known.mean(), low, high)), float(known.std())
