"""What advice needs to know of each object set's segmenter: its parameters and their defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from levelfield.config.parameters import default_values
from levelfield.config.settings import ObjectSetSettings
from levelfield.qc.wording.parameters import Method, Number


def advice_methods(sets: Sequence[ObjectSetSettings]) -> dict[str, Method]:
    """Describe the method of every object set, for parameter advice.

    Parameters
    ----------
    sets : sequence of ObjectSetSettings
        From `levelfield.config.settings.object_sets`.

    Returns
    -------
    dict of str to Method
        By object set; values are those of the configuration, else the defaults of the method.
    """
    return {one.name: _method(one) for one in sets}


def _method(one: ObjectSetSettings) -> Method:
    # Here, because few jobs need the segmenters.
    from levelfield.segmentation.registry import SEGMENTERS

    defaults = default_values(SEGMENTERS[one.method])
    defaults |= _nested_defaults(one, defaults)
    given = _flat(one.parameters)
    known = _flat(defaults)
    # A given group of parameters leaves those that it does not name at their defaults.
    return Method(one.method, known | given, known, one.parents.get("parent", ""))


def _nested_defaults(one: ObjectSetSettings, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults of parameters that are functions' own: threshold, declump, decoding."""
    from levelfield.segmentation.declump import declump
    from levelfield.segmentation.threshold import find_threshold

    functions = {"threshold": find_threshold, "declump": declump}
    nested = {
        name: default_values(function) | dict(defaults[name] or {})
        for name, function in functions.items()
        if name in defaults and (defaults[name] is not None or name in one.parameters)
    }
    if "decoding" in defaults:
        from levelfield.segmentation.decoders import DECODERS

        decoder = one.parameters.get("decoder", defaults["decoder"])
        nested["decoding"] = default_values(DECODERS[decoder])
    return nested


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Number]:
    """Return the numbers among the values, and those not set, with dots where they are nested."""
    found: dict[str, Number] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}.")
        elif value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            found[f"{prefix}{name}"] = value
    return found
