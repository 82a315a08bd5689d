"""The method `cellpose`: Cellpose 4 (Pachitariu, Rariden & Stringer 2025, Cellpose-SAM)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from levelfield.segmentation.cellpose.options import CellposeOptions
from levelfield.segmentation.result import Segmentation

Image = NDArray[np.float32]
Function = TypeVar("Function", bound=Callable[..., Any])


class Segmenter(Protocol):
    """What segments; `levelfield.segmentation.cellpose.model.CellposeModel`, which needs torch."""

    def segment(self, images: Sequence[Image], parameters: Mapping[str, Any]) -> list[Segmentation]:
        """Segment images (C, Y, X)."""


def _with_options(function: Function) -> Function:
    """Show the fields of `CellposeOptions`, where they have their defaults, as own parameters."""
    own = [
        one
        for one in inspect.signature(function).parameters.values()
        if one.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    options = inspect.signature(CellposeOptions).parameters.values()
    function.__signature__ = inspect.Signature([*own, *options])
    return function


@_with_options
def cellpose(image: Image, model: Segmenter, **parameters: Any) -> Segmentation:
    """Segment with a network of Cellpose 4.

    Parameters
    ----------
    image
        (C, Y, X), 1 to 3 channels in any order.
    model
        The network with its weights.
    **parameters
        See `levelfield.segmentation.cellpose.options.CellposeOptions`.
    """
    return model.segment([image], parameters)[0]


@_with_options
def segment_with_cellpose(
    images: Sequence[Image], parents: Sequence[Mapping[str, Any]], **parameters: Any
) -> list[Segmentation]:
    """Segment many images at once; parameters are those of `cellpose`."""
    return parents[0]["model"].segment(images, parameters)
