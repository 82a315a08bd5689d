"""Pixel classification: a random forest on multiscale features decides what is foreground."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from scipy import ndimage

from levelfield.arrays import Floats, Image, Labels, Plane
from levelfield.config.extras import needs_extra
from levelfield.segmentation.threshold import measure_threshold

# Rows classified at once: the features of a whole 1080 x 1080 image would take 20 times its size.
BAND = 64
# Gaussian filters are cut off at this multiple of their standard deviation.
TRUNCATE = 3.0
_NODES = ("roots", "feature", "cut", "left", "right", "probability")


@dataclass(frozen=True)
class PixelClassifier:
    """A trained random forest as plain arrays, one row per node of all trees."""

    roots: Labels
    """(n_trees,) each tree's first node."""
    feature: Labels
    """(n_nodes,) feature to compare; -1 in leaves."""
    cut: Image
    """(n_nodes,) go left where the feature is not above it."""
    left: Labels
    """(n_nodes,) next node."""
    right: Labels
    """(n_nodes,) next node."""
    probability: Image
    """(n_nodes, n_classes) share of each class; class 0 is background."""
    sigmas: Floats
    """(n_scales,) standard deviations of the features, px."""
    n_channels: int
    """Channels of the images that the forest was trained on."""
    normalise: bool
    """Whether each image's intensities are first scaled by its own background and threshold."""

    def save(self, path: Path) -> None:
        """Write the forest as an `.npz` of plain arrays."""
        np.savez_compressed(path, **asdict(self))

    @classmethod
    def load(cls, path: Path) -> PixelClassifier:
        """Read a forest that `save` wrote; nothing in the file is executed.

        Raises
        ------
        ValueError
            If the file is not a pixel classifier.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                content = {name: file[name] for name in cls.__dataclass_fields__}
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{path.name} is not a pixel classifier ({error})") from error
        content["n_channels"] = int(content["n_channels"])
        content["normalise"] = bool(content["normalise"])
        return cls(**content)


def foreground_probability(image: Image, classifier: PixelClassifier) -> Plane:
    """Return for every pixel the probability (Y, X) of all classes but background together.

    It can also be the image that another method segments: the same scale in every image, bright
    where objects are, whatever their brightness.
    """
    return 1 - class_probabilities(image, classifier)[0]


def class_probabilities(image: Image, classifier: PixelClassifier) -> Image:
    """Return the probability (n_classes, Y, X) of each class, 0 for background, in (C, Y, X).

    Raises
    ------
    ValueError
        If the number of channels is not that of the training.
    """
    if len(image) != classifier.n_channels:
        raise ValueError(
            f"the pixel classifier was trained on {classifier.n_channels} channels but was given "
            f"{len(image)}; give it the same channels in the same order"
        )
    prepared = _normalised(image) if classifier.normalise else image
    n_classes = classifier.probability.shape[1]
    height, width = image.shape[1:]
    result = np.empty((n_classes, height, width), np.float32)
    halo = int(np.ceil(TRUNCATE * 2 * max(classifier.sigmas))) + 2
    for top in range(0, height, BAND):
        start, stop = max(top - halo, 0), min(top + BAND + halo, height)
        features = pixel_features(prepared[:, start:stop], classifier.sigmas)
        rows = features[:, top - start : min(top + BAND, height) - start]
        table = np.ascontiguousarray(rows.reshape(len(rows), -1).T)
        shares = _forest(table, *(getattr(classifier, name) for name in _NODES))
        result[:, top : top + BAND] = shares.T.reshape(n_classes, -1, width)
    return result


def _normalised(image: Image) -> Image:
    """Scale each channel so that its background is 0 and Otsu's threshold is 1.

    Stretching between percentiles instead depends on how much of the image is covered.
    """
    result = np.empty(image.shape, np.float32)
    for plane, out in zip(image, result, strict=True):
        smooth = ndimage.gaussian_filter(plane, 1)
        level = measure_threshold(smooth, "otsu")
        background = float(np.median(smooth[smooth <= level]))
        out[:] = (plane - background) / (level - background or 1.0)
    return result


def pixel_features(image: Image, sigmas: Iterable[float]) -> Image:
    """Describe every pixel at several scales: brightness, contrast, edges, ridges and blobs.

    Parameters
    ----------
    image : (C, Y, X) float32
    sigmas : iterable of float
        Standard deviations, px.

    Returns
    -------
    (C · (1 + 5 · n_scales), Y, X) float32
        The intensity; then for each scale the smoothed intensity, its difference from twice the
        scale, the gradient, and the larger and the smaller curvature.
    """
    features = []
    for plane in image:
        features.append(plane)
        for sigma in sigmas:
            features.extend(_scale_features(plane, sigma))
    return np.stack(features).astype(np.float32, copy=False)


def _scale_features(plane: Plane, sigma: float) -> list[Plane]:
    smooth = ndimage.gaussian_filter(plane, sigma, truncate=TRUNCATE)
    wide = ndimage.gaussian_filter(plane, 2 * sigma, truncate=TRUNCATE)
    down, across = np.gradient(smooth)
    gradient = np.hypot(down, across) * sigma
    down_down, down_across = np.gradient(down)
    across_across = np.gradient(across, axis=1)
    # Eigenvalues of the symmetric matrix of second derivatives, scaled to be comparable.
    middle = (down_down + across_across) / 2
    spread = np.hypot((down_down - across_across) / 2, down_across)
    curvatures = [(middle + spread) * sigma**2, (middle - spread) * sigma**2]
    return [smooth, smooth - wide, gradient, *curvatures]


# numba: so that a forest needs neither a pickle nor scikit-learn to be applied
@njit(cache=True)
def _forest(
    table: Image,
    roots: Labels,
    feature: Labels,
    cut: Image,
    left: Labels,
    right: Labels,
    probability: Image,
) -> Image:
    n_classes = probability.shape[1]
    result = np.zeros((len(table), n_classes), np.float32)
    for pixel in range(len(table)):
        for root in roots:
            node = root
            while feature[node] >= 0:
                below = table[pixel, feature[node]] <= cut[node]
                node = left[node] if below else right[node]
            for number in range(n_classes):
                result[pixel, number] += probability[node, number]
        for number in range(n_classes):
            result[pixel, number] /= len(roots)
    return result


def classes_from_labels(labels: Labels) -> Labels:
    """Turn a complete label image into training classes: 1 background, 2 object."""
    return np.where(labels > 0, 2, 1).astype(np.int32)


def train_pixel_classifier(
    images: Iterable[tuple[Image, Labels]],
    *,
    sigmas: Sequence[float] = (1.0, 2.0, 4.0, 8.0),
    normalise: bool = True,
    n_trees: int = 30,
    depth: int = 12,
    pixels_per_image: int = 8000,
) -> PixelClassifier:
    """Train a random forest on scribbles (Breiman 2001; scikit-learn).

    Parameters
    ----------
    images : iterable of (image, scribbles)
        (C, Y, X) float32, and (Y, X) int32: 0 unknown, 1 background, 2 and above the other classes,
        as `classes_from_labels` makes them of complete label images.
    sigmas : sequence of float
        Standard deviations of the features, px.
    normalise : bool
        Scale each image by its own background and threshold first: not for plates of one exposure,
        whose absolute intensity tells.
    n_trees, depth : int
        Size of the forest: more is slower and fits finer.
    pixels_per_image : int
        At most so many scribbled pixels are taken from each image, at random with a fixed seed.
        Classes keep their shares: balanced classes make blurred outlines too wide (measured).

    Raises
    ------
    ValueError
        If there are no scribbles, or of one class only.
    """
    tables, classes, n_channels = [], [np.zeros(0, np.int32)], 0
    rng = np.random.default_rng(0)
    for image, scribbles in images:
        chosen = rng.permutation(np.flatnonzero(scribbles))[:pixels_per_image]
        features = pixel_features(_normalised(image) if normalise else image, sigmas)
        tables.append(features.reshape(len(features), -1)[:, chosen].T)
        classes.append(scribbles.ravel()[chosen])
        n_channels = len(image)
    known = np.unique(np.concatenate(classes))
    if len(known) < 2 or known[0] != 1:
        raise ValueError(
            f"the scribbles hold the classes {known.tolist()}; they must hold 1 (background) and "
            "at least one more"
        )
    trees = _fit(np.concatenate(tables), np.concatenate(classes), n_trees, depth)
    return _as_arrays(trees, sigmas, n_channels, normalise)


def _fit(table: Image, classes: Labels, n_trees: int, depth: int) -> list[Any]:
    with needs_extra("training a pixel classifier"):
        from sklearn.ensemble import RandomForestClassifier
    forest = RandomForestClassifier(n_trees, max_depth=depth, min_samples_leaf=5, random_state=0)
    return [tree.tree_ for tree in forest.fit(table, classes).estimators_]


def _as_arrays(
    trees: Sequence[Any], sigmas: Sequence[float], n_channels: int, normalise: bool
) -> PixelClassifier:
    """Join scikit-learn's trees into one table of nodes."""
    roots = np.cumsum([0, *(tree.node_count for tree in trees[:-1])])
    shares = [tree.value[:, 0] / tree.value[:, 0].sum(axis=1, keepdims=True) for tree in trees]
    shifted = list(zip(trees, roots, strict=True))
    feature = np.concatenate([tree.feature for tree in trees])
    return PixelClassifier(
        roots=roots.astype(np.int32),
        feature=np.where(feature < 0, -1, feature).astype(np.int32),
        cut=np.concatenate([tree.threshold for tree in trees]).astype(np.float32),
        left=np.concatenate([t.children_left + root for t, root in shifted]).astype(np.int32),
        right=np.concatenate([t.children_right + root for t, root in shifted]).astype(np.int32),
        probability=np.concatenate(shares).astype(np.float32),
        sigmas=np.asarray(sigmas, np.float64),
        n_channels=n_channels,
        normalise=normalise,
    )
