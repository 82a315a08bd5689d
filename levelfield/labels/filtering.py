"""Which objects stay: by size, and by whether they touch the border."""

import numpy as np

from levelfield.arrays import Labels
from levelfield.config.parameters import require_choice, require_number
from levelfield.labels.objects import equivalent_diameters, keep_objects, touches_border


def filter_objects(
    labels: Labels, minimum_diameter: float, maximum_diameter: float | None, border: str
) -> tuple[Labels, dict[str, float]]:
    """Remove objects by size and border; the others keep their numbers.

    The record says how many objects were too small, too large, or touched the border.
    """
    require_number("minimum_diameter", minimum_diameter, 0)
    if maximum_diameter is not None:
        require_number("maximum_diameter", maximum_diameter, low=minimum_diameter)
    require_choice("border", border, ("keep", "discard"))
    diameter = equivalent_diameters(labels)
    present = diameter > 0
    small = present & (diameter < minimum_diameter)
    large = diameter > (np.inf if maximum_diameter is None else maximum_diameter)
    touching = touches_border(labels) & present & ~small & ~large
    keep = present & ~small & ~large
    if border == "discard":
        keep &= ~touching
    record = {
        "RemovedSmall": float(small.sum()),
        "RemovedLarge": float(large.sum()),
        "TouchingBorder": float(touching.sum()),
    }
    return keep_objects(labels, keep), record
