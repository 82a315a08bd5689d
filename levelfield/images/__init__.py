"""Planes of a microscope as arrays, and what is done with them before segmentation."""
