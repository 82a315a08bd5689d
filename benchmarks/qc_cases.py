"""Plates of controls whose truth is known, made of the images of one group.

What differs between the two classes: nothing; the segmentation (a random share of the positive
images is segmented in another way); the images (one class is the denser half of the group and one
the sparser, as controls often differ in cell count; in half of these the segmentation differs,
too); a phenotype; or errors planted into the positive class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from levelfield.qc.evidence.looks import LARGEST_RANGE, LARGEST_SATURATED
from levelfield.qc.evidence.scores import VARIANT_COLUMNS
from levelfield.qc.statistics.estimates import (
    PASS_LEVEL,
    Estimate,
    difference,
    equivalence_verdict,
    mean_estimate,
    ratio_estimate,
)
from levelfield.qc.verdict.rules import Constants

SUMS = ["n", "balance", *VARIANT_COLUMNS, "true_balance"]
LOOKS = {"look_size": 1.3, "look_sharpness": 1.5, "look_contrast": 1.5, "look_grain": 1.5}
MEANS = ["bias", "true_bias", *LOOKS, "look_saturated"]
WELL_IMAGES = 4
MARGINS = {"split_merge": 10.0, "threshold": 0.5}
DIFFERING = ("nothing", "segmentation", "images", "phenotype", "planted")


class Images(NamedTuple):
    """What is known of images, one row each: `SUMS` over their objects, and `MEANS`."""

    sums: NDArray[np.float64]
    means: NDArray[np.float64]


class ControlClass(NamedTuple):
    """Images of one class; a share of them is segmented in another way."""

    one: Images
    other: Images
    share: float

    def truth_and_estimates(self) -> NDArray[np.float64]:
        """Return the rates of all `SUMS` but the first, in percent, then `MEANS`."""
        parts = ((self.one, 1 - self.share), (self.other, self.share))
        sums = sum(weight * part.sums.sum(axis=0) for part, weight in parts)
        means = sum(weight * np.nanmean(part.means, axis=0) for part, weight in parts)
        return np.concatenate([100 * sums[1:] / sums[0], means])

    def wells(self, n_wells: int, random: np.random.Generator) -> Images:
        """Draw wells of `WELL_IMAGES` images, with replacement."""
        shape = n_wells, WELL_IMAGES
        drawn = random.integers(0, len(self.one.sums), shape)
        changed = (random.random(shape) < self.share)[..., None]
        sums, means = (
            np.where(changed, other[drawn], one[drawn])
            for one, other in zip(self.one, self.other, strict=True)
        )
        return Images(sums.sum(axis=1), _mean(means))


class Plate(NamedTuple):
    """The two control classes of a plate."""

    negative: ControlClass
    positive: ControlClass

    def differences(self) -> dict[str, float]:
        """Positive minus negative of all images: estimates beside the truth, in pp and px.

        ``range`` is that of the variants; ``looks`` tells whether the classes look different, and
        ``saturated`` whether one has more clipped pixels.
        """
        names = [*SUMS[1:], *MEANS]
        one, two = (
            pd.Series(each.truth_and_estimates(), names) for each in (self.positive, self.negative)
        )
        gap = one - two
        found = gap[["balance", "true_balance", "bias", "true_bias"]].to_dict()
        found["range"] = float(np.ptp(gap[list(VARIANT_COLUMNS)]))
        saturated = bool(abs(gap["look_saturated"]) > LARGEST_SATURATED)
        return found | {"looks": saturated or _look_different(one, two), "saturated": saturated}


class Case(NamedTuple):
    """A plate, where it comes from, and what differs between its classes."""

    group: str
    kind: str
    differing: str
    what: str
    plate: Plate


def _look_different(one: pd.Series, two: pd.Series) -> bool:
    ratio, most = one[list(LOOKS)] / two[list(LOOKS)], pd.Series(LOOKS)
    return bool(((ratio > most) | (ratio < 1 / most)).any())


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the images of each well; NaN where none of them has a value."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0).sum(axis=1) / known.sum(axis=1)


def unchanged(images: pd.DataFrame) -> ControlClass:
    """Make a class of all images of a table with the columns `SUMS` and `MEANS`."""
    own = Images(images[SUMS].to_numpy(float), images[MEANS].to_numpy(float))
    return ControlClass(own, own, 0.0)


class ImagesOfGroup(NamedTuple):
    """All images of a group in all settings of one segmenter, from sparse to dense ones.

    Attributes
    ----------
    sums : (settings, images, columns) float64
    means : (settings, images, columns) float64
    """

    sums: NDArray[np.float64]
    means: NDArray[np.float64]

    @classmethod
    def of_table(cls, fields: pd.DataFrame) -> ImagesOfGroup:
        """Arrange a table with ``setting``, ``image``, `SUMS` and `MEANS`."""
        settings = sorted(fields["setting"].unique())
        images = fields.groupby("image")["n"].sum().sort_values(kind="stable").index
        every = pd.MultiIndex.from_product([settings, images], names=["setting", "image"])
        table = fields.set_index(["setting", "image"])[[*SUMS, *MEANS]].reindex(every)
        shape = len(settings), len(images), -1
        sums = table[SUMS].fillna(0).to_numpy(float).reshape(shape)
        return cls(sums, table[MEANS].to_numpy(float).reshape(shape))

    def of_setting(self, setting: int, chosen: NDArray) -> Images:
        """Return some images in one setting."""
        return Images(self.sums[setting, chosen], self.means[setting, chosen])

    def plate(self, random: np.random.Generator, differing: str) -> Plate:
        """Draw one plate, for all of `DIFFERING` but phenotypes and planted errors."""
        n_settings, n_images = self.sums.shape[:2]
        every = np.arange(n_images)
        halves = [every, every]
        if differing == "images":
            halves = [every[: n_images // 2], every[n_images // 2 :]]
            random.shuffle(halves)
        one, other = random.choice(n_settings, 2, replace=False)
        # The same segmentation as often as another one, where it is not what differs.
        mixed = differing == "segmentation" or (differing == "images" and random.random() < 0.5)
        share = random.random() if mixed else 0.0
        negative, positive, changed = (
            self.of_setting(setting, half)
            for setting, half in ((one, halves[0]), (one, halves[1]), (other, halves[1]))
        )
        return Plate(ControlClass(negative, negative, 0.0), ControlClass(positive, changed, share))


def drawn_cases(fields: pd.DataFrame, number: int) -> list[Case]:
    """Draw `number` plates of each group, kind of segmenter and of what may differ.

    Parameters
    ----------
    fields : DataFrame
        Plain images in all settings.
    number : int
        Of each.
    """
    cases = []
    for (group, kind), own in fields.groupby(["group", "kind"]):
        images, random = ImagesOfGroup.of_table(own), np.random.default_rng(len(cases))
        cases += [
            Case(group, kind, differing, "", images.plate(random, differing))
            for differing in ("nothing", "segmentation", "images")
            for _ in range(number)
        ]
    return cases


def phenotype_cases(fields: pd.DataFrame) -> list[Case]:
    """Plates whose positive class is the transformed images, and the negative one the same, plain.

    Parameters
    ----------
    fields : DataFrame
        With ``phenotype``, and ``beside``, the phenotype beside which an image was scored.
    """
    cases = []
    keys = ["group", "kind", "setting", "beside"]
    for (group, kind, _, name), own in fields[fields["beside"] != "none"].groupby(keys):
        changed, plain = (
            own[own["phenotype"] == which].set_index("image") for which in (name, "none")
        )
        both = changed.index.intersection(plain.index)
        if len(both):
            plate = Plate(unchanged(plain.loc[both]), unchanged(changed.loc[both]))
            cases.append(Case(group, kind, "phenotype", name, plate))
    return cases


def planted_cases(fields: pd.DataFrame) -> list[Case]:
    """Plates with an error planted into the positive class (``setting``; "none 0" is none)."""
    cases = []
    for (group, kind), own in fields.groupby(["group", "kind"]):
        good = unchanged(own[own["setting"] == "none 0"])
        cases += [
            Case(group, kind, "planted", name, Plate(good, unchanged(images)))
            for name, images in own.groupby("setting")
        ]
    return cases


def differences(cases: list[Case]) -> pd.DataFrame:
    """Return `Plate.differences` of all cases, a row each."""
    rows = [named(case) | case.plate.differences() for case in cases]
    return pd.DataFrame(rows).dropna(subset=["balance", "true_balance"])


def named(case: Case) -> dict[str, str]:
    """Return what a case is called, and what differs in it."""
    return {name: getattr(case, name) for name in ("group", "kind", "differing", "what")}


class Judged(NamedTuple):
    """What one drawing of wells says of a plate, in pp or px."""

    truth: float
    estimate: float
    covered: bool
    verdict: str


def judge_balance(
    plate: Plate,
    known: Mapping[str, float],
    constant: Constants,
    n_wells: int,
    random: np.random.Generator,
) -> Judged:
    """Draw wells, and judge the difference of balance as the product does.

    ``known`` holds the plate's `Plate.differences`.
    """
    drawn = [each.wells(n_wells, random).sums for each in plate[::-1]]
    raw = difference(*(ratio_estimate(part[:, 1], part[:, 0]) for part in drawn))
    rates = [part[:, 1:].sum(axis=0) / part[:, 0].sum() for part in drawn]
    gap = dict(zip(SUMS[1:], rates[0] - rates[1], strict=True))
    spread = float(np.ptp([gap[name] for name in VARIANT_COLUMNS]))
    estimate = constant.correct(raw, is_difference=True, variants=spread, outside=known["looks"])
    withheld = spread > LARGEST_RANGE or known["looks"]
    return _judged(
        estimate, known["true_balance"], 100.0, MARGINS["split_merge"], withheld=withheld
    )


def judge_bias(
    plate: Plate,
    known: Mapping[str, float],
    constant: Constants,
    n_wells: int,
    random: np.random.Generator,
) -> Judged:
    """Draw wells, and judge the difference of threshold bias likewise."""
    drawn = [each.wells(n_wells, random).means[:, 0] for each in plate[::-1]]
    raw = difference(*(mean_estimate(part) for part in drawn))
    estimate = constant.correct(raw, is_difference=True, outside=known["looks"])
    return _judged(
        estimate, known["true_bias"], 1.0, MARGINS["threshold"], withheld=known["saturated"]
    )


def _judged(
    estimate: Estimate, truth: float, unit: float, margin: float, *, withheld: bool
) -> Judged:
    low, high = (unit * end for end in estimate.interval(PASS_LEVEL))
    verdict = "withheld" if withheld else equivalence_verdict(estimate, margin / unit)
    return Judged(truth, unit * estimate.value, bool(low <= truth <= high), verdict)


JUDGES: Mapping[str, Callable[..., Judged]] = {
    "split_merge": judge_balance,
    "threshold": judge_bias,
}
