"""Classes of pixels: the connected parts of one are the objects.

Two classes are those of the plain U-Net (Ronneberger et al. 2015). With a class of boundaries,
interiors never touch (Caicedo et al., "Evaluation of deep learning strategies for nucleus
segmentation in fluorescence images", Cytometry A 2019).
"""

import numpy as np
from scipy import ndimage

from levelfield.arrays import Labels
from levelfield.segmentation.decoder_options import DecodingOptions, ThreeClassOptions
from levelfield.segmentation.decoders.finishing import finish
from levelfield.segmentation.decoders.flooding import flood
from levelfield.segmentation.small_network.prediction import Prediction
from levelfield.segmentation.small_network.targets import BACKGROUND, INTERIOR


def components(prediction: Prediction, options: DecodingOptions) -> Labels:
    """Make every connected part of the foreground an object; objects that touch are one."""
    labels, _ = ndimage.label(prediction.foreground > options.foreground)
    return finish(labels, prediction.foreground, options)


def three_class(prediction: Prediction, options: ThreeClassOptions) -> Labels:
    """Make every connected interior an object, and grow it over its boundary."""
    likely = 1 - prediction.classes[BACKGROUND]
    mask = likely > options.foreground
    inside = prediction.classes[INTERIOR]
    seeds, _ = ndimage.label((inside > options.interior) & mask)
    labels = flood(seeds.astype(np.int32), mask, inside)
    return finish(labels, likely, options)
