"""Star-convex polygons: suppression of all but the best of those that mean the same object.

As StarDist does it (Schmidt et al., MICCAI 2018): a polygon is dropped if a better one covers more
than a fraction of the smaller of the two. StarDist intersects polygons exactly; here the better
polygon's pixels are counted, which is the same to within a pixel's width and needs no geometry
library.
"""

import numpy as np
from numba import njit
from skimage.draw import polygon

from levelfield.arrays import AnyFloats, Floats, Image, Integers
from levelfield.segmentation.overlaps import Claim


def suppress(points: Integers, distances: Image, scores: Image, threshold: float) -> Integers:
    """Return which polygons stay, best first.

    Parameters
    ----------
    points : (n, 2) int64
        Centres (y, x), px.
    distances : (n, n_rays) float32
        Px from the centre to the edge, along evenly spread rays that start along +x and turn
        towards +y.
    scores : (n,) float32
        The higher the better; of equals the first is better.
    threshold : float
        A polygon stays if no better one that stays covers more than this fraction of the smaller
        of the two.
    """
    order = np.argsort(-scores, kind="stable")
    if not len(order):
        return order
    points, rays = points[order], distances[order].astype(np.float64)
    cell = max(float(np.ceil(rays.max())), 1.0)
    # Cells of a grid, as wide as the longest ray: polygons of cells further apart do not overlap,
    # so most pairs are never looked at.
    grid = np.floor((points - points.min(axis=0)) / cell).astype(np.int64)
    n_rows, n_columns = grid.max(axis=0) + 1
    cell_of = grid[:, 0] * n_columns + grid[:, 1]
    members = np.argsort(cell_of, kind="stable")
    starts = np.searchsorted(cell_of[members], np.arange(n_rows * n_columns + 1))
    kept = _suppress(points, rays, grid, members, starts, n_rows, n_columns, threshold)
    return order[kept]


def polygon_claims(
    points: AnyFloats, distances: Image, scores: AnyFloats, shape: tuple[int, ...]
) -> list[Claim]:
    """Return the pixels that each polygon covers; points and distances as for `suppress`."""
    angles = np.linspace(0, 2 * np.pi, distances.shape[1], endpoint=False)
    rows = points[:, :1] + distances * np.sin(angles)
    columns = points[:, 1:] + distances * np.cos(angles)
    claims = []
    for row, column, score in zip(rows, columns, scores, strict=True):
        inside = polygon(row.astype(np.float32), column.astype(np.float32), shape)
        claims.append(Claim(float(score), inside[0] * shape[1] + inside[1]))
    return claims


# Compiled: thousands of candidates per image, each against the few that stay around it.
@njit(cache=True, nogil=True)
def _suppress(
    points: Integers,
    distances: Floats,
    grid: Integers,
    members: Integers,
    starts: Integers,
    n_rows: int,
    n_columns: int,
    threshold: float,
) -> Integers:
    n_points = len(points)
    areas, reach = np.empty(n_points), np.empty(n_points)
    for best in range(n_points):
        areas[best] = _polygon_area(distances[best])
        reach[best] = distances[best].max()
    suppressed = np.zeros(n_points, np.bool_)
    kept = np.empty(n_points, np.int64)
    n_kept = 0
    for best in range(n_points):
        if suppressed[best]:
            continue
        kept[n_kept] = best
        n_kept += 1
        inner = _pixels_inside(distances[best], reach[best])
        for row in range(max(grid[best, 0] - 2, 0), min(grid[best, 0] + 3, n_rows)):
            for column in range(max(grid[best, 1] - 2, 0), min(grid[best, 1] + 3, n_columns)):
                cell = row * n_columns + column
                for position in range(starts[cell], starts[cell + 1]):
                    other = members[position]
                    if other <= best or suppressed[other]:
                        continue
                    dy = points[other, 0] - points[best, 0]
                    dx = points[other, 1] - points[best, 1]
                    if np.hypot(dy, dx) >= reach[best] + reach[other]:
                        continue
                    smaller = max(min(areas[best], areas[other]), 1e-9)
                    shared = _shared_pixels(inner, distances[other], dy, dx)
                    suppressed[other] = shared / smaller > threshold
    return kept[:n_kept]


@njit(cache=True, nogil=True)
def _polygon_area(distances: Floats) -> float:
    n_rays = len(distances)
    area = 0.0
    for ray in range(n_rays):
        area += distances[ray] * distances[(ray + 1) % n_rays]
    return area * np.sin(2 * np.pi / n_rays) / 2


@njit(cache=True, nogil=True)
def _pixels_inside(distances: Floats, reach: float) -> Integers:
    """Return the pixels (dy, dx) from the centre that lie in the polygon."""
    side = int(np.ceil(reach))
    pixels = np.empty(((2 * side + 1) ** 2, 2), np.int64)
    n_pixels = 0
    for dy in range(-side, side + 1):
        for dx in range(-side, side + 1):
            if _is_inside(distances, dy, dx):
                pixels[n_pixels, 0], pixels[n_pixels, 1] = dy, dx
                n_pixels += 1
    return pixels[:n_pixels]


@njit(cache=True, nogil=True)
def _shared_pixels(pixels: Integers, distances: Floats, dy: int, dx: int) -> int:
    shared = 0
    for position in range(len(pixels)):
        shared += _is_inside(distances, pixels[position, 0] - dy, pixels[position, 1] - dx)
    return shared


@njit(cache=True, nogil=True)
def _is_inside(distances: Floats, dy: float, dx: float) -> bool:
    """Say whether a point is in the polygon: in the triangle of the two rays beside it."""
    n_rays = len(distances)
    turn = 2 * np.pi / n_rays
    position = np.arctan2(dy, dx) / turn
    if position < 0:
        position += n_rays
    ray = int(position) % n_rays
    first, second = distances[ray], distances[(ray + 1) % n_rays]
    beyond = (position - int(position)) * turn
    length = np.sqrt(dy * dy + dx * dx)
    # The edge between the ends of the two rays, in polar coordinates around the centre.
    across = first * np.sin(beyond) + second * np.sin(turn - beyond)
    return length * across <= first * second * np.sin(turn)
