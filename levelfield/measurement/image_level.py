"""Features of a whole image: intensity, texture, granularity, correlation, counts, occupied area.

CellProfiler's MeasureImageIntensity, MeasureImageAreaOccupied, and its image-wide texture,
granularity and colocalisation: the families of `levelfield.measurement.site` with the image as the
only object.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import DTypeLike

from levelfield.arrays import AnyLabels, Image
from levelfield.measurement.features import features
from levelfield.measurement.site import OBJECT_NUMBER, measure_site

IMAGE_FAMILIES = ("Intensity", "Texture", "Granularity", "Correlation")

FEATURES = features(
    "Image",
    """
    Count_{object_set} | count | Number of objects.
    AreaOccupied_AreaOccupied_{object_set} | px² | Number of pixels in objects.
    AreaOccupied_TotalArea_{object_set} | px² | Number of pixels of the image.
    Intensity_TotalIntensity_{channel} | intensity | Sum over all pixels.
    Intensity_TotalArea_{channel} | px² | Number of pixels of the image.
    Intensity_PercentMaximal_{channel} | % | Share of the pixels that have the image's highest
        intensity: high where it saturates.
    <family>_... |  | Intensity (mean, median, quartiles, MAD, standard deviation, minimum,
        maximum), Texture, Granularity and Correlation as for objects, with the whole image as the
        object.
    """,
)

# Of an object, not of an image: its edge, and where its intensity lies.
_OF_OBJECTS = ("Edge_", "MassDisplacement_")


def measure_image(
    image: Image,
    channels: Sequence[str],
    object_sets: Mapping[str, AnyLabels],
    families: Iterable[str] = ("Intensity",),
    channel_pairs: Sequence[tuple[str, str]] | None = None,
    *,
    dtype: DTypeLike = np.float32,
    **parameters: Any,
) -> pd.DataFrame:
    """Measure one image as a whole, in one row.

    Parameters
    ----------
    object_sets : mapping of str to (Y, X) integer
        Label images whose objects are counted.
    families : iterable of str
        Which of `IMAGE_FAMILIES`. Only Intensity by default: the others cost about as much as
        measuring all objects of the site.
    image, channels, channel_pairs, dtype, **parameters : as in `measure_site`
        What is measured, and how.

    Raises
    ------
    ValueError
        If shapes, names, families or parameters do not fit together.
    """
    families = list(families)
    unknown = [family for family in families if family not in IMAGE_FAMILIES]
    if unknown:
        raise ValueError(
            f"A whole image has no features of the family {unknown[0]!r}. "
            f"The families for images are: {', '.join(IMAGE_FAMILIES)}."
        )
    image = np.asarray(image)
    whole = np.ones(image.shape[1:], np.int32)
    table = measure_site(
        image, channels, {"Image": whole}, families, channel_pairs, dtype=dtype, **parameters
    )["Image"]
    table = table.drop(columns=[c for c in table if c == OBJECT_NUMBER or _is_of_objects(str(c))])
    table.columns = table.columns.str.replace("IntegratedIntensity", "TotalIntensity")
    return pd.concat(
        [_counts(object_sets), _extent(image, channels, families, dtype), table], axis=1
    )


def _is_of_objects(column: str) -> bool:
    return column.startswith("Image_Intensity_") and any(part in column for part in _OF_OBJECTS)


def _counts(object_sets: Mapping[str, AnyLabels]) -> pd.DataFrame:
    row = {}
    for name, labels in object_sets.items():
        numbers = np.unique(labels)
        row[f"Image_Count_{name}"] = np.int32((numbers > 0).sum())
        row[f"Image_AreaOccupied_AreaOccupied_{name}"] = np.int32((labels > 0).sum())
        row[f"Image_AreaOccupied_TotalArea_{name}"] = np.int32(labels.size)
    return pd.DataFrame([row], index=[0])


def _extent(
    image: Image, channels: Sequence[str], families: Sequence[str], dtype: DTypeLike
) -> pd.DataFrame:
    row = {}
    for channel, plane in zip(channels, image, strict=True):
        if "Intensity" in families:
            row[f"Image_Intensity_TotalArea_{channel}"] = plane.size
            maximal = 100 * np.count_nonzero(plane == plane.max()) / plane.size
            row[f"Image_Intensity_PercentMaximal_{channel}"] = maximal
    return pd.DataFrame([row], index=[0]).astype(dtype)
