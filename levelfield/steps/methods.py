"""What advice needs to know of each object set's segmenter: its parameters and their defaults."""

from collections.abc import Mapping, Sequence
from typing import Any

from levelfield.config.settings import ObjectSetSettings
from levelfield.qc.wording.parameters import Method, Number


def advice_methods(sets: Sequence[ObjectSetSettings]) -> dict[str, Method]:
    """Describe the method of every object set, for parameter advice.

    Values are those of the configuration, else the defaults of the method.
    """
    return {made.name: _method(made) for made in sets}


def _method(object_set: ObjectSetSettings) -> Method:
    # Here, because few jobs need the segmenters.
    from levelfield.segmentation.registry import METHODS

    method = METHODS[object_set.method]
    options = method.options.read(object_set.parameters, f"method {method.name}")
    return Method(
        values=_flat(options.model_dump()) | _flat(object_set.parameters),
        defaults=_flat(method.options.model_validate(_left_out(object_set)).model_dump()),
        parent=object_set.parents.get("parent", ""),
        knobs=method.knobs,
        made_elsewhere=method.made_elsewhere,
    )


def _left_out(object_set: ObjectSetSettings) -> dict[str, Any]:
    """Return the parameters that are words, or groups of nothing: they decide what there is."""
    return {
        name: {} if isinstance(value, Mapping) else value
        for name, value in object_set.parameters.items()
        if isinstance(value, str | Mapping)
    }


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Number]:
    """Return the numbers among the values, and those not set, with dots where they are nested."""
    found: dict[str, Number] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}.")
        elif value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            found[f"{prefix}{name}"] = value
    return found
