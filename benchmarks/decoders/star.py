"""Star-convex polygons: one for each object, the best of those that mean the same.

Schmidt et al., "Cell detection with star-convex polygons", MICCAI 2018.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from levelfield.arrays import Labels
from levelfield.config.parameters import require_number
from levelfield.labels.objects import largest_parts
from levelfield.segmentation.decoder_options import DecodingOptions
from levelfield.segmentation.decoders.finishing import finish
from levelfield.segmentation.decoders.flooding import flood
from levelfield.segmentation.overlaps import resolve_overlaps
from levelfield.segmentation.small_network.prediction import Prediction
from levelfield.segmentation.star_polygons import polygon_claims, suppress


def star(
    prediction: Prediction,
    *,
    foreground: float = 0.5,
    centre: float = 0.5,
    overlap: float = 0.3,
    minimum_foreground: float = 0.85,
    minimum_diameter: float = 4.0,
) -> Labels:
    """Draw the polygons themselves.

    Parameters
    ----------
    prediction
        What the network says.
    foreground
        Pixels of a polygon above this probability are the object; higher makes smaller objects, and
        0 draws the whole polygon.
    centre
        Objects have a pixel that is central with more than this probability; higher finds fewer.
    overlap
        Of two polygons that share more than this fraction of the smaller one, the better stays;
        lower splits less.
    minimum_foreground, minimum_diameter
        See `levelfield.segmentation.decoder_options.DecodingOptions`.

    Returns
    -------
    (Y, X) int32, numbered 1..n in raster order.
    """
    require_number("foreground", foreground, 0, 1)
    mask = prediction.foreground > foreground
    labels = np.where(mask, _polygons(prediction, centre, overlap, 1.0), 0)
    return finish(
        largest_parts(labels),
        prediction.foreground,
        DecodingOptions(minimum_foreground=minimum_foreground, minimum_diameter=minimum_diameter),
    )


def star_seeds(
    prediction: Prediction,
    *,
    foreground: float = 0.5,
    centre: float = 0.5,
    overlap: float = 0.3,
    core: float = 0.7,
    minimum_foreground: float = 0.85,
    minimum_diameter: float = 4.0,
) -> Labels:
    """Let the polygons say how many objects there are, and the foreground where they end.

    Parameters
    ----------
    prediction
        What the network says.
    foreground
        Pixels above this probability are foreground; higher makes smaller objects.
    centre, overlap
        As for `star`.
    core
        Polygons, shrunken to this fraction of their width, are flooded down the distance.
    minimum_foreground, minimum_diameter
        See `levelfield.segmentation.decoder_options.DecodingOptions`.

    Returns
    -------
    (Y, X) int32, numbered 1..n in raster order.
    """
    require_number("foreground", foreground, 0, 1)
    require_number("core", core, 0.01, 1)
    mask = prediction.foreground > foreground
    seeds = np.where(mask, _polygons(prediction, centre, overlap, core), 0)
    labels = flood(seeds, mask, prediction.distance)
    return finish(
        largest_parts(labels),
        prediction.foreground,
        DecodingOptions(minimum_foreground=minimum_foreground, minimum_diameter=minimum_diameter),
    )


def _polygons(prediction: Prediction, centre: float, overlap: float, width: float) -> Labels:
    require_number("centre", centre, 0, 1)
    require_number("overlap", overlap, 0, 1)
    points = _peaks(prediction.star_probability, centre)
    scores = prediction.star_probability[points[:, 0], points[:, 1]]
    distances = prediction.star_distances[:, points[:, 0], points[:, 1]].T
    best = suppress(2 * points, distances, scores, overlap)
    points, distances = 2 * points[best], distances[best]
    claims = polygon_claims(points, distances * width, scores[best], prediction.foreground.shape)
    return resolve_overlaps(claims, prediction.foreground.shape)[0]


def _peaks(probability: NDArray[np.float32], centre: float) -> NDArray[np.int64]:
    """Return the pixels (n, 2) that no pixel beside them excels.

    What is beside a better candidate would be suppressed anyway, after costly comparisons.
    """
    highest = ndimage.maximum_filter(probability, 3)
    return np.argwhere((probability >= highest) & (probability > centre))
