"""Location: where every object and its intensity are, in pixels of the image."""

import numpy as np

from levelfield.arrays import Floats
from levelfield.measurement.context import ObjectSet
from levelfield.measurement.features import Column, features
from levelfield.measurement.parameters import Parameters

CENTRES = features(
    "Location",
    """
    Center_X | px | Column of the centre: the mean over the pixels.
    Center_Y | px | Row of the centre: the mean over the pixels.
    Center_Z | px | Plane of the centre: 0 in a two-dimensional image.
    """,
)
INTENSITY_PLACES = features(
    "Location",
    """
    CenterMassIntensity_X_{channel} | px | Column of the centre of mass of the intensity; NaN if the
        intensities sum to 0.
    CenterMassIntensity_Y_{channel} | px | Row of the centre of mass of the intensity; NaN if the
        intensities sum to 0.
    CenterMassIntensity_Z_{channel} | px | 0 in a two-dimensional image; NaN like X and Y.
    MaxIntensity_X_{channel} | px | Column of the brightest pixel; the first in raster order among
        equals.
    MaxIntensity_Y_{channel} | px | Row of the brightest pixel; the first in raster order among
        equals.
    MaxIntensity_Z_{channel} | px | 0 in a two-dimensional image.
    """,
)
FEATURES = CENTRES + INTENSITY_PLACES


def columns(parameters: Parameters) -> list[Column]:
    """Return the columns: the centre, then the intensity's places channel by channel."""
    return [feature.column() for feature in CENTRES] + [
        feature.column(channel=channel)
        for channel in parameters.channels
        for feature in INTENSITY_PLACES
    ]


def measure(objects: ObjectSet, parameters: Parameters) -> Floats:
    """Return the (n, K) locations in the order of `columns`."""
    zero = np.zeros(objects.pixels.count)
    columns = [objects.centres[:, 1], objects.centres[:, 0], zero]
    # 0 * mass: cp_measure's Z of a two-dimensional image is NaN where X and Y are.
    for _, mass_row, mass_column, max_row, max_column in np.moveaxis(objects.intensity_sums, 2, 1):
        columns += [mass_column, mass_row, 0 * mass_row, max_column, max_row, zero]
    return np.column_stack(columns)
