"""AreaShape: size, outline, moments and radii of every object; no intensities.

Definitions of CellProfiler's MeasureObjectSizeShape, which takes most of them from scikit-image.
"""

import numpy as np

from levelfield.arrays import Floats
from levelfield.labels import convex_hull
from levelfield.measurement import distances, moments, outline, zernike
from levelfield.measurement.context import ObjectSet
from levelfield.measurement.features import Column, Feature, area, length, plain_columns
from levelfield.measurement.parameters import Parameters

_HU = "Hu 1962, IRE Trans. Inf. Theory 8:179"
BASIC = (
    area("AreaShape_Area", "Number of pixels."),
    area("AreaShape_BoundingBoxArea", "Area of the upright box around the object."),
    length("AreaShape_EquivalentDiameter", "Diameter of the circle of the same area."),
    length(
        "AreaShape_Perimeter",
        "Length of the outline: outline pixels weighted 1, 1.21 or √2 by their neighbours.",
        source="Benkrid and Crookes; scikit-image",
    ),
    length("AreaShape_MajorAxisLength", "Major axis of the ellipse with the same second moments."),
    length("AreaShape_MinorAxisLength", "Minor axis of the ellipse with the same second moments."),
    Feature(
        "AreaShape_Eccentricity",
        "1",
        "Focal distance of that ellipse over its major axis: 0 for a circle, 1 for a line.",
    ),
    Feature(
        "AreaShape_Orientation", "degree", "Angle from the row axis to the major axis, -90 to 90."
    ),
    Feature("AreaShape_Center_X", "px", "Column of the centre."),
    Feature("AreaShape_Center_Y", "px", "Row of the centre."),
    Feature("AreaShape_BoundingBoxMinimum_X", "px", "First column of the bounding box."),
    Feature("AreaShape_BoundingBoxMaximum_X", "px", "Column after the last of the bounding box."),
    Feature("AreaShape_BoundingBoxMinimum_Y", "px", "First row of the bounding box."),
    Feature("AreaShape_BoundingBoxMaximum_Y", "px", "Row after the last of the bounding box."),
    Feature(
        "AreaShape_FormFactor",
        "1",
        "4π area / perimeter²: 1 for a disc; infinite where the perimeter is 0 (a single pixel).",
    ),
    Feature("AreaShape_Extent", "1", "Share of the bounding box that the object fills."),
    Feature("AreaShape_Compactness", "1", "perimeter² / (4π area)."),
    Feature(
        "AreaShape_EulerNumber", "1", "Number of parts minus number of holes (8-connected parts)."
    ),
    length("AreaShape_MaximumRadius", "Largest distance of a pixel to the outside."),
    length("AreaShape_MeanRadius", "Mean distance of the pixels to the outside."),
    length("AreaShape_MedianRadius", "Median distance of the pixels to the outside."),
    area("AreaShape_FilledArea", "Area with holes filled.", source="scikit-image"),
    area(
        "AreaShape_ConvexArea",
        "Number of pixels in the convex hull of the pixels' edge centres.",
        source="scikit-image",
    ),
    Feature("AreaShape_Solidity", "1", "Area over convex area."),
    length("AreaShape_MinFeretDiameter", "Smallest distance between parallel tangents."),
    length("AreaShape_MaxFeretDiameter", "Largest distance between parallel tangents."),
)
SPATIAL_MOMENT = Feature(
    "AreaShape_SpatialMoment_{p}_{q}",
    "px^(p+q+2)",
    "Sum of row^p column^q over the pixels, from the top left of the bounding box.",
)
CENTRAL_MOMENT = Feature(
    "AreaShape_CentralMoment_{p}_{q}",
    "px^(p+q+2)",
    "Sum of row^p column^q over the pixels, from the centre.",
)
NORMALIZED_MOMENT = Feature(
    "AreaShape_NormalizedMoment_{p}_{q}",
    "1",
    "Central moment over area^((p+q)/2+1): scale-invariant; NaN where p + q < 2.",
)
HU_MOMENT = Feature(
    "AreaShape_HuMoment_{i}", "1", "Moment invariant to shift, scale and rotation.", source=_HU
)
INERTIA_TENSOR = Feature(
    "AreaShape_InertiaTensor_{i}_{j}", "px²", "Tensor of inertia about the centre, per pixel."
)
INERTIA_EIGENVALUE = Feature(
    "AreaShape_InertiaTensorEigenvalues_{i}", "px²", "Eigenvalue of that tensor, larger first."
)
PERIMETER_CROFTON = length(
    "AreaShape_PerimeterCrofton",
    "Perimeter by Crofton's formula in four directions.",
    source="scikit-image",
)
ZERNIKE = Feature(
    "AreaShape_Zernike_{n}_{m}",
    "1",
    "Magnitude of the Zernike moment of the shape in its enclosing circle, over the circle's area.",
    source="Boland et al. 1998, Cytometry 33:366",
)
FEATURES = (
    *BASIC,
    SPATIAL_MOMENT,
    CENTRAL_MOMENT,
    NORMALIZED_MOMENT,
    HU_MOMENT,
    INERTIA_TENSOR,
    INERTIA_EIGENVALUE,
    PERIMETER_CROFTON,
    ZERNIKE,
)


def columns(parameters: Parameters) -> list[Column]:
    """Return the columns in order."""
    return [
        *plain_columns(BASIC),
        *(SPATIAL_MOMENT.column(p=p, q=q) for p in range(3) for q in range(4)),
        *(CENTRAL_MOMENT.column(p=p, q=q) for p in range(3) for q in range(4)),
        *(NORMALIZED_MOMENT.column(p=p, q=q) for p in range(4) for q in range(4)),
        *(HU_MOMENT.column(i=i) for i in range(7)),
        *(INERTIA_TENSOR.column(i=i, j=j) for i in range(2) for j in range(2)),
        *(INERTIA_EIGENVALUE.column(i=i) for i in range(2)),
        PERIMETER_CROFTON.column(),
        *(ZERNIKE.column(n=n, m=m) for n, m in zernike.orders(parameters.zernike_degree)),
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
