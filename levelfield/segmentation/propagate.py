"""Seeded propagation: grow objects over a mask by image change and distance."""

import heapq

import numpy as np
from numba import njit

from levelfield.arrays import AnyFloats, Floats, Labels, Mask


def propagate(
    image: AnyFloats, seeds: Labels, mask: Mask, regularisation: float
) -> tuple[Labels, Floats]:
    """Grow seeds over a mask along the path of least image change and distance.

    The cost of a step is ``sqrt(difference² + regularisation² · length²)`` with the sum of absolute
    differences of the 3 x 3 patches (Jones, Carpenter & Golland, *Voronoi-based segmentation of
    cells on image manifolds*, 2005; as in CellProfiler's IdentifySecondaryObjects).

    Parameters
    ----------
    image : (Y, X) array
        Intensity.
    seeds : (Y, X) int32
        They stay as they are, also outside of the mask.
    mask : (Y, X) bool
        Where seeds may grow.
    regularisation : float
        Intensity per px: 0 follows the image alone, large values the distance alone.

    Returns
    -------
    labels : (Y, X) int32
    distances : (Y, X) float64
        Infinite where no seed arrived.
    """
    labels = np.where(mask, seeds, 0).astype(np.int32)
    distances = np.full(seeds.shape, np.inf)
    _propagate(labels, distances, np.asarray(image, np.float64), mask, float(regularisation))
    inside = seeds > 0
    labels[inside] = seeds[inside]
    distances[inside] = 0
    return labels, distances


@njit(cache=True)
def _propagate(labels: Labels, distances: Floats, image: Floats, mask: Mask, weight: float) -> None:
    # A compiled loop because Dijkstra's algorithm cannot be vectorised. The queue is ordered by
    # (distance, row, column), so that ties do not depend on the order of insertion.
    height, width = labels.shape
    queue = [(0.0, np.int32(0), np.int32(0), np.int32(0))]
    queue.pop()
    for y in range(height):
        for x in range(width):
            if labels[y, x] > 0:
                distances[y, x] = 0.0
                queue.append((0.0, np.int32(y), np.int32(x), labels[y, x]))
    heapq.heapify(queue)
    while queue:
        distance, row, column, label = heapq.heappop(queue)
        if distance > distances[row, column] or labels[row, column] != label:
            continue
        for delta_row in range(-1, 2):
            for delta_column in range(-1, 2):
                to_row, to_column = row + delta_row, column + delta_column
                if not (0 <= to_row < height and 0 <= to_column < width):
                    continue
                # What was reached at less cannot be reached better; most pixels of seeds end here.
                if not mask[to_row, to_column] or distances[to_row, to_column] <= distance:
                    continue
                difference = _patch_difference(image, row, column, to_row, to_column)
                steps = delta_row * delta_row + delta_column * delta_column
                reached = distance + np.sqrt(difference * difference + steps * weight * weight)
                if reached < distances[to_row, to_column]:
                    distances[to_row, to_column] = reached
                    labels[to_row, to_column] = label
                    entry = (reached, np.int32(to_row), np.int32(to_column), label)
                    heapq.heappush(queue, entry)


Place = int | np.int32


@njit(cache=True)
def _patch_difference(
    image: Floats, row_a: Place, column_a: Place, row_b: Place, column_b: Place
) -> float:
    """Sum of absolute differences of the 3 x 3 patches around two pixels, clamped to the image."""
    height, width = image.shape
    total = 0.0
    for delta_row in range(-1, 2):
        for delta_column in range(-1, 2):
            y_a = min(max(row_a + delta_row, 0), height - 1)
            x_a = min(max(column_a + delta_column, 0), width - 1)
            y_b = min(max(row_b + delta_row, 0), height - 1)
            x_b = min(max(column_b + delta_column, 0), width - 1)
            total += abs(image[y_a, x_a] - image[y_b, x_b])
    return total
