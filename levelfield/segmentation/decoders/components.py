"""Two classes: every connected part of the foreground is an object.

The plain U-Net (Ronneberger et al. 2015). Objects that touch are one, by nature.
"""

from scipy import ndimage

from levelfield.arrays import Labels
from levelfield.segmentation.decoder_options import DecodingOptions
from levelfield.segmentation.decoders.finishing import finish
from levelfield.segmentation.small_network.prediction import Prediction


def components(prediction: Prediction, options: DecodingOptions) -> Labels:
    """Make every connected part of the foreground an object.

    Parameters
    ----------
    prediction : Prediction
        What the network says.
    options : DecodingOptions
        See there.

    Returns
    -------
    (Y, X) int32
        Numbered 1..n in raster order.
    """
    labels, _ = ndimage.label(prediction.foreground > options.foreground)
    return finish(labels, prediction.foreground, options)
