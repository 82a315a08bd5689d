"""Levelfield: segmentation, measurement and quality control of high-content screens."""

from importlib.metadata import version

__version__ = version("levelfield")
