"""A second opinion on every object and seam: what the small network says of the same pixels.

The image features of `levelfield.qc.evidence.features` depend on how an object looks; the network
has seen sizes, textures and noise in training, and its boundaries depend on them less. What it says
is evidence like any other, and not the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage
from skimage.transform import resize

from levelfield.qc.evidence.cuts import best_cuts
from levelfield.qc.evidence.geometry import contacts, percentile_per_group
from levelfield.segmentation.network.decoders.jury import jury, opinions
from levelfield.segmentation.network.prediction import Prediction

OPINIONS_ON_OBJECTS = (
    "cut_network_saddle",
    "jury_agreement",
    "jury_lowest",
    "jury_splitting",
    "jury_merging",
    "jury_missing",
)
OPINIONS_ON_SEAMS = ("seam_network_separation", "seam_network_boundary")
# Nothing of a network's map is finer than a pixel or two.
_SMOOTHING_PX = 0.7
# Objects of about this diameter (px) are what the opinion is calibrated for.
_BEST_DIAMETER = 20.0


@dataclass(frozen=True)
class SecondOpinion:
    """What the network says of one field, in the field's own pixels.

    Attributes
    ----------
    separation : (Y, X) float32
        Probability that a pixel and its neighbour above or to the left are of different objects,
        the larger of the two.
    boundary : (Y, X) float32
        Probability of a boundary between object and anything else.
    depth : (Y, X) float32
        Predicted distance to the edge, 1 at an object's centre.
    given : dict of str to (Y, X) int32
        Objects by each member of the jury (`levelfield.segmentation.network.decoders.jury`).
    """

    separation: NDArray[np.float32]
    boundary: NDArray[np.float32]
    depth: NDArray[np.float32]
    given: dict[str, NDArray[np.int32]]


def opinion_scale(diameter: float) -> float:
    """Return by what a field is scaled before the network sees it: 1, 1/2, 1/4, ...

    Larger objects are halved until they are close to what the network knows best, which also
    makes the opinion cheaper. Steps, because a scale that followed every field's objects would make
    its own differences between fields.

    Parameters
    ----------
    diameter : float
        Of a typical object of the field, in px.
    """
    if not diameter > _BEST_DIAMETER:
        return 1.0
    return float(2.0 ** -np.round(np.log2(diameter / _BEST_DIAMETER)))


def second_opinion(prediction: Prediction, shape: tuple[int, int]) -> SecondOpinion:
    """Prepare a prediction for an image of a given shape; it may have been made at another scale.

    Parameters
    ----------
    prediction : Prediction
        `levelfield.segmentation.network.inference.predict` of the field.
    shape : (int, int)
        Of the field.
    """
    separation = 1 - prediction.affinities[:2].min(axis=0)
    maps = (separation, prediction.classes[2], prediction.distance)
    given = opinions(prediction)
    if separation.shape != shape:
        maps = tuple(resize(each, shape, order=1, anti_aliasing=False) for each in maps)
        given = {name: _nearest(labels, shape) for name, labels in given.items()}
    return SecondOpinion(*(np.ascontiguousarray(each, np.float32) for each in maps), given)


def _nearest(labels: NDArray[np.int32], shape: tuple[int, int]) -> NDArray[np.int32]:
    return resize(labels, shape, order=0, preserve_range=True, anti_aliasing=False).astype(np.int32)


def opinions_on_seams(
    labels: NDArray[np.int32], opinion: SecondOpinion, seams: pd.DataFrame
) -> dict[str, NDArray[np.float64]]:
    """Tell what the network sees along each seam: `OPINIONS_ON_SEAMS`.

    Parameters
    ----------
    labels : (Y, X) int32
        Objects, or parts of objects.
    opinion : SecondOpinion
        Of the field.
    seams : DataFrame
        `levelfield.qc.evidence.seams.seam_features` of the labels: one row per touching pair.

    Returns
    -------
    dict of str to (p,) float64
        Medians along each seam of the probabilities of a separation and of a boundary.
    """
    result = {}
    for name in ("separation", "boundary"):
        # The likelier of two facing pixels: contacts gives the lower one, hence the signs.
        touching = contacts(labels, -getattr(opinion, name))
        median = percentile_per_group(touching.intensity, touching.pair_of_contact, len(seams), 50)
        result[f"seam_network_{name}"] = -median
    return result


def opinions_on_objects(
    labels: NDArray[np.int32], opinion: SecondOpinion, smallest_part: float
) -> dict[str, NDArray[np.float64]]:
    """Tell what the network makes of each object.

    Parameters
    ----------
    labels : (Y, X) int32
        Objects.
    opinion : SecondOpinion
        Of the field.
    smallest_part : float
        Area in px below which a part is noise.

    Returns
    -------
    dict of str to (n,) float64
        ``cut_network_saddle``: the best cut through the predicted distance
        (`levelfield.qc.evidence.cuts.best_cuts`). ``jury_agreement, jury_lowest``: mean and lowest
        overlap of the object with those of the jury's members. ``jury_splitting, jury_merging,
        jury_missing``: shares of the members that split it, merge it with a neighbour, or have too
        little there.
    """
    count = int(labels.max(initial=0))
    depth = np.maximum(ndimage.gaussian_filter(opinion.depth, _SMOOTHING_PX), 1e-3)
    result = {"cut_network_saddle": best_cuts(labels, depth, smallest_part).saddle}
    table = jury(labels, opinion.given)
    row = table["Metadata_ObjectNumber"].to_numpy() - 1
    for name, values in (
        ("jury_agreement", table["agreement"]),
        ("jury_lowest", table["lowest_agreement"]),
        ("jury_splitting", table["n_splitting"] / table["n_members"]),
        ("jury_merging", table["n_merging"] / table["n_members"]),
        ("jury_missing", table["n_missing"] / table["n_members"]),
    ):
        result[name] = np.full(count, np.nan)
        result[name][row] = values
    return result


def without_opinion(names: tuple[str, ...], count: int) -> dict[str, NDArray[np.float64]]:
    """Return the columns of objects or seams that no network was asked about: all NaN."""
    return {name: np.full(count, np.nan) for name in names}
