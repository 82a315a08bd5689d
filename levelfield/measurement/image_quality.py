"""Whether an image is fit to be measured: focus, saturation, background, debris, alignment.

Measured while the pixels are in memory for the features. Focus is the slope of the power spectrum
on logarithmic axes, as CellProfiler's MeasureImageQuality has it (Bray et al. 2012, Journal of
Biomolecular Screening 17, 266). A shift between channels is the peak of the phase correlation
(Kuglin & Hines 1975) of their edges: what is bright in one may be dark in the other, but borders of
cells are borders in both.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import cache

import numpy as np
import pandas as pd
from scipy import fft, ndimage

from levelfield.arrays import AnyArray, AnyLabels, Floats, Image, Mask, Plane
from levelfield.measurement.features import features

PREFIX = "Image_ImageQuality_"

FEATURES = features(
    "ImageQuality",
    """
    PowerLogLogSlope_{channel} |  | Slope of the power spectrum over the frequency, both
        logarithmic: the steeper, the blurrier.
    PercentSaturated_{channel} | % | Share of the raw pixels at the camera's maximum or above.
    Background_{channel} | intensity | Median of the pixels outside of all objects.
    BackgroundUnevenness_{channel} |  | Largest difference of the background between nine parts of
        the image, as a share of the range between the background and the brightest percent.
    PercentBrightOutside_{channel} | % | Share of the pixels outside of all objects that are
        brighter than half of those in objects: debris, or objects that were missed. Of channels
        that objects are segmented in.
    ShiftX_{channel}_{channel} | px | How far the second channel lies to the right of the first;
        missing where the two have too little in common to tell.
    ShiftY_{channel}_{channel} | px | The same, downwards.
    """,
)

_LONGEST, _SHORTEST = 64.0, 4.0  # px; waves between them carry the edges of cells, not the noise
_BANDS = 12
_LARGEST_SHIFT = 1 / 8  # of the image's side
_CLEAR_PEAK = 20.0  # standard deviations; of unrelated images below 14, of one cell's above 29
_EDGE_WIDTH = 1.5  # px
_GRID = 3
_FEWEST_OUTSIDE = 0.02  # of the pixels of a part, for a median to be of background


def measure_quality(
    raw: AnyArray,
    image: Image,
    channels: Sequence[str],
    object_sets: Mapping[str, AnyLabels],
    segmented: Collection[str],
    maximum: int,
) -> pd.DataFrame:
    """Measure the quality of one image, in one row.

    Parameters
    ----------
    raw, image : (C, Y, X) uint8 or uint16, (C, Y, X) float32
        What the camera wrote, and the same corrected.
    channels : sequence of str
        Their names. Shifts are those of the others against the first.
    object_sets : mapping of str to (Y, X) integer
        Labels; what is in none of them is background.
    segmented : collection of str
        Channels that objects are segmented in.
    maximum : int
        Largest value that the camera can write.

    Returns
    -------
    DataFrame
        One row, with the columns of `FEATURES` after `PREFIX`.
    """
    inside = np.zeros(image.shape[1:], bool)
    for labels in object_sets.values():
        inside |= np.asarray(labels) > 0
    values: dict[str, float] = {}
    for name, counts, plane in zip(channels, raw, image, strict=True):
        values[f"PowerLogLogSlope_{name}"] = _slope(_spectrum(plane), plane.shape)
        saturated = np.count_nonzero(counts >= maximum) / counts.size
        values[f"PercentSaturated_{name}"] = 100 * saturated
        found = _background(plane, inside)
        if name not in segmented:
            del found["PercentBrightOutside"]
        values |= {f"{what}_{name}": value for what, value in found.items()}
    return pd.DataFrame([values | _shifts(image, channels)]).add_prefix(PREFIX)


def _shifts(image: Image, channels: Sequence[str]) -> dict[str, float]:
    """Return how far every channel lies from the first."""
    if len(channels) < 2:
        return {}
    first, *others = (
        _spectrum(ndimage.gaussian_gradient_magnitude(plane, _EDGE_WIDTH)) for plane in image
    )
    shifts: dict[str, float] = {}
    for name, spectrum in zip(channels[1:], others, strict=True):
        found = zip("YX", _shift(first, spectrum, image.shape[1:]), strict=True)
        shifts |= {f"Shift{axis}_{channels[0]}_{name}": value for axis, value in found}
    return shifts


def _spectrum(plane: Plane) -> AnyArray:
    """Return the Fourier transform of a plane, faded out at its borders."""
    fades = [np.hanning(size + 2)[1:-1].astype(np.float32) for size in plane.shape]
    return fft.rfft2((plane - plane.mean()) * fades[0][:, None] * fades[1])


@cache
def _frequencies(shape: tuple[int, int]) -> tuple[AnyArray, AnyArray]:
    """Return the frequency of each coefficient, cycles per px, and its band; -1 is none."""
    y, x = fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1])
    frequency = np.hypot(y, x).astype(np.float32)
    edges = np.geomspace(1 / _LONGEST, 1 / _SHORTEST, _BANDS + 1)
    band = np.digitize(frequency, edges).astype(np.int64) - 1
    return frequency, np.where(band < _BANDS, band, -1)


def _slope(spectrum: AnyArray, shape: tuple[int, ...]) -> float:
    _, band = _frequencies((shape[0], shape[1]))
    power = np.abs(spectrum) ** 2
    n = np.bincount(band.ravel() + 1, minlength=_BANDS + 1)[1:]
    total = np.bincount((band + 1).ravel(), power.ravel(), _BANDS + 1)[1:]
    found = (n > 0) & (total > 0)
    if np.count_nonzero(found) < 3:
        return float("nan")
    edges = np.geomspace(1 / _LONGEST, 1 / _SHORTEST, _BANDS + 1)
    middles = np.sqrt(edges[1:] * edges[:-1])[found]
    return float(np.polyfit(np.log(middles), np.log(total[found] / n[found]), 1)[0])


def _shift(first: AnyArray, second: AnyArray, shape: tuple[int, ...]) -> tuple[float, float]:
    """Return how far the second plane lies from the first, along y and x, px.

    NaN where their phases do not agree on one shift.
    """
    frequency, _ = _frequencies((shape[0], shape[1]))
    cross = second * np.conj(first)
    # Of every frequency only the phase, and the less of it the nearer it is to the noise.
    cross *= np.exp(-((frequency * _SHORTEST) ** 2)) / np.maximum(np.abs(cross), 1e-12)
    cross[frequency < 1 / _LONGEST] = 0
    correlation = fft.irfft2(cross, s=shape)
    spread = float(correlation.std())
    reach = [max(int(size * _LARGEST_SHIFT), 1) for size in shape]
    near = np.roll(correlation, reach, axis=(0, 1))[: 2 * reach[0] + 1, : 2 * reach[1] + 1]
    y, x = np.unravel_index(int(near.argmax()), near.shape)
    if not spread > 0 or near[y, x] < _CLEAR_PEAK * spread:
        return float("nan"), float("nan")
    return float(y - reach[0]), float(x - reach[1])


def _background(plane: Plane, inside: Mask) -> dict[str, float]:
    """Measure what lies outside of objects."""
    outside = plane[~inside]
    names = ("Background", "BackgroundUnevenness", "PercentBrightOutside")
    if outside.size < _FEWEST_OUTSIDE * plane.size:
        return dict.fromkeys(names, float("nan"))
    level = float(np.median(outside))
    spread = 1.4826 * float(np.median(np.abs(outside - level)))
    bright = float("nan")
    if inside.any():
        objects = float(np.median(plane[inside]))
        if objects > level + 3 * spread:  # else the objects do not stand out in this channel
            bright = 100 * np.count_nonzero(outside > objects) / outside.size
    span = float(np.percentile(plane, 99)) - level
    parts = _part_levels(plane, inside)
    uneven = float(np.ptp(parts)) / span if span > 0 and parts.size > 1 else float("nan")
    return dict(zip(names, (level, uneven, bright), strict=True))


def _part_levels(plane: Plane, inside: Mask) -> Floats:
    """Return the background of the parts of an image that show enough of it."""
    levels = []
    for rows, covered in zip(
        np.array_split(plane, _GRID), np.array_split(inside, _GRID), strict=True
    ):
        for part, hidden in zip(
            np.array_split(rows, _GRID, axis=1), np.array_split(covered, _GRID, axis=1), strict=True
        ):
            background = part[~hidden]
            if background.size >= max(_FEWEST_OUTSIDE * part.size, 1):
                levels.append(float(np.median(background)))
    return np.array(levels)
