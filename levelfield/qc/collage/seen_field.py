"""What is known of a real field without its reference, as collages need it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from levelfield.arrays import Image, Labels, Mask, Plane
from levelfield.images.smoothing import gaussian
from levelfield.labels.labelwise import areas, median_diameter
from levelfield.labels.objects import renumber
from levelfield.qc.collage.background import Emptied, empty_field
from levelfield.qc.evidence.second_opinion import SecondOpinion

_BRIGHT = 0.35
"""What rises above the background by this share of the objects' contrast may be an object."""
_FAINT, _FAINT_NOISE = 0.12, 5.0
"""What rises by this share, and by so many standard deviations of the noise, is no background."""
_LARGE = 0.25
"""Area of what nobody divides into objects but may be one, in squared diameters."""


@dataclass(frozen=True, eq=False)
class SeenField:
    """A real field (C, Y, X), and what the second opinion makes of it.

    Attributes
    ----------
    image : (C, Y, X) float32
        Corrected, 0 to 1, in the channels of an object set; objects show in the first.
    members : sequence of (Y, X) int32
        Objects by each member of the network's jury.
    diameter : float
        Of a typical object, px.
    foreground, solid : (Y, X) bool
        Where most of the jury, or the segmenter, has objects; and what may be one at all, from
        which donors keep away.
    arrangement : (Y, X) int32
        The objects whose places others will take.
    emptied : Emptied
        The field without anything that stands out of its background.
    """

    image: Image
    members: Sequence[Labels]
    diameter: float
    foreground: Mask
    solid: Mask
    arrangement: Labels
    emptied: Emptied


def see_field(
    image: Image, opinion: SecondOpinion, labels: Labels | None = None, diameter: float = 0.0
) -> SeenField | None:
    """Gather what is known of a field, or None where the second opinion sees no object.

    Parameters
    ----------
    image : (C, Y, X) float32
    opinion : SecondOpinion
        Of its first channel.
    labels : (Y, X) int32, optional
        Of the segmenter that is judged: what it holds is not background. Which objects there are,
        the second opinion alone decides, since the labels may be wrong.
    diameter : float
        Of a typical object, px; 0 for that of the second opinion's objects.
    """
    members = list(opinion.given.values())
    if not opinion.labels.any():
        return None
    diameter = diameter or median_diameter(opinion.labels)
    votes = np.mean([member > 0 for member in members], axis=0)
    judged = np.zeros(votes.shape, bool) if labels is None else labels > 0
    foreground, anywhere = (votes > 0.5) | judged, (votes > 0) | judged
    soft = _above_background(image, anywhere, diameter)
    signal = float(np.median(soft[foreground])) if foreground.any() else float("inf")
    bright = soft > _BRIGHT * signal
    arrangement = _with_uncounted(_typical_member(members), foreground | bright, diameter)
    stands_out = anywhere | (soft > max(_FAINT_NOISE * _noise(soft, anywhere), _FAINT * signal))
    return SeenField(
        image=image,
        members=members,
        diameter=diameter,
        foreground=foreground,
        solid=anywhere | bright,
        arrangement=arrangement,
        emptied=empty_field(image, stands_out, diameter),
    )


def _above_background(image: Image, occupied: Mask, diameter: float) -> Plane:
    smooth = empty_field(image[:1], occupied, diameter).smooth[0]
    return gaussian(image[0], max(0.7, 0.08 * diameter)) - smooth


def _noise(soft: Plane, occupied: Mask) -> float:
    rest = soft[~occupied]
    return float(1.4826 * np.median(np.abs(rest - np.median(rest)))) if rest.size else 0.0


def _typical_member(members: Sequence[Labels]) -> Labels:
    """Return the objects of the member with the middle number of objects."""
    counts = [int(np.count_nonzero(areas(member))) for member in members]
    return members[int(np.argsort(counts, kind="stable")[len(counts) // 2])]


def _with_uncounted(arrangement: Labels, bright: Mask, diameter: float) -> Labels:
    """Add what is as bright and as large as an object, though the arrangement has none there."""
    near = ndimage.binary_dilation(arrangement > 0, iterations=2)
    parts, _ = ndimage.label(ndimage.binary_opening(bright & (arrangement == 0)) & ~near)
    large = np.append(0, areas(parts)) > _LARGE * diameter**2
    more = np.where(large[parts], parts + arrangement.max(), 0)
    return renumber(np.where(arrangement > 0, arrangement, more))
