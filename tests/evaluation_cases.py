"""Real label images, and label images with planted errors of known number.

Used by the tests of the evaluation and by the script that lets independent implementations judge
the same cases (`tests/references/make_evaluation_references.py`), so it needs nothing of the
package. `predicted_cases` needs scikit-image for its thresholds.
"""

import numpy as np
import pandas as pd
from real_images import BBBC038
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.io import imread
from skimage.measure import label
from skimage.segmentation import expand_labels

# One image of each of these groups: isolated, touching, small, large and many nuclei.
GROUPS = ("256x256_0", "256x256_1", "256x256_3", "256x256_4", "360x360_0", "520x696_0", "misc")


def image_index():
    return pd.read_csv(BBBC038 / "index.csv")


def load(name):
    """Image and reference labels (Y, X) int32 of one field."""
    image = imread(BBBC038 / "images" / f"{name}.png")
    return image, imread(BBBC038 / "labels" / f"{name}.png").astype(np.int32)


def example_names():
    """The image with most objects, up to 150, of each chosen group."""
    index = image_index()
    index = index[index["n"] <= 150].sort_values(["n", "name"], ascending=[False, True])
    return [index.loc[index["group"] == group, "name"].iloc[0] for group in GROUPS]


def split_objects(labels, chosen):
    """Cut each chosen object into two halves of equal pixel number, along its longer side."""
    result = labels.copy()
    for number, which in enumerate(chosen, labels.max() + 1):
        pixels = np.argwhere(labels == which)
        longer = int(np.argmax(np.ptp(pixels, axis=0)))
        order = np.lexsort((pixels[:, 1 - longer], pixels[:, longer]))
        half = pixels[order[len(pixels) // 2 :]]
        result[tuple(half.T)] = number
    return result


def merge_objects(labels, pairs):
    """Give the second object of each pair the label of the first."""
    result = labels.copy()
    for first, second in pairs:
        result[labels == second] = first
    return result


def drop_objects(labels, chosen):
    return np.where(np.isin(labels, list(chosen)), 0, labels)


def add_objects(labels, number, rng, reference):
    """Add 3 × 3 px objects where the reference has none, a pixel of background around each."""
    result = labels.copy()
    added = 0
    occupied = (labels > 0) | (reference > 0)
    for row, column in rng.permutation(np.argwhere(~occupied))[:5000]:
        window = (slice(max(row - 2, 0), row + 3), slice(max(column - 2, 0), column + 3))
        if added < number and occupied[window].shape == (5, 5) and not occupied[window].any():
            added += 1
            occupied[row - 1 : row + 2, column - 1 : column + 2] = True
            result[row - 1 : row + 2, column - 1 : column + 2] = labels.max() + added
    return result, added


def plant_errors(labels, rng, split=0.2, merged=0.1, dropped=0.1, added=0.15):
    """Split, merge, drop and add objects at given rates, each suffering one error at most.

    Returns
    -------
    labels, counts : the label image and how many of each error it has
    """
    area = np.bincount(labels.ravel())
    objects = np.flatnonzero(area >= 20)
    objects = rng.permutation(objects[objects > 0])
    n_split, n_merged, n_dropped, n_added = (
        round(rate * len(objects)) for rate in (split, merged, dropped, added)
    )
    to_split, to_drop, rest = np.split(objects, [n_split, n_split + n_dropped])
    pairs = _nearby_pairs(labels, rest, n_merged)
    result = split_objects(labels, to_split)
    result = drop_objects(merge_objects(result, pairs), to_drop)
    result, n_added = add_objects(result, n_added, rng, labels)
    return result, {
        "splits": len(to_split),
        "merges": len(pairs),
        "missed": len(to_drop),
        "extra": n_added,
    }


def _nearby_pairs(labels, candidates, number):
    """Disjoint pairs of nearest objects whose areas differ by less than a factor of 8."""
    centre = np.array(ndimage.center_of_mass(labels > 0, labels, candidates)).reshape(-1, 2)
    area = np.bincount(labels.ravel())[candidates]
    pairs, free = [], np.ones(len(candidates), bool)
    for i in range(len(candidates)):
        if not free[i] or len(pairs) == number:
            continue
        distance = np.hypot(*(centre - centre[i]).T)
        ratio = np.maximum(area, area[i]) / np.minimum(area, area[i])
        distance[~free | (ratio >= 8)] = np.inf
        distance[i] = np.inf
        j = int(np.argmin(distance))
        if np.isfinite(distance[j]):
            pairs.append((int(candidates[i]), int(candidates[j])))
            free[[i, j]] = False
    return pairs


def predicted_cases(name, seed=20190405):
    """Named predictions for one image, from perfect to poor; the image's reference labels too."""
    image, reference = load(name)
    rng = np.random.default_rng(seed)
    planted, _ = plant_errors(reference, rng)
    # Unsmoothed on purpose: it fuses touching nuclei and leaves specks of one pixel.
    thresholded = label(image > threshold_otsu(image), connectivity=1)
    cases = {
        "perfect": reference,
        "halves": split_objects(reference, np.unique(reference[reference > 0])),
        "planted": planted,
        "planted_shifted": ndimage.shift(planted, (1, 2), order=0),
        "too_large": expand_labels(reference, 2),
        "otsu": thresholded,
    }
    return reference, {key: value.astype(np.int32) for key, value in cases.items()}
