"""Distance to the edge: its peaks are the objects, its valleys divide them."""

import numpy as np
from scipy import ndimage

from levelfield.arrays import Labels
from levelfield.config.parameters import require_number
from levelfield.segmentation.decoder_options import DecodingOptions
from levelfield.segmentation.decoders.finishing import finish
from levelfield.segmentation.decoders.flooding import flood
from levelfield.segmentation.small_network.prediction import Prediction


def distance(
    prediction: Prediction,
    *,
    foreground: float = 0.5,
    core: float = 0.5,
    minimum_foreground: float = 0.85,
    minimum_diameter: float = 4.0,
) -> Labels:
    """Make every connected core an object, and flood down from it.

    Parameters
    ----------
    prediction
        What the network says.
    foreground
        Pixels above this probability are foreground; higher makes smaller objects.
    core
        Where the distance, 1 at the centre of an object, is above this, is an object's core; higher
        splits more.
    minimum_foreground, minimum_diameter
        See `levelfield.segmentation.decoder_options.DecodingOptions`.

    Returns
    -------
    (Y, X) int32, numbered 1..n in raster order.
    """
    require_number("foreground", foreground, 0, 1)
    require_number("core", core, 0, 1)
    mask = prediction.foreground > foreground
    cores, _ = ndimage.label((prediction.distance > core) & mask)
    labels = flood(cores.astype(np.int32), mask, prediction.distance)
    return finish(
        labels,
        prediction.foreground,
        DecodingOptions(minimum_foreground=minimum_foreground, minimum_diameter=minimum_diameter),
    )
