"""Outlines from the image: a network knows which objects there are, the pixels where they end.

A network learns its outlines from people who drew them wider here and tighter there, so between
background and object its probability rises slowly, and where it crosses one half depends on what it
learned from. How bright a pixel is, between the background beside an object and the object itself,
is measured on the image at hand. People draw near 40 % of the way, which the method `classical`
follows too (`levelfield.segmentation.outline`).
"""

import numpy as np
from scipy import ndimage

from levelfield.arrays import Image, Labels, Mask
from levelfield.images.noise import pixel_noise
from levelfield.labels.objects import equivalent_diameters, expand, fill_object_holes, largest_parts
from levelfield.segmentation.outline import plateaus
from levelfield.segmentation.small_network.targets import distance_to_outside

REACH = 3.0  # px that an outline may move, outwards or inwards
# What the image says counts three times as much as what the network says: the network's share
# keeps outlines in place across debris, texture and gaps between objects.
_IMAGE_SHARE = 0.75
_SMOOTHING = 0.5  # px; against pixel noise, without moving the edges of small objects
# Objects that stand out by fewer standard deviations of the pixel noise keep their outlines.
_LEAST_CONTRAST = 5.0
_SURELY_OUTSIDE = 0.2  # below this probability of foreground is background
_WINDOW = 3.0  # typical diameters; wide enough to hold background beside every object
_LEAST_BACKGROUND = 0.01  # share of a window; with less, the whole image's background counts


def refine_outlines(
    image: Image,
    labels: Labels,
    foreground: Image,
    level: float = 0.4,
    threshold: float = 0.5,
    coarseness: float = 1.0,
) -> Labels:
    """Move each object's outline to where the image has it, by at most `REACH` px.

    Parameters
    ----------
    image : (Y, X) float32
        Any intensity scale; objects are brighter than what is around them.
    labels : (Y, X) int32
        Objects with outlines that are about right.
    foreground : (Y, X) float32
        The network's probability of being part of an object.
    level : float
        Where the outline lies between the background beside the object (0) and the object's own
        brightness (1); higher makes smaller objects.
    threshold : float
        The probability at which the network sees an outline.
    coarseness : float
        Px of the image per px of the network, where it was given a smaller image: what is meant in
        px of the network is as many times wider.

    Returns
    -------
    (Y, X) int32; the numbers of `labels`. Objects that the image does not show at all may be gone.
    """
    numbers = np.flatnonzero(np.bincount(labels.ravel())[1:]) + 1
    if not len(numbers):
        return labels
    smoothed = ndimage.gaussian_filter(image, _SMOOTHING * coarseness)
    wide = expand(labels, REACH * coarseness)
    diameter = float(np.median(equivalent_diameters(labels)[numbers - 1]))
    outside = (wide == 0) & (foreground < _SURELY_OUTSIDE)
    height = smoothed - local_background(smoothed, outside, diameter)
    plateau = plateaus(height, labels)
    visible = plateau > _LEAST_CONTRAST * pixel_noise(image)
    # From here in place: each of these is as large as the image.
    likely = height / np.where(visible, plateau, 1)[wide]
    del smoothed, outside, height
    likely -= level
    likely *= _IMAGE_SHARE
    likely += (1 - _IMAGE_SHARE) * (foreground - threshold)
    inside = np.where(visible[wide], likely > 0, labels > 0)
    inside |= distance_to_outside(labels) > REACH * coarseness
    return fill_object_holes(largest_parts(np.where(inside, wide, 0)))


def local_background(image: Image, outside: Mask, diameter: float) -> Image:
    """Return the mean intensity of the background around each pixel of an image (Y, X).

    `outside` is what is background for sure; the mean is over a square three times as wide as the
    typical diameter (px) of the objects.
    """
    overall = np.float32(np.median(image[outside]) if outside.any() else image.min())
    size = 2 * round(_WINDOW * diameter / 2) + 1
    share = ndimage.uniform_filter(outside.astype(np.float32), size)
    above = ndimage.uniform_filter(np.where(outside, image - overall, np.float32(0)), size)
    return overall + above / (np.maximum(share, 0) + np.float32(_LEAST_BACKGROUND))
