"""Star-convex polygons: one for each object, the best of those that mean the same.

Schmidt et al., "Cell detection with star-convex polygons", MICCAI 2018.
"""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from levelfield.arrays import Labels
from levelfield.config.options import Number
from levelfield.labels.objects import largest_parts
from levelfield.segmentation.decoder_options import DecodingOptions
from levelfield.segmentation.decoders.finishing import finish
from levelfield.segmentation.decoders.flooding import flood
from levelfield.segmentation.options import Share
from levelfield.segmentation.overlaps import resolve_overlaps
from levelfield.segmentation.small_network.prediction import Prediction
from levelfield.segmentation.star_polygons import polygon_claims, suppress


class StarOptions(DecodingOptions):
    """Options of the decoder `star`; with a foreground of 0 it draws whole polygons."""

    centre: Share = 0.5
    """Objects have a pixel that is central with more than this probability; higher finds fewer."""
    overlap: Share = 0.3
    """Share of the smaller of two polygons above which only the better stays; lower splits less."""


class SeedOptions(StarOptions):
    """Options of the decoder `star_seeds`."""

    core: Annotated[Number, Field(ge=0.01, le=1)] = 0.7
    """Polygons, shrunken to this fraction of their width, are flooded down the distance."""


def star(prediction: Prediction, options: StarOptions) -> Labels:
    """Draw the polygons themselves."""
    mask = prediction.foreground > options.foreground
    labels = np.where(mask, _polygons(prediction, options, 1.0), 0)
    return finish(largest_parts(labels), prediction.foreground, options)


def star_seeds(prediction: Prediction, options: SeedOptions) -> Labels:
    """Let the polygons say how many objects there are, and the foreground where they end."""
    mask = prediction.foreground > options.foreground
    seeds = np.where(mask, _polygons(prediction, options, options.core), 0)
    labels = flood(seeds, mask, prediction.distance)
    return finish(largest_parts(labels), prediction.foreground, options)


def _polygons(prediction: Prediction, options: StarOptions, width: float) -> Labels:
    points = _peaks(prediction.star_probability, options.centre)
    scores = prediction.star_probability[points[:, 0], points[:, 1]]
    distances = prediction.star_distances[:, points[:, 0], points[:, 1]].T
    best = suppress(2 * points, distances, scores, options.overlap)
    points, distances = 2 * points[best], distances[best]
    claims = polygon_claims(points, distances * width, scores[best], prediction.foreground.shape)
    return resolve_overlaps(claims, prediction.foreground.shape)[0]


def _peaks(probability: NDArray[np.float32], centre: float) -> NDArray[np.int64]:
    """Return the pixels (n, 2) that no pixel beside them excels.

    What is beside a better candidate would be suppressed anyway, after costly comparisons.
    """
    highest = ndimage.maximum_filter(probability, 3)
    return np.argwhere((probability >= highest) & (probability > centre))
