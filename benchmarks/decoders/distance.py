"""Distance to the edge: its peaks are the objects, its valleys divide them."""

import numpy as np
from scipy import ndimage

from levelfield.arrays import Labels
from levelfield.segmentation.decoder_options import DecodingOptions
from levelfield.segmentation.decoders.finishing import finish
from levelfield.segmentation.decoders.flooding import flood
from levelfield.segmentation.options import Share
from levelfield.segmentation.small_network.prediction import Prediction


class DistanceOptions(DecodingOptions):
    """Options of the decoder `distance`."""

    core: Share = 0.5
    """Where the distance, 1 at the centre of an object, is above this, is an object's core; higher
    splits more."""


def distance(prediction: Prediction, options: DistanceOptions) -> Labels:
    """Make every connected core an object, and flood down from it."""
    mask = prediction.foreground > options.foreground
    cores, _ = ndimage.label((prediction.distance > options.core) & mask)
    labels = flood(cores.astype(np.int32), mask, prediction.distance)
    return finish(labels, prediction.foreground, options)
