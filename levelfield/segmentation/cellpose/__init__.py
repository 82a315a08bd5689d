"""Cellpose 4, for many images at once."""

from levelfield.segmentation.cellpose.model import CellposeModel
from levelfield.segmentation.cellpose_options import CellposeOptions

__all__ = ["CellposeModel", "CellposeOptions"]
