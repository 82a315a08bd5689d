"""How large objects are, when nobody has said so."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from levelfield.labels.objects import equivalent_diameters
from levelfield.segmentation.decoder_options import FlowOptions
from levelfield.segmentation.decoders.flow import flow
from levelfield.segmentation.small_network.prediction import Prediction

# The first three are always tried. Enlarging costs four times as much, and is tried only if objects
# are so small (px) that it could matter.
_SCALES = (1.0, 0.5, 0.25)
_LARGER, _SMALL = 2.0, 10.0


def diameters_at_best_scale(
    predict: Callable[[float], Iterable[Prediction]],
) -> NDArray[np.float64]:
    """Return the equivalent diameters (px of the original images) of all objects.

    Objects are looked for at several scales; the one is right at which the network is surest where
    their centres lie. Its arrows have a length of 1 where it is sure, and shrink where it is torn:
    of objects too large for it, it sees pieces.

    `predict` makes the predictions of all images at a scale.
    """
    found = {scale: _look(predict(scale), scale) for scale in _SCALES}
    best = max(found, key=lambda scale: found[scale][0])
    if best == 1 and np.median(found[best][1] if len(found[best][1]) else [0.0]) < _SMALL:
        found[_LARGER] = _look(predict(_LARGER), _LARGER)
        best = max(found, key=lambda scale: found[scale][0])
    return found[best][1]


def _look(predictions: Iterable[Prediction], scale: float) -> tuple[float, NDArray[np.float64]]:
    """Return the mean length of the arrows in the foreground, and all diameters."""
    length, area, diameters = 0.0, 0.0, [np.zeros(0)]
    for prediction in predictions:
        arrows = np.hypot(*prediction.flow) * prediction.foreground
        length += float(arrows.sum(dtype=float))
        area += float(prediction.foreground.sum(dtype=float))
        diameters.append(equivalent_diameters(flow(prediction, FlowOptions())) / scale)
    return length / max(area, 1.0), np.concatenate(diameters)
