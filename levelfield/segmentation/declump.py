"""Declumping: find the centre of each object and draw the lines between touching ones."""

import numpy as np
from numba import njit
from scipy import ndimage

from levelfield.arrays import Integers, Labels, Mask
from levelfield.arrays import Plane as Surface
from levelfield.labels.labelwise import areas, largest_per_label
from levelfield.labels.union_find import root_of
from levelfield.segmentation.options import DeclumpOptions
from levelfield.segmentation.propagate import propagate

EIGHT_NEIGHBOURS = np.ones((3, 3), bool)


def typical_diameter(distance: Surface, clumps: Labels) -> float:
    """Estimate the typical object width in px, touching objects or not.

    The area-weighted median over the clumps of twice the largest distance to the background: two
    touching nuclei are hardly wider than one.
    """
    n_clumps = int(clumps.max(initial=0))
    if n_clumps == 0:
        return 0.0
    radius, area = largest_per_label(clumps, distance, n_clumps), areas(clumps)
    order = np.argsort(radius, kind="stable")
    middle = np.searchsorted(np.cumsum(area[order]), area.sum() / 2)
    return 2 * float(radius[order][middle])


def distance_to_background(foreground: Mask) -> Surface:
    """Euclidean distance in px from each pixel to the nearest background pixel, float32.

    SciPy finds the nearest pixels; its own distances take several times the memory. Without any
    background the border of the image takes its place.
    """
    if foreground.all():
        return distance_to_background(np.pad(foreground, 1))[1:-1, 1:-1]
    nearest = ndimage.distance_transform_edt(
        foreground, return_distances=False, return_indices=True
    )
    height, width = foreground.shape
    rows = (nearest[0] - np.arange(height, dtype=np.int32)[:, None]).astype(np.float32)
    columns = (nearest[1] - np.arange(width, dtype=np.int32)).astype(np.float32)
    return np.hypot(rows, columns, out=rows)


def declump(
    image: Surface, foreground: Mask, options: DeclumpOptions | None = None
) -> tuple[Labels, dict[str, float]]:
    """Divide the foreground (Y, X) into objects.

    What marks an object (`centres`) is a peak of the distance to the background (`shape`), of the
    smoothed `intensity` that the image holds, of the distance times the square root of the
    intensity above background (`shape_intensity`), of the negative Laplacian of Gaussian (`log`),
    or nothing (`none`). Objects are divided (`lines`) along the valleys of the distance, of the
    intensity or of both, at equal `propagation` cost from the centres, or nowhere.

    Returns
    -------
    labels : (Y, X) int32
    record : dict of str to float
        The sizes that were used, px.
    """
    options = options or DeclumpOptions()
    clumps, _ = ndimage.label(foreground, EIGHT_NEIGHBOURS)
    distance = distance_to_background(foreground)
    diameter = typical_diameter(distance, clumps)
    record = {"TypicalDiameter": diameter}
    if "none" in (options.centres, options.lines) or diameter == 0:
        return clumps.astype(np.int32), record
    sigma, apart = options.smoothing, options.suppression_distance
    sigma = diameter / 20 if sigma is None else sigma
    apart = diameter / 4 if apart is None else apart
    record |= {"DeclumpSmoothing": sigma, "SuppressionDistance": apart}
    height = _height_above_background(image, foreground)
    surface = _surface(height, distance, options.centres, diameter)
    if sigma > 0 and options.centres != "log":
        surface = ndimage.gaussian_filter(surface, sigma)
    basins, peaks = merged_basins(surface, foreground, options.depth, apart)
    if options.lines == options.centres:
        return basins, record
    seeds = np.zeros(foreground.shape, np.int32)
    seeds.flat[peaks] = basins.flat[peaks]
    if options.lines == "propagation":
        return propagate(height, seeds, foreground, options.regularisation)[0], record
    # Imported here: the many that only use the functions below do without scikit-image.
    from skimage.segmentation import watershed

    valleys = -_surface(height, distance, options.lines, diameter)
    labels = watershed(valleys, seeds, mask=foreground, connectivity=2)
    return labels.astype(np.int32), record


def _height_above_background(image: Surface, foreground: Mask) -> Surface:
    # Depth is relative to a peak's height, which must not depend on the camera's offset.
    background = image[~foreground]
    level = np.median(background) if background.size else image.min()
    return np.maximum(image - level, 0)


def _surface(height: Surface, distance: Surface, kind: str, diameter: float) -> Surface:
    """Return the surface whose peaks are the centres and whose valleys are the lines."""
    if kind == "shape":
        return distance
    if kind == "intensity":
        return height
    if kind == "shape_intensity":
        return distance * np.sqrt(height)
    # A disk of radius r answers most strongly to a Laplacian of Gaussian of r / sqrt(2).
    curvature = -ndimage.gaussian_laplace(height, max(diameter / 2 / np.sqrt(2), 1.0))
    return np.maximum(curvature, 0)


