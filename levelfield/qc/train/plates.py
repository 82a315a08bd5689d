"""Plates whose truth is known: two control classes made of different images of one group.

The classes are disjoint random halves of a group's images. What differs between them: nothing; the
segmentation; the number of cells (the sparser images against the denser ones); a phenotype of the
positive half; degraded images; errors planted into one class, or into both. For calibration every
image is a well; where plates are judged, wells are drawn with replacement from the images.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from levelfield.arrays import AnyArray, Floats
from levelfield.qc.evidence.scores import ALL_VARIANTS, OF_VARIANTS
from levelfield.qc.statistics.errors import Doubts
from levelfield.qc.statistics.estimates import Estimate, difference, ratio_estimate
from levelfield.qc.train.images import FOLDS
from levelfield.qc.train.phenotypes import FAMILY_OF
from levelfield.questions import CALIBRATED, MEASURES, SCOPES, Scope

N_WELLS, WELL_IMAGES = 8, 4
DIFFERING = (
    *("nothing", "segmentation", "density", "phenotype", "phenotype, same images", "degraded"),
    *("planted", "planted in both"),
)
"""What differs between the classes of a plate; only "same images" are not disjoint halves."""
_SHIFTS = {
    "size": ("look_diameter", 2.0),  # of areas
    "sharpness": ("look_sharpness", 1.0),
    "contrast": ("look_contrast", 1.0),
    "grain": ("look_grain", 1.0),
    "saturation": ("saturated", 1.0),
}
"""Column and factor of each appearance shift, by the names of `Doubts`."""


def with_measures(fields: pd.DataFrame) -> pd.DataFrame:
    """Add numerators and denominators of every measure, read and true, to a table of images.

    ``read_<measure>, of_<measure>, true_<measure>, true_of_<measure>``, and for variants
    ``read_<measure>_<variant>``. The true bias is that of the outline to the visible edge: its
    distance to what annotators drew, plus theirs to the edge.
    """
    made: dict[str, Any] = {
        f"{part}_{name}": values
        for name, measure in MEASURES.items()
        if measure.calibration is not None
        for part, values in zip(_PARTS, measure.calibration(fields), strict=True)
    }
    for name in OF_ALL_VARIANTS:
        made[name] = fields[name.removeprefix("read_")].fillna(0.0)
    return fields.assign(**made)


_PARTS = ("read", "of", "true", "true_of")
READ = [f"{part}_{name}" for name in CALIBRATED for part in _PARTS]
OF_ALL_VARIANTS = [f"read_{m}_{v}" for m in OF_VARIANTS for v in ALL_VARIANTS]
APPEARANCE = [*(column for column, _ in _SHIFTS.values()), "outside"]
COLUMNS = {name: place for place, name in enumerate([*READ, *OF_ALL_VARIANTS, *APPEARANCE])}


class ControlClass(NamedTuple):
    """Images of one class, a row each, with `COLUMNS`."""

    images: Floats

    def wells(self, random: np.random.Generator) -> Floats:
        """Draw wells with replacement: sums over their images."""
        drawn = random.integers(0, len(self.images), (N_WELLS, WELL_IMAGES))
        return np.nansum(self.images[drawn], axis=1)

    def truth(self, measure: str) -> float:
        """Return the true value of all images together."""
        top, bottom = (np.nansum(self.column(f"{part}_{measure}")) for part in ("true", "true_of"))
        return float(top / bottom) if bottom > 0 else float("nan")

    def noise(self, measure: str) -> float:
        """Return the variance of truth minus reading, by their scatter between images."""
        parts = []
        for top, bottom in (("true", "true_of"), ("read", "of")):
            above, below = (np.nan_to_num(self.column(f"{p}_{measure}")) for p in (top, bottom))
            total = max(below.sum(), 1e-9)
            parts.append((above - above.sum() / total * below) / total)
        images = len(self.images)
        return float(np.sum((parts[0] - parts[1]) ** 2) * images / max(images - 1, 1))

    def column(self, name: str) -> Floats:
        """Return one of `COLUMNS`."""
        return self.images[:, COLUMNS[name]]


class Plate(NamedTuple):
    """Two control classes, where they come from, and what differs between them."""

    group: str
    kind: str
    differing: str
    what: str
    negative: ControlClass
    positive: ControlClass

    @property
    def fold(self) -> int:
        """Fold of the group."""
        return FOLDS[self.group]

    @property
    def family(self) -> str:
        """Family of the phenotype; empty without one."""
        return FAMILY_OF.get(self.what, "")


class ReadRow(NamedTuple):
    """One row of a plate's verdict before correction, with its truth. In fractions or px.

    ``noise`` is the variance of truth minus estimate that the scatter of this difference between
    images explains: it falls with more images, and is no systematic error.
    """

    measure: str
    scope: Scope
    estimate: Estimate
    doubts: Doubts
    truth: float
    noise: float


def read_rows(
    plate: Plate, random: np.random.Generator | None = None, *, few_images: bool = False
) -> Iterator[ReadRow]:
    """Give all rows of a plate's verdict as the evidence reads them.

    `random` draws `N_WELLS` wells of `WELL_IMAGES` images for each class, with replacement; without
    it every image is a well, once. With `few_images`, what the scatter between the few images of a
    class leaves open is added to the variance. A real plate has other images in every well, and it
    is in their scatter.
    """
    classes = {"negcon": plate.negative, "poscon": plate.positive}
    drawn = {
        scope: own.images if random is None else own.wells(random) for scope, own in classes.items()
    }
    shift = appearance_shift(plate)
    for measure in CALIBRATED:
        estimates = {scope: _estimate(wells, measure) for scope, wells in drawn.items()}
        truths = {scope: own.truth(measure) for scope, own in classes.items()}
        estimates["difference"] = difference(estimates["poscon"], estimates["negcon"])
        truths["difference"] = truths["poscon"] - truths["negcon"]
        noise = {scope: own.noise(measure) for scope, own in classes.items()}
        noise["difference"] = noise["poscon"] + noise["negcon"]
        variants = _variants(drawn, measure)
        for scope in SCOPES:
            doubts = {"variants": variants[scope], "outside": out_of_distribution(plate, scope)}
            if scope != "negcon":
                doubts |= shift
            estimate = estimates[scope]
            if few_images:
                estimate = replace(estimate, variance=estimate.variance + noise[scope])
            yield ReadRow(measure, scope, estimate, Doubts(**doubts), truths[scope], noise[scope])


def _estimate(wells: Floats, measure: str) -> Estimate:
    top, bottom = (wells[:, COLUMNS[f"{part}_{measure}"]] for part in ("read", "of"))
    return ratio_estimate(np.nan_to_num(top), np.nan_to_num(bottom))


def _variants(drawn: dict[str, AnyArray], measure: str) -> dict[str, float]:
    """Range of each scope's value over the variants of the evidence; 0 where there are none."""
    if measure not in OF_VARIANTS:
        return dict.fromkeys(SCOPES, 0.0)
    places = [COLUMNS[f"read_{measure}_{variant}"] for variant in ALL_VARIANTS]
    sums = {scope: np.nansum(wells, axis=0) for scope, wells in drawn.items()}
    values = {
        scope: each[places] / max(each[COLUMNS[f"of_{measure}"]], 1) for scope, each in sums.items()
    }
    values["difference"] = values["poscon"] - values["negcon"]
    return {scope: float(np.ptp(each)) for scope, each in values.items()}


def appearance_shift(plate: Plate) -> dict[str, float]:
    """Return how much the appearance of the classes differs, by the names of `Doubts`."""
    found = {}
    for name, (column, factor) in _SHIFTS.items():
        own, other = (np.nanmean(each.column(column)) for each in plate[-2:])
        shift = float(abs(factor * (own - other)))
        found[name] = shift if np.isfinite(shift) else 0.0
    return found


def out_of_distribution(plate: Plate, scope: str) -> float:
    """Return the share of images out of distribution, of the class that has more."""
    own = {"negcon": [plate.negative], "poscon": [plate.positive]}
    sides = own.get(scope, [plate.negative, plate.positive])
    return max(float(np.nanmean(each.column("outside"))) for each in sides)
