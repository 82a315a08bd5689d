"""Check and pass parameters from the configuration to the functions that define them.

The signature of a function is the only place that knows its parameters and their defaults: what
is keyword-only may stand in the configuration, anything else may not.
"""

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any


def parameter_names(function: Callable[..., Any]) -> list[str]:
    """Names that the configuration may set for `function`: its keyword-only parameters."""
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]


def call_with(
    function: Callable[..., Any], *inputs: Any, parameters: Mapping[str, Any], where: str
) -> Any:
    """Call `function` with the data `inputs` and the configured `parameters`.

    Raises
    ------
    ValueError
        If a parameter is unknown or a required one is missing. `where` says in the error what the
        parameters belong to, e.g. ``"method classical"``.
    """
    allowed = parameter_names(function)
    for name, value in parameters.items():
        if name not in allowed:
            raise ValueError(
                f"{where}: unknown parameter {name!r} (value {value!r}); "
                f"allowed are {', '.join(allowed) or 'none'}"
            )
    signature = inspect.signature(function).parameters
    for name in allowed:
        if signature[name].default is inspect.Parameter.empty and name not in parameters:
            raise ValueError(f"{where}: parameter {name!r} is required")
    return function(*inputs, **parameters)


def require_choice(name: str, value: Any, choices: Collection[str]) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} is {value!r}; allowed are {', '.join(choices)}")


def require_number(
    name: str, value: Any, low: float = float("-inf"), high: float = float("inf")
) -> None:
    """Raise ValueError unless `value` is a number with ``low <= value <= high``."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:
        raise ValueError(f"{name} is {value!r}; it must be a number from {low:g} to {high:g}")
