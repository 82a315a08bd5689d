"""Measurement: CellProfiler's feature families, all objects at once.

Every table column carries CellProfiler's name, so that pycytominer and CytoTable read it unchanged.
`docs/features.md` defines each one.
"""

from levelfield.measurement.image_level import measure_image
from levelfield.measurement.relations import parents
from levelfield.measurement.site import (
    FAMILIES,
    OBJECT_NUMBER,
    compile_kernels,
    feature_names,
    measure_site,
)

__all__ = [
    "FAMILIES",
    "OBJECT_NUMBER",
    "compile_kernels",
    "feature_names",
    "measure_image",
    "measure_site",
    "parents",
]
