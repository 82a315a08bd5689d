"""Steps that make objects bright. They change what is segmented, never what is measured.

A step takes an image (C, Y, X) float32 and returns a new one of the same height and width. The
segmentation applies the steps to a copy of its own; no other part of the package sees the result.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from levelfield.arrays import Image
from levelfield.config.parameters import call_with, require_choice
from levelfield.images.preprocessing import channels, enhancement, filters, tiles

STEPS: dict[str, Callable[..., Image]] = {
    "rescale": filters.rescale,
    "gaussian": filters.gaussian,
    "median": filters.median,
    "bilateral": filters.bilateral,
    "subtract_background": filters.subtract_background,
    "edges": filters.edges,
    "morphology": filters.morphology,
    "fill_holes": filters.fill_holes,
    "tile": tiles.tile,
    "crop": filters.crop,
    "mask": filters.mask,
    "enhance_speckles": enhancement.enhance_speckles,
    "suppress_speckles": enhancement.suppress_speckles,
    "enhance_neurites": enhancement.enhance_neurites,
    "enhance_dark_holes": enhancement.enhance_dark_holes,
    "enhance_circles": enhancement.enhance_circles,
    "enhance_texture": enhancement.enhance_texture,
    "match_template": enhancement.match_template,
    "medial_axis": enhancement.medial_axis,
    "combine_channels": channels.combine_channels,
    "repeat_channel": channels.repeat_channel,
    "unmix": channels.unmix,
}


def apply_steps(image: Image, steps: Sequence[Mapping[str, Any]]) -> Image:
    """Apply named steps one after the other to an image (C, Y, X), which is not changed.

    Each step is ``{"step": name, "parameters": {…}}``, with a name of `STEPS`. ValueError if a step
    or a parameter is unknown, or a value is not allowed.
    """
    for position, item in enumerate(steps, 1):
        unknown = set(item) - {"step", "parameters"}
        if unknown:
            raise ValueError(
                f"step {position}: unknown key {sorted(unknown)[0]!r}; "
                "a step has the keys step and parameters"
            )
        name = item.get("step", "")
        require_choice(f"step {position}", name, STEPS)
        source = image.view()
        source.flags.writeable = False
        parameters = item.get("parameters") or {}
        where = f"step {position} ({name})"
        result = call_with(STEPS[name], source, parameters=parameters, where=where)
        image = np.ascontiguousarray(result, np.float32)
    return image
