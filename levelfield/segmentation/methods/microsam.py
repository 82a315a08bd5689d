"""The method `microsam`: objects from the instance decoder of a microSAM model, without prompts.

Archit et al., Nature Methods 22, 579 (2025): its automatic instance segmentation (AIS). Centres are
where the decoder sees both the middle of an object and no boundary; from them a watershed fills the
foreground along the distance to the boundary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from levelfield.arrays import Image
from levelfield.config.options import Number
from levelfield.segmentation.elsewhere import map_elsewhere
from levelfield.segmentation.method import Knob, Method
from levelfield.segmentation.methods.segment_anything import as_colours
from levelfield.segmentation.options import Share, SizeFilter
from levelfield.segmentation.result import Segmentation, filtered

if TYPE_CHECKING:  # the network's module needs torch, which nothing else does
    from levelfield.segmentation.networks.instance_decoder import MicroSamModel

Radius = Annotated[Number, Field(ge=0, le=100)]


class MicrosamOptions(SizeFilter):
    """Options of the method `microsam`; defaults are those of microSAM."""

    foreground: Share = 0.5
    """Pixels of a higher probability are part of objects; higher makes smaller objects."""
    centre_distance: Share = 0.5
    """What is nearer to its object's centre (0 at the centre, 1 at the edge) may be a seed."""
    boundary_distance: Share = 0.5
    """What has a lower value of the boundary may be a seed; lower splits more."""
    foreground_smoothing: Radius = 1.0
    """px, of a Gaussian filter."""
    distance_smoothing: Radius = 1.6
    """px, of a Gaussian filter."""


def microsam(
    images: Sequence[Image], options: MicrosamOptions, inputs: Sequence[Mapping[str, Any]]
) -> list[Segmentation]:
    """Segment images of 1 to 3 channels, seen as red, green and blue."""
    model: MicroSamModel = inputs[0]["model"]
    predictions = model.predict_all([as_colours(image) for image in images])
    return map_elsewhere(objects_of, [(prediction, options) for prediction in predictions])


def objects_of(prediction: Image, options: MicrosamOptions) -> Segmentation:
    """Turn what the decoder says of an image into objects.

    Parameters
    ----------
    prediction : (3, Y, X) float32
        Probability of foreground, distance to the centre and to the boundary, 0 to 1.
    options : MicrosamOptions
    """
    from scipy import ndimage
    from skimage.segmentation import watershed

    smoothing = (options.foreground_smoothing, *[options.distance_smoothing] * 2)
    foreground, centre, boundary = (
        ndimage.gaussian_filter(values, sigma) if sigma else values
        for values, sigma in zip(prediction, smoothing, strict=True)
    )
    inside = foreground > options.foreground
    near = (centre < options.centre_distance) & (boundary < options.boundary_distance)
    seeds, _ = ndimage.label(near & inside, np.ones((3, 3)))
    labels = watershed(boundary, seeds, mask=inside).astype(np.int32)
    return filtered(labels, options, {})


METHOD = Method(
    name="microsam",
    makes="nuclei or cells, with a microSAM model and its instance decoder",
    options=MicrosamOptions,
    run_many=microsam,
    channels=(1, 3),
    load="levelfield.segmentation.networks.instance_decoder:load_microsam",
    fields_at_once={"cuda": 4, "mps": 4},
    for_threads=True,
    environment="levelfield[gpu]",
    knobs=(
        Knob("boundary_distance", 0.1, "divide_less"),
        Knob("foreground", 0.1, "smaller"),
        Knob("centre_distance", 0.1, "find_more"),
    ),
)
