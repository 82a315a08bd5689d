"""Which plane of a z-stack is the sharpest, and how a stack becomes one plane."""

from collections.abc import Sequence

import numpy as np

from levelfield.arrays import AnyArray


def project(stack: Sequence[AnyArray], projection: str | None) -> AnyArray:
    """Make one plane (Y, X) of the planes of a z-stack; a single plane stays as it is.

    `projection` is ``maximum``, ``mean`` or ``best_focus``, for the sharpest plane.

    Raises
    ------
    ValueError
        If there are several planes, and it is none of these.
    """
    if len(stack) == 1:
        return stack[0]
    if projection == "maximum":
        return np.max(stack, axis=0)
    if projection == "mean":
        return np.rint(np.mean(stack, axis=0)).astype(stack[0].dtype)
    if projection == "best_focus":
        return stack[int(np.argmax([sharpness(plane) for plane in stack]))]
    raise ValueError(
        f"a stack of {len(stack)} planes cannot become one by '{projection}'. Allowed: maximum, "
        "mean, best_focus."
    )


def sharpness(plane: AnyArray) -> float:
    """Return how sharp an image (Y, X) is: its gradient energy per squared mean intensity.

    The energy is taken two pixels apart (Brenner 1976), as neighbours share the camera's noise;
    the mean above the darkest percentile keeps a brighter plane from counting as a sharper one.
    """
    image = plane.astype(np.float32)
    energy = np.mean((image[:, 2:] - image[:, :-2]) ** 2) + np.mean((image[2:] - image[:-2]) ** 2)
    signal = float(image.mean() - np.percentile(image, 1))
    return float(energy) / signal**2 if signal > 0 else 0.0
