"""Cellpose 4, for many images at once."""
