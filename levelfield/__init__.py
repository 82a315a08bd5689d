"""Levelfield: segmentation, measurement and quality control of high-content screens."""

__version__ = "0.1.0"
