"""Estimate and apply the flat field of one channel.

Raw counts are modelled as ``raw = camera_offset + field * light``: the offset is what the camera
reads without light, the field (mean 1) is the shading of lamp and optics, and the light is what
the sample sends. A flat field is worth nothing without the offset: neglecting 100 counts under a
background of 1,000 leaves a tenth of the shading in the image.

Shading is smooth, cells are not. So the estimator looks at the slope of log(raw - offset) from
pixel to pixel: in the background it is the slope of log(field), whatever the image's brightness,
and at the edges of cells it is large and points up as often as down. Iteratively re-weighted
least squares finds the Legendre polynomial whose slopes fit most pixels of most images. Levels
drop out, so images of different brightness and cells that gather in the middle do no harm.
(Shading from the symmetry of gradients: Zheng et al. 2013, IEEE TPAMI 35(6), 1480, there for one
image; many images with robust weights: BaSiC, Peng et al. 2017, Nature Communications 8, 14836.)

`levelfield.illumination.picture` draws the fields; it is imported on its own: it needs Matplotlib.
Read one image at a time, keep `downsample(image)`, and hand the thumbnails to `fit_flat_field`.
"""

from levelfield.illumination.camera_offset import (
    CameraOffset,
    camera_offset_from_config,
    camera_offset_from_dark_frame,
    estimate_camera_offset,
)
from levelfield.illumination.display import display_range
from levelfield.illumination.flat_field import FlatField, correct, fit_flat_field
from levelfield.illumination.tables import edge_falloff, from_arrays, summary, to_arrays
from levelfield.illumination.thumbnails import downsample

__all__ = [
    "CameraOffset",
    "FlatField",
    "camera_offset_from_config",
    "camera_offset_from_dark_frame",
    "correct",
    "display_range",
    "downsample",
    "edge_falloff",
    "estimate_camera_offset",
    "fit_flat_field",
    "from_arrays",
    "summary",
    "to_arrays",
]
