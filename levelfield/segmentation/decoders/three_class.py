"""Three classes: interiors, which never touch, grow to the boundaries (Caicedo et al. 2019).

Caicedo et al., "Evaluation of deep learning strategies for nucleus segmentation in fluorescence
images", Cytometry A 2019.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from levelfield.config.parameters import require_number
from levelfield.segmentation.decoders.finishing import Labels, finish
from levelfield.segmentation.decoders.flooding import flood
from levelfield.segmentation.small_network.prediction import Prediction
from levelfield.segmentation.small_network.targets import BACKGROUND, INTERIOR


def three_class(
    prediction: Prediction,
    *,
    foreground: float = 0.5,
    interior: float = 0.7,
    minimum_foreground: float = 0.85,
    minimum_diameter: float = 4.0,
) -> Labels:
    """Make every connected interior an object, and grow it over its boundary.

    Parameters
    ----------
    prediction
        What the network says.
    foreground
        Pixels that are interior or boundary with more than this probability are foreground; higher
        makes smaller objects.
    interior
        Pixels above this probability are interior; higher splits more.
    minimum_foreground, minimum_diameter
        See `levelfield.segmentation.decoders.finishing.finish`.

    Returns
    -------
    (Y, X) int32, numbered 1..n in raster order.
    """
    require_number("foreground", foreground, 0, 1)
    require_number("interior", interior, 0, 1)
    likely = 1 - prediction.classes[BACKGROUND]
    mask = likely > foreground
    inside = prediction.classes[INTERIOR]
    seeds, _ = ndimage.label((inside > interior) & mask)
    labels = flood(seeds.astype(np.int32), mask, inside)
    return finish(labels, likely, minimum_foreground, minimum_diameter)
