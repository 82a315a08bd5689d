"""Thresholds: what is foreground, globally or locally, and how sure that there is any."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from skimage import filters

from levelfield.arrays import AnyFloats as Pixels
from levelfield.arrays import Plane
from levelfield.config.parameters import require_choice
from levelfield.images.noise import pixel_noise
from levelfield.images.preprocessing.tiles import interpolate_tiles, measure_tiles
from levelfield.segmentation.options import ThresholdOptions


def _multi_otsu(pixels: Pixels) -> tuple[float, float]:
    try:
        low, high = filters.threshold_multiotsu(pixels, classes=3)
    except ValueError:  # fewer than three different values: there is no middle class
        low = high = filters.threshold_otsu(pixels)
    return float(low), float(high)


def minimum_cross_entropy(pixels: Pixels) -> float:
    """Minimum cross-entropy threshold over the whole histogram (Li & Lee 1993)."""
    counts, edges = np.histogram(pixels, bins=256)
    lowest = float(edges[0])
    # Cross-entropy wants positive intensities; half a bin keeps the darkest class above zero.
    centres = (edges[:-1] + edges[1:]) / 2 - min(lowest, 0.0)
    count = np.cumsum(counts)[:-1]
    mass = np.cumsum(counts * centres)
    total = mass[-1]
    mass = mass[:-1]
    valid = (count > 0) & (count < counts.sum())
    if not valid.any():
        return lowest
    count, mass = count[valid], mass[valid]
    above, above_mass = counts.sum() - count, total - mass
    entropy = -mass * np.log(mass / count) - above_mass * np.log(above_mass / above)
    return float(edges[1:-1][valid][np.argmin(entropy)])


def robust_background(pixels: Pixels) -> float:
    """Mean + 2 standard deviations after trimming 5 % at both ends, as CellProfiler does."""
    ordered = np.sort(pixels, axis=None)
    cut = round(0.05 * len(ordered))
    trimmed = ordered[cut : len(ordered) - cut]
    return float(trimmed.mean() + 2 * trimmed.std())


GLOBAL_THRESHOLDS: dict[str, Callable[[Pixels], float]] = {
    "otsu": lambda pixels: filters.threshold_otsu(pixels),  # scikit-image loads it when it is used
    # Of Otsu's two thresholds for three classes: the middle class is foreground, or background.
    "otsu_three_low": lambda pixels: _multi_otsu(pixels)[0],
    "otsu_three_high": lambda pixels: _multi_otsu(pixels)[1],
    "minimum_cross_entropy": minimum_cross_entropy,
    # The same by steps, which end in a local minimum.
    "li": lambda pixels: filters.threshold_li(pixels),
    "triangle": lambda pixels: filters.threshold_triangle(pixels),
    "robust_background": robust_background,
}
# Share of the intensity range below which differences count linearly when `log` is on.
LOG_OFFSET = 0.03


@dataclass(frozen=True)
class Threshold:
    """A threshold, one value or one per pixel, and how it came about."""

    level: float | Plane
    """Pixels above it are foreground."""
    original: float
    """The method's global value, before correction and bounds."""
    background: float
    """Median of the pixels that are not above the uncorrected level."""
    contrast: float
    """(mean of the pixels above the level - background) / pixel noise."""

    @property
    def final(self) -> float:
        """The level in one number: the median over the image."""
        return float(np.median(self.level))

    def record(self) -> dict[str, float]:
        """Facts about the threshold for the table of sites."""
        return {
            "OrigThreshold": self.original,
            "FinalThreshold": self.final,
            "ThresholdBackground": self.background,
            "ThresholdContrast": self.contrast,
        }


def measure_threshold(pixels: Pixels, method: str = "otsu_three_low", log: bool = False) -> float:
    """Measure one global threshold on a sample of pixels.

    Used per image, and for one value per plate: sample pixels of its control wells, measure once,
    and give the value to every image as the method `manual`.

    Parameters
    ----------
    pixels : array
        Intensities of any shape, finite.
    method : str
        One of `GLOBAL_THRESHOLDS`.
    log : bool
        Measure on the logarithm, which helps where bright and dim objects lie side by side.

    Raises
    ------
    ValueError
        If the method is unknown or there are no pixels.
    """
    require_choice("threshold method", method, GLOBAL_THRESHOLDS)
    if not pixels.size:
        raise ValueError("a threshold cannot be measured on 0 pixels; give it a larger sample")
    measure = GLOBAL_THRESHOLDS[method]
    if not log:
        return float(measure(pixels))
    # The logarithm counts from the darkest pixels, so that neither a camera offset nor clipped
    # zeros change the outcome; a small part of the range is added because noise has no logarithm.
    lowest, highest = (float(level) for level in np.percentile(pixels, [0.5, 99.5]))
    offset = LOG_OFFSET * (highest - lowest) or 1e-6
    logarithms = np.log(np.maximum(pixels - lowest, 0) + offset)
    return float(np.exp(float(measure(logarithms))) - offset + lowest)


def find_threshold(
    image: Plane, smoothed: Plane | None = None, options: ThresholdOptions | None = None
) -> Threshold:
    """Find the threshold of one image.

    Parameters
    ----------
    image : (Y, X) float32
        As measured; its pixel noise says whether the contrast is real.
    smoothed : (Y, X) float32, optional
        The image to threshold; `image` itself if left out.
    options : ThresholdOptions, optional
        `correction` multiplies the level's height above the background, so that it
        does not matter whether the camera has an offset; with a `window`, the level of a block
        stays within 0.7 to 1.5 times the global one.
    """
    options = options or ThresholdOptions()
    smoothed = image if smoothed is None else smoothed
    original, level = _raw_level(smoothed, options)
    background = _background(smoothed, level)
    level = background + options.correction * (level - background)
    level = np.clip(level, options.lower, options.upper)
    level = level.astype(np.float32) if np.ndim(level) else float(level)
    contrast = _contrast(image, smoothed, level, background)
    if contrast < options.minimum_contrast:
        level = float("inf")
    return Threshold(level, original, background, contrast)


def _raw_level(image: Plane, options: ThresholdOptions) -> tuple[float, float | Plane]:
    """Level before correction and bounds: the global number, and the level to use."""
    if options.value is not None:  # method manual
        return options.value, options.value
    if options.window is not None and options.method == "sauvola":
        level = filters.threshold_sauvola(image, window_size=int(options.window) // 2 * 2 + 1)
        return float(np.median(level)), level
    overall = measure_threshold(image, options.method, options.log)
    if options.window is None:
        return overall, overall
    levels = measure_tiles(
        image, options.window, lambda block: measure_threshold(block, options.method, options.log)
    )
    # The bounds of CellProfiler's adaptive threshold: a block without objects must not invent any.
    levels = np.clip(levels, 0.7 * overall, 1.5 * overall)
    return overall, interpolate_tiles(levels, image.shape)


def _background(image: Plane, level: float | Plane) -> float:
    below = image[image <= level]
    return float(np.median(below)) if below.size else float(image.min())


def _contrast(image: Plane, smoothed: Plane, level: float | Plane, background: float) -> float:
    foreground = smoothed > level
    if not foreground.any() or foreground.all():
        return 0.0
    step = float(smoothed[foreground].mean(dtype=np.float64)) - background
    noise = pixel_noise(image)
    return step / noise if noise > 0 else float("inf")
