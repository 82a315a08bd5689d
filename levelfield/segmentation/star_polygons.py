"""Star-convex polygons: suppression of all but the best of those that mean the same object.

As StarDist does it (Schmidt et al., MICCAI 2018): a polygon is dropped if a better one covers more
than a fraction of the smaller of the two. StarDist intersects polygons exactly; here the better
polygon's pixels are counted, which is the same to within a pixel's width and needs no geometry
library.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray
from skimage.draw import polygon

from levelfield.segmentation.overlaps import Claim

Floats = NDArray[np.float32]


def suppress(
    points: NDArray[np.int64], distances: Floats, scores: Floats, threshold: float
) -> NDArray[np.int64]:
    """Return which polygons stay, best first.

    Parameters
    ----------
    points
        (n, 2) centres (y, x), px.
    distances
        (n, n_rays) px from the centre to the edge, along evenly spread rays that start along +x
        and turn towards +y.
    scores
        (n,) the higher the better; of equals the first is better.
    threshold
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
    points: NDArray[np.float64], distances: Floats, scores: Floats, shape: tuple[int, int]
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
    points: NDArray[np.int64],
    distances: NDArray[np.float64],
    grid: NDArray[np.int64],
    members: NDArray[np.int64],
    starts: NDArray[np.int64],
    n_rows: int,
    n_columns: int,
    threshold: float,
) -> NDArray[np.int64]:
    n_points = len(points)
    areas, reach = np.empty(n_points), np.empty(n_points)
    for one in range(n_points):
        areas[one] = _polygon_area(distances[one])
        reach[one] = distances[one].max()
    suppressed = np.zeros(n_points, np.bool_)
    kept = np.empty(n_points, np.int64)
    n_kept = 0
    for one in range(n_points):
        if suppressed[one]:
            continue
        kept[n_kept] = one
        n_kept += 1
        inner = _pixels_inside(distances[one], reach[one])
        for row in range(max(grid[one, 0] - 2, 0), min(grid[one, 0] + 3, n_rows)):
            for column in range(max(grid[one, 1] - 2, 0), min(grid[one, 1] + 3, n_columns)):
                cell = row * n_columns + column
                for position in range(starts[cell], starts[cell + 1]):
                    other = members[position]
                    if other <= one or suppressed[other]:
                        continue
                    dy = points[other, 0] - points[one, 0]
                    dx = points[other, 1] - points[one, 1]
                    if np.hypot(dy, dx) >= reach[one] + reach[other]:
                        continue
                    smaller = max(min(areas[one], areas[other]), 1e-9)
                    shared = _shared_pixels(inner, distances[other], dy, dx)
                    suppressed[other] = shared / smaller > threshold
    return kept[:n_kept]


@njit(cache=True, nogil=True)
def _polygon_area(distances: NDArray[np.float64]) -> float:
    n_rays = len(distances)
    area = 0.0
    for ray in range(n_rays):
        area += distances[ray] * distances[(ray + 1) % n_rays]
    return area * np.sin(2 * np.pi / n_rays) / 2


@njit(cache=True, nogil=True)
def _pixels_inside(distances: NDArray[np.float64], reach: float) -> NDArray[np.int64]:
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
def _shared_pixels(
    pixels: NDArray[np.int64], distances: NDArray[np.float64], dy: int, dx: int
) -> int:
    shared = 0
    for position in range(len(pixels)):
        shared += _is_inside(distances, pixels[position, 0] - dy, pixels[position, 1] - dx)
    return shared


@njit(cache=True, nogil=True)
def _is_inside(distances: NDArray[np.float64], dy: float, dx: float) -> bool:
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
