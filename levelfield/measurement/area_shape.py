"""AreaShape: size, outline, moments and radii of every object; no intensities.

Definitions of CellProfiler's MeasureObjectSizeShape, which takes most of them from scikit-image.
"""

import numpy as np

from levelfield.arrays import Floats
from levelfield.labels import convex_hull
from levelfield.measurement import distances, moments, outline, zernike
from levelfield.measurement.context import ObjectSet
from levelfield.measurement.features import Column, features
from levelfield.measurement.parameters import Parameters

BASIC = features(
    "AreaShape",
    """
    Area | area | Number of pixels.
    BoundingBoxArea | area | Area of the upright box around the object.
    EquivalentDiameter | length | Diameter of the circle of the same area.
    Perimeter | length | Length of the outline: outline pixels weighted 1, 1.21 or √2 by their
        neighbours. | Benkrid and Crookes; scikit-image
    MajorAxisLength | length | Major axis of the ellipse with the same second moments.
    MinorAxisLength | length | Minor axis of the ellipse with the same second moments.
    Eccentricity | 1 | Focal distance of that ellipse over its major axis: 0 for a circle, 1 for a
        line.
    Orientation | degree | Angle from the row axis to the major axis, -90 to 90.
    Center_X | px | Column of the centre.
    Center_Y | px | Row of the centre.
    BoundingBoxMinimum_X | px | First column of the bounding box.
    BoundingBoxMaximum_X | px | Column after the last of the bounding box.
    BoundingBoxMinimum_Y | px | First row of the bounding box.
    BoundingBoxMaximum_Y | px | Row after the last of the bounding box.
    FormFactor | 1 | 4π area / perimeter²: 1 for a disc; infinite where the perimeter is 0 (a single
        pixel).
    Extent | 1 | Share of the bounding box that the object fills.
    Compactness | 1 | perimeter² / (4π area).
    EulerNumber | 1 | Number of parts minus number of holes (8-connected parts).
    MaximumRadius | length | Largest distance of a pixel to the outside.
    MeanRadius | length | Mean distance of the pixels to the outside.
    MedianRadius | length | Median distance of the pixels to the outside.
    FilledArea | area | Area with holes filled. | scikit-image
    ConvexArea | area | Number of pixels in the convex hull of the pixels' edge centres. |
        scikit-image
    Solidity | 1 | Area over convex area.
    MinFeretDiameter | length | Smallest distance between parallel tangents.
    MaxFeretDiameter | length | Largest distance between parallel tangents.
    """,
)
SERIES = features(
    "AreaShape",
    """
    SpatialMoment_{p}_{q} | px^(p+q+2) | Sum of row^p column^q over the pixels, from the top left of
        the bounding box.
    CentralMoment_{p}_{q} | px^(p+q+2) | Sum of row^p column^q over the pixels, from the centre.
    NormalizedMoment_{p}_{q} | 1 | Central moment over area^((p+q)/2+1): scale-invariant; NaN where
        p + q < 2.
    HuMoment_{i} | 1 | Moment invariant to shift, scale and rotation. | Hu 1962, IRE Trans. Inf.
        Theory 8:179
    InertiaTensor_{i}_{j} | px² | Tensor of inertia about the centre, per pixel.
    InertiaTensorEigenvalues_{i} | px² | Eigenvalue of that tensor, larger first.
    PerimeterCrofton | length | Perimeter by Crofton's formula in four directions. | scikit-image
    Zernike_{n}_{m} | 1 | Magnitude of the Zernike moment of the shape in its enclosing circle, over
        the circle's area. | Boland et al. 1998, Cytometry 33:366
    """,
)
FEATURES = BASIC + SERIES


def columns(parameters: Parameters) -> list[Column]:
    """Return the columns in order."""
    spatial, central, normalized, hu, tensor, eigenvalues, crofton, zernike_moments = SERIES
    return [
        *(feature.column() for feature in BASIC),
        *(spatial.column(p=p, q=q) for p in range(3) for q in range(4)),
        *(central.column(p=p, q=q) for p in range(3) for q in range(4)),
        *(normalized.column(p=p, q=q) for p in range(4) for q in range(4)),
        *(hu.column(i=i) for i in range(7)),
        *(tensor.column(i=i, j=j) for i in range(2) for j in range(2)),
        *(eigenvalues.column(i=i) for i in range(2)),
        crofton.column(),
        *(zernike_moments.column(n=n, m=m) for n, m in zernike.orders(parameters.zernike_degree)),
    ]


def measure(objects: ObjectSet, parameters: Parameters) -> Floats:
    """Return the (n, K) shape features in the order of `columns`."""
    pixels = objects.pixels
    spatial = moments.moments(pixels, np.zeros((pixels.count, 2)))
    central = moments.moments(pixels, moments.centres_in_box(spatial))
    normalized = moments.normalized_moments(central)
    tensor, eigenvalues = moments.inertia(central)
    crofton, euler = outline.crofton_and_euler(pixels.labels, pixels.boxes)
    return np.column_stack(
        [
            _basic(objects, tensor, eigenvalues, euler),
            spatial[:, :3].reshape(-1, 12),
            central[:, :3].reshape(-1, 12),
            normalized.reshape(-1, 16),
            moments.hu_moments(normalized),
            tensor[:, [0, 1, 1, 2]],
            eigenvalues,
            crofton,
            _zernike(objects),
        ]
    )


def _basic(objects: ObjectSet, tensor: Floats, eigenvalues: Floats, euler: Floats) -> Floats:
    pixels = objects.pixels
    size = pixels.areas.astype(float)
    top, bottom, left, right = pixels.boxes.T
    box = (bottom - top) * (right - left)
    perimeter = outline.perimeters(pixels)
    convex = convex_hull.convex_areas(objects.extents)
    squared = distances.squared_distances(pixels, border_is_outside=True)
    with np.errstate(divide="ignore", invalid="ignore"):  # a single pixel: no perimeter, no axes
        form_factor = 4 * np.pi * size / perimeter**2
        eccentricity = np.sqrt(1 - eigenvalues[:, 1] / eigenvalues[:, 0])
    eccentricity[eigenvalues[:, 0] == 0] = 0
    return np.column_stack(
        [
            size,
            box,
            np.sqrt(4 * size / np.pi),
            perimeter,
            4 * np.sqrt(eigenvalues),
            eccentricity,
            moments.orientation(tensor),
            objects.centres[:, ::-1],
            left,
            right,
            top,
            bottom,
            form_factor,
            size / box,
            perimeter**2 / (4 * np.pi * size),
            euler,
            distances.radii(squared, pixels.starts),
            outline.filled_areas(pixels.labels, pixels.boxes),
            convex,
            size / convex,
            convex_hull.feret_diameters(*objects.hulls),
        ]
    )


def _zernike(objects: ObjectSet) -> Floats:
    real, imaginary = np.moveaxis(objects.zernike_sums[:, 0], 2, 0)
    disc = np.pi * objects.circles[1] ** 2
    with np.errstate(invalid="ignore"):  # 0 / 0: a single pixel has no circle and gets NaN
        return np.hypot(real, imaginary) / disc[:, None]
