"""Two classes: every connected part of the foreground is an object.

The plain U-Net (Ronneberger et al. 2015). Objects that touch are one, by nature.
"""

from __future__ import annotations

from scipy import ndimage

from levelfield.config.parameters import require_number
from levelfield.segmentation.decoders.finishing import Labels, finish
from levelfield.segmentation.small_network.prediction import Prediction


def components(
    prediction: Prediction,
    *,
    foreground: float = 0.5,
    minimum_foreground: float = 0.85,
    minimum_diameter: float = 4.0,
) -> Labels:
    """Make every connected part of the foreground an object.

    Parameters
    ----------
    prediction
        What the network says.
    foreground
        Pixels above this probability are foreground; higher makes smaller objects.
    minimum_foreground, minimum_diameter
        See `levelfield.segmentation.decoders.finishing.finish`.

    Returns
    -------
    (Y, X) int32, numbered 1..n in raster order.
    """
    require_number("foreground", foreground, 0, 1)
    labels, _ = ndimage.label(prediction.foreground > foreground)
    return finish(labels, prediction.foreground, minimum_foreground, minimum_diameter)
