"""What every segmenter returns."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Segmentation:
    """Objects of one image.

    Attributes
    ----------
    labels
        (Y, X) int32, 0 = background. Numbered 1..n in raster order of the first pixel, or, for
        objects that come from others (cells, cytoplasm), like the objects they come from.
    record
        Facts about this image that deserve a column in the table of sites, e.g. the threshold.
    """

    labels: NDArray[np.int32]
    record: dict[str, float] = field(default_factory=dict)


def single_channel(image: NDArray[np.float32], method: str) -> NDArray[np.float32]:
    """Return the only channel (Y, X) of an image (C, Y, X).

    Raises
    ------
    ValueError
        If there are several.
    """
    if len(image) != 1:
        raise ValueError(
            f"method {method} segments 1 channel but was given {len(image)}; name one channel, or "
            "make one of them with the step combine_channels"
        )
    return image[0]
