"""The method `stardist`: star-convex polygons from StarDist's published or users' own models.

Schmidt et al., MICCAI 2018; Weigert et al., WACV 2020. Published weights: ``2D_versatile_fluo``
and ``2D_demo`` (BSD-3 by their authors, see docs/segmenters.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from levelfield.config.parameters import require_number
from levelfield.images.noise import pixel_noise
from levelfield.images.normalisation import LEAST_RANGE, LEAST_RANGE_IN_NOISE
from levelfield.segmentation.overlaps import finished, resolve_overlaps
from levelfield.segmentation.result import Segmentation
from levelfield.segmentation.star_polygons import polygon_claims, suppress

if TYPE_CHECKING:  # the network's module needs torch, which nothing else does
    from levelfield.segmentation.networks.stardist import StarDistModel

Image = NDArray[np.float32]

PERCENTILES = (1.0, 99.8)  # to which StarDist's models are trained to have their images scaled
_BORDER = 2  # predictions at the outermost pixels are not trusted, as in StarDist
_SHORTEST = 1e-3  # px; a polygon has an area, however little


def stardist(
    image: Image,
    model: StarDistModel,
    *,
    probability: float | None = None,
    overlap: float | None = None,
    scale: float = 1.0,
    minimum_diameter: float = 0.0,
    maximum_diameter: float | None = None,
    border: str = "keep",
) -> Segmentation:
    """Segment with a StarDist model.

    Parameters
    ----------
    image
        (C, Y, X), as many channels as the model has.
    model
        See `levelfield.segmentation.networks.stardist.load_stardist`.
    probability
        Only pixels of a higher object probability propose an object; none: the model's own.
    overlap
        A proposal is dropped if a better one covers more than this fraction of the smaller of the
        two; none: the model's own.
    scale
        The image is enlarged by this before, for objects much smaller (above 1) or larger than
        those that the model learned from.
    minimum_diameter, maximum_diameter, border
        As in `levelfield.segmentation.methods.classical.classical`.

    Raises
    ------
    ValueError
        If the image has another number of channels than the model.
    """
    require_number("scale", scale, 0.05, 20)
    _check_channels(image, model)
    limits = {"probability": probability, "overlap": overlap}
    own = dict(zip(limits, (model.thresholds["prob"], model.thresholds["nms"]), strict=True))
    for name, value in limits.items():
        if value is not None:
            require_number(name, value, 0, 1)
            own[name] = value
    seen = image if scale == 1 else ndimage.zoom(image, (1, scale, scale), order=1)
    likely, distances = model.predict(np.stack([_normalised(plane) for plane in seen]))
    points, distances, scores = _candidates(likely, distances, own["probability"], model)
    kept = suppress(points, distances, scores, own["overlap"])
    claims = polygon_claims(
        points[kept] / scale, distances[kept] / scale, scores[kept], image.shape[1:]
    )
    labels, record = resolve_overlaps(claims, image.shape[1:])
    return finished(labels, record, minimum_diameter, maximum_diameter, border)


def _candidates(
    likely: Image, distances: Image, probability: float, model: StarDistModel
) -> tuple[NDArray[np.int64], Image, Image]:
    """Return points (n, 2) in px, distances (n, n_rays) and scores (n,) of all proposals."""
    proposes = np.zeros(likely.shape, bool)
    inner = (slice(_BORDER, -_BORDER), slice(_BORDER, -_BORDER))
    proposes[inner] = likely[inner] > probability
    points = np.argwhere(proposes) * np.array(model.grid)
    return points, np.maximum(distances[:, proposes].T, _SHORTEST), likely[proposes]


def _normalised(plane: Image) -> Image:
    """Scale to the percentiles; a field of nothing but noise is not stretched until it fills it."""
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
