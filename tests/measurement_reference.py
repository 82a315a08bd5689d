"""cp_measure's numbers under the names of Levelfield's columns: what tests and benchmarks compare.

Not a test itself. cp_measure wants float64 images in [0, 1] and labels 1..n without gaps.
"""

import itertools
import re
import warnings

import numpy as np
from centrosome.cpmorphology import convex_hull_ijv, minimum_enclosing_circle
from cp_measure.bulk import get_core_measurements, get_correlation_measurements
from cp_measure.core.measurecolocalization import get_correlation_overlap_ind
from cp_measure.primitives._moments import inertia_2d, spatial_moments_2d
from cp_measure.utils import masks_to_ijv

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


def worst_difference(values, expected):
    """Return (name, relative difference) of the column that differs most; NaN and inf must agree.

    A difference counts relative to the value, but at least to a floor (see `_floor`): what is 0 by
    definition or by symmetry, such as a first central moment, is rounding noise on both sides.
    """
    worst = ("", 0.0)
    for name, right in expected.items():
        left = np.asarray(values[name], float)
        if "ZernikePhase" in name:
            magnitude = expected[name.replace("Phase", "Magnitude")]
            left, right = _as_differences(
                left, right, 2 * np.pi, magnitude > _floor(name, expected)
            )
        if name == "AreaShape_Orientation":
            left, right = _as_differences(left, right, 180, True)
        finite = np.isfinite(right)
        assert np.array_equal(left[~finite], right[~finite], equal_nan=True), f"{name}: NaN or inf"
        assert np.isfinite(left[finite]).all(), f"{name}: NaN or inf"
        if finite.any():
            scale = np.fmax(np.abs(right), np.fmax(_floor(name, expected), 1e-15))[finite]
            difference = float(np.max(np.abs(left[finite] - right[finite]) / scale))
            worst = max(worst, (name, difference), key=lambda pair: pair[1])
    return worst


def _floor(name, expected):
    """Return 1e-6 of what an object's feature is before anything in it cancels.

    For moments and spectra that is known object by object; for the others it is 1e-9 of the
    largest value of the column.
    """
    if name.startswith("Granularity"):  # differences of means, in percent of each object's own
        channel = name.rsplit("_", 1)[1]
        steps = [v for key, v in expected.items() if re.fullmatch(rf"Granul.*_{channel}", key)]
        return 1e-6 * np.maximum(np.abs(steps).max(axis=0), 100)
    if "CentralMoment" in name:
        return 1e-6 * expected[name.replace("Central", "Spatial")]
    if "NormalizedMoment" in name:
        return 1e-6 * expected["AreaShape_HuMoment_0"]
    if "HuMoment" in name:
        power = (1, 2, 3, 3, 6, 4, 6)[int(name[-1])]
        return 1e-6 * expected["AreaShape_HuMoment_0"] ** power
    if "Zernike" in name:
        return 1e-6 * expected[re.sub(r"Phase", "Magnitude", name)[: -len("n_m")] + "0_0"]
    if re.search("_Correlation_|InfoMeas", name):  # between -1 and 1, and 0 where terms cancel
        return 1e-6
    values = np.abs(expected[name])
    return 1e-9 * max(np.max(values[np.isfinite(values)], initial=0), 1e-6)


def ambiguous(labels):
    """Return which objects cp_measure itself decides by rounding: (n,) circles, (n,) angles.

    Circles: four or more vertices of the hull lie on the enclosing circle. An unstable sort in
    scipy chooses three of them, and rounding decides which of all count as inside.
    Angles: the second moments have no preferred axis.
    """
    hulls, counts = convex_hull_ijv(masks_to_ijv(labels), np.arange(1, labels.max() + 1))
    centres, radii = minimum_enclosing_circle(
        labels, np.arange(1, labels.max() + 1), hull_and_point_count=(hulls, counts)
    )
    distances = np.hypot(*(hulls[:, 1:] - centres[hulls[:, 0] - 1]).T)
    on_circle = np.abs(distances - radii[hulls[:, 0] - 1]) < 1e-9
    circles = np.bincount(hulls[on_circle, 0], minlength=labels.max() + 1)[1:] > 3
    _, _, _, major, minor = inertia_2d(spatial_moments_2d(labels)[1])
    return circles, major - minor <= 1e-9 * major


def _as_differences(left, right, period, known):
    """Replace angles by 1 plus their difference; a moment that is 0 by symmetry has no phase."""
    turn = np.remainder(left - right + period / 2, period) - period / 2
    return np.where(np.isnan(left), left, 1 + turn * known), np.where(np.isnan(right), right, 1)
