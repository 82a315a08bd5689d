"""cp_measure's numbers under the names of Levelfield's columns: what tests and benchmarks compare.

Not a test itself. cp_measure wants float64 images in [0, 1] and labels 1..n without gaps.
"""

import itertools
import re
import warnings

import numpy as np
from cp_measure.bulk import get_core_measurements, get_correlation_measurements
from cp_measure.core.measurecolocalization import get_correlation_overlap_ind

SHAPE_KINDS = ("sizeshape", "zernike", "feret")
CHANNEL_KINDS = ("intensity", "texture", "granularity", "radial_distribution", "radial_zernikes")
PAIR_KINDS = ("pearson", "manders_fold", "rwc", "overlap", "costes")


def reference(image, channels, labels, kinds, costes_steps=65535):
    """Return {column name: (n,) values} of cp_measure for one object set."""
    found = {}
    core = get_core_measurements()
    correlation = {**get_correlation_measurements(), "overlap": _overlap}
    image = np.asarray(image, float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in kinds:
            if kind in SHAPE_KINDS:
                for key, values in core[kind](labels, None).items():
                    found[f"AreaShape_{key}"] = np.asarray(values, float)
            elif kind in CHANNEL_KINDS:
                for channel, plane in zip(channels, image, strict=True):
                    for key, values in core[kind](labels, plane).items():
                        found[_channel_name(key, channel)] = np.asarray(values, float)
            else:
                extra = {"scale_max": costes_steps} if kind == "costes" else {}
                for first, second in itertools.combinations(range(len(channels)), 2):
                    result = correlation[kind](image[first], image[second], labels, **extra)
                    for key, values in result.items():
                        name = _pair_name(key, channels[first], channels[second])
                        found[name] = np.asarray(values, float)
    return found


def _overlap(first, second, labels):
    """Return the overlap and K coefficients; NaN where cp_measure 0.3.0 would stop.

    It raises ZeroDivisionError at an object whose channel has no signal, where CellProfiler,
    dividing arrays, writes NaN for the quotients by 0 and 0 for the other.
    """
    rows = []
    for label in range(1, labels.max() + 1):
        inside = labels == label
        try:
            rows.append(get_correlation_overlap_ind(first, second, inside))
        except ZeroDivisionError:
            signal = [0.0 if channel[inside].any() else np.nan for channel in (first, second)]
            rows.append(dict(zip(rows[0], (np.nan, *signal), strict=True)))
    return {key: [row[key] for row in rows] for key in rows[0]}


def _channel_name(key, channel):
    texture = re.fullmatch(r"(\w+?)_(\d+_\d\d_\d+)", key)
    if texture:
        return f"Texture_{texture[1]}_{channel}_{texture[2]}"
    radial = re.fullmatch(r"(RadialDistribution_[A-Za-z]+)_(.+)", key)
    if radial:
        return f"{radial[1]}_{channel}_{radial[2]}"
    return f"{key}_{channel}"


def _pair_name(key, first, second):
    key = key.replace("Pearson", "Correlation")
    if key.endswith("_1"):
        return f"{key[:-2]}_{first}_{second}"
    if key.endswith("_2"):
        return f"{key[:-2]}_{second}_{first}"
    return f"{key}_{first}_{second}"


def worst_difference(values, expected, rtol=1e-6):
    """Return (name, relative difference) of the column that differs most, and check NaN and inf.

    A difference is taken relative to the larger of the value itself and 1e-9 times the largest
    value of the column's kind (all orders of a moment, all channels): sums that are 0 by
    definition, such as first central moments, hold rounding noise on both sides.
    """
    worst = ("", 0.0)
    for name, right in expected.items():
        left = np.asarray(values[name], float)
        assert np.array_equal(np.isnan(left), np.isnan(right)), f"NaN differs in {name}"
        finite = np.isfinite(right)
        assert np.array_equal(left[~finite], right[~finite], equal_nan=True), name
        if not finite.any():
            continue
        if "ZernikePhase" in name:
            left, right = _as_vectors(left, right, expected[name.replace("Phase", "Magnitude")])
            finite = np.isfinite(right)
        left, right = left[finite], right[finite]
        scale = np.maximum(np.abs(right), 1e-9 * max(_scale(name, expected), 1e-6))
        difference = float(np.max(np.abs(left - right) / scale))
        if difference > worst[1]:
            worst = (name, difference)
    return worst


def _as_vectors(left, right, magnitude):
    """Turn phases into points on the circle; a moment that is 0 by symmetry has no phase."""
    known = magnitude > 1e-12
    turned = np.where(known, np.remainder(left - right + np.pi, 2 * np.pi) - np.pi, 0)
    return 1 + turned, np.where(np.isnan(right), np.nan, 1.0)


def _scale(name, expected):
    kind = name.rsplit("_", 2)[0] if "Moment" in name else name
    values = [np.abs(v[np.isfinite(v)]) for key, v in expected.items() if key.startswith(kind)]
    return max((v.max() for v in values if v.size), default=1.0)
