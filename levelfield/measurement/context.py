"""What the families share: a site's image and an object set's pixels, each derived once."""

from functools import cached_property

import numpy as np

from levelfield.arrays import AnyLabels, Floats, Image, Integers, Labels
from levelfield.labels import convex_hull
from levelfield.labels.enclosing_circle import enclosing_circles
from levelfield.labels.row_extents import RowExtents, row_extents
from levelfield.measurement import zernike
from levelfield.measurement.granular_spectrum import granular_spectrum
from levelfield.measurement.parameters import Parameters
from levelfield.measurement.pixels import ObjectPixels, centres, object_pixels, weighted_centres
from levelfield.measurement.sorting import sort_objects


class Site:
    """The image of one site and what all of its object sets need from it.

    The image (C, Y, X) holds flat-field-corrected intensities, raw / maximum of the bit depth.
    Nothing is measured on a preprocessed image, and no background is subtracted here. ValueError if
    the number of channels differs from their names or a pixel is not finite.
    """

    def __init__(self, image: Image, parameters: Parameters) -> None:
        image = np.asarray(image)
        if image.ndim != 3 or image.shape[0] != len(parameters.channels):
            raise ValueError(
                f"The image has shape {image.shape}, but {len(parameters.channels)} channels are "
                f"named ({', '.join(parameters.channels)}), so they cannot be told apart. "
                f"Give an array (channel, row, column) with one plane for each name."
            )
        self.image = np.ascontiguousarray(image, np.float32)
        self.parameters = parameters
        for channel, plane in zip(parameters.channels, self.image, strict=True):
            _check_finite(channel, plane)

    @cached_property
    def granular_spectra(self) -> list[Floats]:
        """(steps, N) granular spectrum of each channel."""
        return [granular_spectrum(plane, self.parameters) for plane in self.image]


class ObjectSet:
    """One label image of a site: the pixels of its objects, and what several families share."""

    def __init__(self, site: Site, labels: AnyLabels) -> None:
        if np.shape(labels) != site.image.shape[1:]:
            raise ValueError(
                f"The label image has shape {np.shape(labels)}, but the image has "
                f"{site.image.shape[1:]}: they do not lie over each other. Segment this site again."
            )
        self.site = site
        self.pixels: ObjectPixels = object_pixels(labels)

    @cached_property
    def values(self) -> Floats:
        """(C, P) intensities of the object pixels, grouped by object."""
        planes = self.site.image.reshape(len(self.site.image), -1)
        return planes.take(self.pixels.positions, axis=1).astype(float)

    @cached_property
    def order(self) -> Labels:
        """(C, P) indices within the object that sort its intensities."""
        return sort_objects(self.values, self.pixels.starts)

    @cached_property
    def ranked(self) -> Floats:
        """(C, P) intensities of the object pixels, ascending within each object."""
        first = np.repeat(self.pixels.starts[:-1], self.pixels.areas)
        return np.stack([v[first + o] for v, o in zip(self.values, self.order, strict=True)])

    @cached_property
    def centres(self) -> Floats:
        """(n, 2) row and column of the centre of each object, in px."""
        return centres(self.pixels)

    @cached_property
    def extents(self) -> RowExtents:
        """First and last pixel of every object on every row."""
        return row_extents(self.pixels.labels)

    @cached_property
    def hulls(self) -> tuple[Integers, Integers]:
        """Vertices of the convex hulls, see `levelfield.labels.convex_hull.hulls`."""
        return convex_hull.hulls(self.extents)

    @cached_property
    def zernike_sums(self) -> Floats:
        """(n, C + 1, K, 2) sums of the Zernike polynomials, of shape and of each channel."""
        degree = self.site.parameters.zernike_degree
        return zernike.zernike_sums(self.values, self.pixels, self.circles, degree)

    @cached_property
    def circles(self) -> tuple[Floats, Floats]:
        """Centres (n, 2) and radii (n,) of the smallest enclosing circles, in px."""
        return enclosing_circles(*self.hulls)

    @cached_property
    def intensity_sums(self) -> Floats:
        """(C, n, 5) see `levelfield.measurement.pixels.weighted_centres`."""
        return weighted_centres(self.values, self.pixels)


def _check_finite(channel: str, plane: Image) -> None:
    bad = ~np.isfinite(plane)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise ValueError(
            f"Channel {channel} holds {int(bad.sum())} pixels that are not numbers, the first at "
            f"row {row}, column {column}; every sum over them would be lost. Check the flat field: "
            f"it must not contain zeros or NaN."
        )
