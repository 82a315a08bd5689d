"""What to measure: families, channels, channel pairs and the parameters of each family."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

_RANGES = {
    "texture_gray_levels": (2, 256),
    "granularity_subsampling": (0.01, 1),
    "granularity_background_subsampling": (0.01, 1),
    "radial_bins": (1, 100),
    "zernike_degree": (0, 15),
    "threshold_percent": (0, 99),
    "costes_steps": (2, 2**32 - 1),
}
_AT_LEAST_1 = (
    *("texture_scales", "neighbor_distances"),
    *("granularity_length", "granularity_background_radius"),
)


@dataclass(frozen=True)
class Parameters:
    """The choices that decide which columns a table has and what they mean.

    Attributes
    ----------
    channels : sequence of str
        Names of the channels, in the order of the image's first axis.
    channel_pairs : sequence of (str, str), optional
        Pairs for the Correlation family; by default every pair once, in channel order. The order
        within a pair matters for the slope and for the thresholds of Costes.
    texture_scales, texture_gray_levels : sequence of int and int
        Distances in px between the pixels whose co-occurrence is counted, and grey levels (2-256).
    granularity_length : int
        Number of openings of the granular spectrum.
    granularity_subsampling, granularity_background_subsampling : float
        Factor by which the image is subsampled for it, and further factor for the background that
        is subtracted first.
    granularity_background_radius : int
        Radius of the background's structuring element, in px of the subsampled background image.
    neighbor_distances : sequence of int
        Distances in px at which expanded objects count as neighbours, beside Adjacent and Expanded.
    radial_bins, zernike_degree : int
        Rings of the RadialDistribution family; highest degree of the Zernike polynomials.
    threshold_percent : float
        Pixels below this percentage of an object's maximum are left out of the overlap, Manders
        and rank-weighted coefficients.
    costes, costes_steps : bool and int
        Whether the Correlation family includes the coefficients with Costes' thresholds, and how
        many intensity steps their search may try: 255 for 8-bit and 65535 for 16-bit cameras.
    """

    channels: Sequence[str]
    channel_pairs: Sequence[tuple[str, str]] | None = None
    texture_scales: Sequence[int] = (3,)
    texture_gray_levels: int = 256
    granularity_length: int = 16
    granularity_subsampling: float = 0.25
    granularity_background_subsampling: float = 0.25
    granularity_background_radius: int = 10
    neighbor_distances: Sequence[int] = ()
    radial_bins: int = 4
    zernike_degree: int = 9
    threshold_percent: float = 15.0
    costes: bool = True
    costes_steps: int = 65535

    def __post_init__(self) -> None:
        _check_names("channel", self.channels)
        for pair in self.channel_pairs or ():
            _check_pair(pair, self.channels)
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                value = getattr(self, name)
                raise ValueError(f"{name} is {value}, but must lie between {low} and {high}.")
        for name in _AT_LEAST_1:
            for value in np.atleast_1d(getattr(self, name)):
                if value < 1:
                    raise ValueError(f"{name} holds {value}, but must be at least 1.")

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Channel pairs to correlate, in order."""
        if self.channel_pairs is None:
            return list(combinations(self.channels, 2))
        return [(first, second) for first, second in self.channel_pairs]


def _check_names(kind: str, names: Sequence[str]) -> None:
    repeated = sorted({name for name in names if list(names).count(name) > 1})
    if repeated:
        raise ValueError(
            f"The {kind} {repeated[0]!r} is named twice, so two columns would have the same name. "
            f"Give each {kind} one name of its own."
        )


def _check_pair(pair: tuple[str, str], channels: Sequence[str]) -> None:
    if len(pair) != 2 or pair[0] == pair[1] or not set(pair) <= set(channels):
        raise ValueError(
            f"channel_pairs holds {tuple(pair)!r}, which is not a pair of two different measured "
            f"channels. The channels are: {', '.join(channels)}."
        )
