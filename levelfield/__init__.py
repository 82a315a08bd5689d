"""Levelfield: segmentation, measurement and quality control of high-content screens."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["open_plate"]


def __getattr__(name: str) -> Any:
    # Only when it is asked for: every job imports this package, and none opens a plate so.
    if name == "open_plate":
        from levelfield.runs.open_plate import open_plate

        return open_plate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
