"""The method `stardist`: star-convex polygons from StarDist's published or users' own models.

Schmidt et al., MICCAI 2018; Weigert et al., WACV 2020. Published weights: ``2D_versatile_fluo``
and ``2D_demo`` (BSD-3 by their authors, see docs/segmenters.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from levelfield.arrays import Image, Integers, Plane
from levelfield.segmentation.elsewhere import map_elsewhere
from levelfield.segmentation.method import Knob, Method
from levelfield.segmentation.options import MinimumDiameter, Scale, Share, SizeFilter
from levelfield.segmentation.result import Segmentation

if TYPE_CHECKING:  # the network's module needs torch, which nothing else does
    from levelfield.segmentation.networks.stardist import StarDistModel

PERCENTILES = (1.0, 99.8)  # to which StarDist's models are trained to have their images scaled
_BORDER = 2  # predictions at the outermost pixels are not trusted, as in StarDist
_SHORTEST = 1e-3  # px; a polygon has an area, however little


class StardistOptions(SizeFilter):
    """Options of the method `stardist`."""

    probability: Share | None = None
    """Pixels of a higher object probability propose an object; null for the model's own."""
    overlap: Share | None = None
    """A polygon that shares more than this of the smaller one with a better one is dropped; null
    for the model's own."""
    scale: Scale = 1.0
    minimum_diameter: MinimumDiameter = 0.0


def stardist(
    images: Sequence[Image], options: StardistOptions, inputs: Sequence[Mapping[str, Any]]
) -> list[Segmentation]:
    """Segment images with a StarDist model.

    Raises
    ------
    ValueError
        If an image has another number of channels than the model.
    """
    model: StarDistModel = inputs[0]["model"]
    predictions = model.predict_all([_prepared(image, options, model) for image in images])
    found = zip(predictions, images, strict=True)
    facts = options, model.thresholds, model.grid
    return map_elsewhere(_objects, [(each, image.shape[1:], *facts) for each, image in found])


def _prepared(image: Image, options: StardistOptions, model: StarDistModel) -> Image:
    from scipy import ndimage

    _check_channels(image, model)
    scale = options.scale
    seen = image if scale == 1 else ndimage.zoom(image, (1, scale, scale), order=1)
    return np.stack([_normalised(plane) for plane in seen])


def _objects(
    prediction: tuple[Plane, Image],
    shape: tuple[int, ...],
    options: StardistOptions,
    own: Mapping[str, float],
    grid: tuple[int, int],
) -> Segmentation:
    """Turn probabilities and distances into the objects of an image."""
    from levelfield.segmentation.overlaps import without_overlaps
    from levelfield.segmentation.star_polygons import polygon_claims, suppress

    scale = options.scale
    probability = own["prob"] if options.probability is None else options.probability
    overlap = own["nms"] if options.overlap is None else options.overlap
    points, distances, scores = _candidates(*prediction, probability, grid)
    kept = suppress(points, distances, scores, overlap)
    claims = polygon_claims(points[kept] / scale, distances[kept] / scale, scores[kept], shape)
    return without_overlaps(claims, shape, options)


def _candidates(
    likely: Plane, distances: Image, probability: float, grid: tuple[int, int]
) -> tuple[Integers, Image, Image]:
    """Return points (n, 2) in px, distances (n, n_rays) and scores (n,) of all proposals."""
    proposes = np.zeros(likely.shape, bool)
    inner = (slice(_BORDER, -_BORDER), slice(_BORDER, -_BORDER))
    proposes[inner] = likely[inner] > probability
    points = np.argwhere(proposes) * np.array(grid)
    return points, np.maximum(distances[:, proposes].T, _SHORTEST), likely[proposes]


def _normalised(plane: Plane) -> Plane:
    """Scale to the percentiles; a field of nothing but noise is not stretched until it fills it."""
    from levelfield.images.noise import pixel_noise
    from levelfield.images.normalisation import LEAST_RANGE, LEAST_RANGE_IN_NOISE

    low, high = np.percentile(plane, PERCENTILES)
    least = max(LEAST_RANGE_IN_NOISE * pixel_noise(plane), LEAST_RANGE)
    return ((plane - low) / max(high - low, least)).astype(np.float32)


def _check_channels(image: Image, model: StarDistModel) -> None:
    if len(image) != model.n_channels:
        raise ValueError(
            f"this StarDist model sees {model.n_channels} channel(s) but was given {len(image)}. "
            "Name as many in 'channels', in the order in which it learned them, or use the steps "
            "combine_channels and repeat_channel"
        )


METHOD = Method(
    name="stardist",
    makes="nuclei or cells, as star-convex polygons of a StarDist model",
    environment="levelfield[gpu]",
    load="levelfield.segmentation.networks.stardist:load_stardist",
    options=StardistOptions,
    run_many=stardist,
    fields_at_once={"cuda": 8, "mps": 8},
    for_threads=True,
    knobs=(
        Knob("overlap", 0.1, "divide_more", unset="the model's own"),
        Knob("probability", 0.1, "find_fewer", unset="the model's own"),
    ),
)
