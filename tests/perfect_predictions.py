"""What a network that makes no error would say of a label image."""

import numpy as np

from levelfield.segmentation.small_network.prediction import FAR_STEP, Prediction, far_phase
from levelfield.segmentation.small_network.targets import (
    AFFINITY_OFFSETS,
    N_NEAR,
    SAME_OBJECT,
    make_targets,
)


def split_affinities(every):
    """Near affinities whole, far ones thinned, as a `Prediction` has them."""
    far = []
    for values, offset in zip(every[N_NEAR:], AFFINITY_OFFSETS[N_NEAR:], strict=True):
        top, left = far_phase(offset)
        far.append(values[top::FAR_STEP, left::FAR_STEP].copy())
    return every[:N_NEAR].copy(), far


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
