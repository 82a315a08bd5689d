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


def default_values(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the defaults of what the configuration may set for `function`, by name."""
    parameters = inspect.signature(function).parameters
    values = {name: parameters[name].default for name in parameter_names(function)}
    return {name: value for name, value in values.items() if value is not inspect.Parameter.empty}


def call_with(
    function: Callable[..., Any], *inputs: Any, parameters: Mapping[str, Any], where: str
) -> Any:
    """Call `function` with `inputs` and the configured `parameters`.

    Parameters
    ----------
    function : callable
        Its positional parameters are data, its keyword-only parameters are configuration.
    *inputs
        The data.
    parameters : mapping of str to object
        What the configuration sets; everything else keeps the default of the signature.
    where : str
        What the parameters belong to, for the error message, e.g. ``"method classical"``.

    Raises
    ------
    ValueError
        If a parameter is unknown or a required one is missing.
    """
    allowed = parameter_names(function)
    for name in parameters:
        if name not in allowed:
            raise ValueError(
                f"{where}: unknown parameter {name!r} (value {parameters[name]!r}); "
                f"allowed are {', '.join(allowed) or 'none'}"
            )
    for name in allowed:
        default = inspect.signature(function).parameters[name].default
        if default is inspect.Parameter.empty and name not in parameters:
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


def require_flag(name: str, value: Any) -> None:
    """Raise ValueError unless `value` is true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}; it must be true or false")
