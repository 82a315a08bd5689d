"""Three classes: interiors, which never touch, grow to the boundaries (Caicedo et al. 2019).

Caicedo et al., "Evaluation of deep learning strategies for nucleus segmentation in fluorescence
images", Cytometry A 2019.
"""

import numpy as np
from scipy import ndimage

from levelfield.arrays import Labels
from levelfield.segmentation.decoder_options import ThreeClassOptions
from levelfield.segmentation.decoders.finishing import finish
from levelfield.segmentation.decoders.flooding import flood
from levelfield.segmentation.small_network.prediction import Prediction
from levelfield.segmentation.small_network.targets import BACKGROUND, INTERIOR


def three_class(prediction: Prediction, options: ThreeClassOptions) -> Labels:
    """Make every connected interior an object, and grow it over its boundary.

    Parameters
    ----------
    prediction : Prediction
        What the network says.
    options : ThreeClassOptions
        See there.

    Returns
    -------
    (Y, X) int32
        Numbered 1..n in raster order.
    """
    likely = 1 - prediction.classes[BACKGROUND]
    mask = likely > options.foreground
    inside = prediction.classes[INTERIOR]
    seeds, _ = ndimage.label((inside > options.interior) & mask)
    labels = flood(seeds.astype(np.int32), mask, inside)
    return finish(labels, likely, options)