def merged_basins(
    surface: Surface, mask: Mask, depth: float, apart: float
) -> tuple[Labels, Integers]:
    """Watershed of the peaks of a surface, without the peaks that do not stand out.

    One flood from the top: a pixel joins the basin of its highest neighbour; where two basins meet,
    they merge if the lower peak rises above the pass by less than `depth` times its height, or if
    the peaks are less than `apart` px from each other. The surface (Y, X) is not negative inside of
    the mask (Y, X).

    Returns
    -------
    basins : (Y, X) int32
        Numbered 1..n by falling height of the peak.
    peaks : (n,) int64
        Flat indices.
    """
    pixels = np.flatnonzero(mask)
    heights = surface.astype(np.float32, copy=False).ravel()[pixels]
    # Bits of floats that are not negative sort like the floats, and a sort of one 64-bit number
    # (falling height, index) is several times faster than a stable sort of indices.
    keys = (~np.abs(heights).view(np.uint32)).astype(np.uint64) << np.uint64(32)
    keys = np.sort(keys | pixels.astype(np.uint64)) & np.uint64(0xFFFFFFFF)
    surface, order = surface.astype(np.float32, copy=False), keys.astype(np.int64)
    basins: Labels = np.zeros(surface.shape, np.int32)
    parents: Labels = np.zeros(len(order) + 1, np.int32)
    peaks: Integers = np.zeros(len(order) + 1, np.int64)
    met: Labels = np.zeros(8, np.int32)
    n_basins = _flood(surface, order, depth, apart, basins, parents, peaks, met)
    n_kept = _number_basins(basins, parents, peaks, np.zeros(n_basins + 1, np.int32))
    return basins, peaks[:n_kept].copy()


@njit(cache=True)
def _flood(
    surface: Surface,
    order: Integers,
    depth: float,
    apart: float,
    basins: Labels,
    parents: Labels,
    peaks: Integers,
    met: Labels,
) -> int:
    """Fill in basins, and their parents and peaks by their numbers; `met` is room for eight."""
    # Compiled because each pixel depends on those before it; scikit-image's h-maxima and watershed
    # do the same in two passes at several times the cost.
    height, width = surface.shape
    n_basins = 0
    for pixel in order:
        row, column = pixel // width, pixel % width
        n_met, best, best_height = 0, 0, -np.inf
        for neighbour in range(9):
            y, x = row + neighbour // 3 - 1, column + neighbour % 3 - 1
            if neighbour == 4 or not (0 <= y < height and 0 <= x < width) or basins[y, x] == 0:
                continue
            basin = root_of(parents, basins[y, x])
            met[n_met] = basin
            n_met += 1
            if surface[y, x] > best_height:
                best, best_height = basin, surface[y, x]
        if n_met == 0:
            n_basins += 1
            parents[n_basins] = n_basins
            peaks[n_basins] = pixel
            basins[row, column] = n_basins
            continue
        basins[row, column] = best
        for first in range(n_met):
            for second in range(first):
                _merge_if_shallow(
                    surface, parents, peaks, met[first], met[second], pixel, depth, apart
                )
    return n_basins


@njit(cache=True)
def _merge_if_shallow(
    surface: Surface,
    parents: Labels,
    peaks: Integers,
    first: int,
    second: int,
    saddle: int,
    depth: float,
    apart: float,
) -> None:
    # Basins are numbered by falling peak, so the smaller number is the higher one and survives.
    first, second = root_of(parents, first), root_of(parents, second)
    if first == second:
        return
    higher, lower = min(first, second), max(first, second)
    width = surface.shape[1]
    peak = surface[peaks[lower] // width, peaks[lower] % width]
    level = surface[saddle // width, saddle % width]
    rows = peaks[lower] // width - peaks[higher] // width
    columns = peaks[lower] % width - peaks[higher] % width
    near = rows * rows + columns * columns < apart * apart
    if near or peak - level <= depth * peak:
        parents[lower] = higher


@njit(cache=True)
def _number_basins(basins: Labels, parents: Labels, peaks: Integers, numbers: Labels) -> int:
    """Give the basins that are left, and their peaks, new numbers; return how many there are."""
    n_kept = 0
    for basin in range(1, numbers.size):
        if parents[basin] == basin:
            n_kept += 1
            numbers[basin] = n_kept
            peaks[n_kept - 1] = peaks[basin]
    for row in range(basins.shape[0]):
        for column in range(basins.shape[1]):
            if basins[row, column] > 0:
                basins[row, column] = numbers[root_of(parents, basins[row, column])]
    return n_kept
