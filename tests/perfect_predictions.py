"""What a network that makes no error would say of a label image."""

import numpy as np

from levelfield.segmentation.small_network.prediction import Prediction, split_affinities
from levelfield.segmentation.small_network.targets import SAME_OBJECT, make_targets


def perfect_prediction(labels):
    """Turn labels (Y, X) into the `Prediction` that equals their targets."""
    height, width = labels.shape
    # Targets need even sides; what is added is cut off again.
    odd = [(0, side % 2) for side in labels.shape]
    targets = make_targets(np.pad(labels, odd, mode="edge").astype(np.int32))

    def cut(values):
        return np.ascontiguousarray(values[..., :height, :width], dtype=np.float32)

    near, far = split_affinities(cut(targets.pairs == SAME_OBJECT))
    return Prediction(
        foreground=cut(targets.foreground),
        classes=cut(targets.classes == np.arange(3)[:, None, None]),
        distance=cut(targets.distance),
        flow=cut(targets.flow),
        cell_probability=cut(targets.foreground),
        affinities=near,
        far_affinities=far,
        star_probability=targets.distance[::2, ::2],
        star_distances=targets.star_distances,
    )
