"""Sites and classes whose images are off: out of focus, saturated, uneven, dirty or misaligned.

Absolute limits come first: they hold on the first plate and where a whole plate is off. Only in
groups of at least `FEWEST_SITES` sites is a site also compared with the others of its group, by the
robust z score of median and MAD. Groups are control classes, since a phenotype changes images: what
every site of a positive control has in common is no outlier. A class that is off as a whole is
told, as a person has to judge whether that is the phenotype or the microscope; nothing is left out
for it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from levelfield.arrays import Floats
from levelfield.qc.statistics.records import to_table

FEWEST_SITES = 16
LARGEST_Z = 6.0
_PREFIX = "Image_ImageQuality_"
_SMALLEST_SPREAD = 1e-3  # of a value, or sites that are all but equal would be told apart


@dataclass(frozen=True)
class Measure:
    """One measure of image quality: what is said where it is off, and when it is.

    Attributes
    ----------
    words : str
        What is said of an image that is off.
    unit : str
        Of the values.
    lowest, highest : float
        Absolute limits.
    low_is_off, high_is_off : bool
        Whether values below, or above those of other sites are told.
    """

    words: str
    unit: str
    lowest: float = -np.inf
    highest: float = np.inf
    low_is_off: bool = False
    high_is_off: bool = True


MEASURES = {
    "PowerLogLogSlope": Measure(
        "out of focus", "slope", lowest=-4.6, low_is_off=True, high_is_off=False
    ),
    "PercentSaturated": Measure("saturated", "%", highest=1.0),
    "Background": Measure(
        "unusual background", "of the maximum", lowest=-0.01, highest=0.5, low_is_off=True
    ),
    "BackgroundUnevenness": Measure("uneven background", "of the range", highest=0.5),
    "PercentBrightOutside": Measure("debris, or objects that were missed", "%", highest=3.0),
    "Shift": Measure("shifted", "px", highest=2.0),
}
"""What is judged, by the name in the columns ``Image_ImageQuality_<name>_<channel>``."""


@dataclass(frozen=True)
class Finding:
    """A site, or a whole class, whose images are off.

    Attributes
    ----------
    plate, scope : str
        Whose; and ``site`` or ``class``.
    control_type, perturbation : str
        The class.
    well : str
        Empty for a class.
    site : int
        -1 for a class.
    channel, measure : str
        Of what; of a shift both channels.
    value : float
        What was measured; of a class the median over its sites.
    unit : str
        Of value and limit.
    limit : float
        The absolute limit that is passed, or NaN.
    robust_z : float
        Distance from the median of the group (of a class: of all other sites) in robust standard
        deviations; NaN with too few sites.
    n_sites : int
        Of the group that it was compared with, or of the class.
    finding : str
        The same in a sentence.
    """

    plate: str
    scope: str
    control_type: str
    perturbation: str
    well: str
    site: int
    channel: str
    measure: str
    value: float
    unit: str
    limit: float
    robust_z: float
    n_sites: int
    finding: str


def image_quality_findings(plate: str, sites: pd.DataFrame) -> pd.DataFrame:
    """List the classes and sites whose images are off.

    `sites` has a row per site, with the layout's ``Metadata_`` columns and those of
    `levelfield.measurement.image_quality`.

    Returns
    -------
    DataFrame
        A row per `Finding`: classes first, then sites in the order of the table.
    """
    found: list[Finding] = []
    for name, channel, values in _judged_columns(sites):
        found += _class_findings(plate, sites, name, channel, values)
        found += _site_findings(plate, sites, name, channel, values)
    order = {key: number for number, key in enumerate(_places(sites))}
    found.sort(key=lambda own: (own.scope == "site", order.get((own.well, own.site), -1)))
    return to_table(found, Finding)


def _places(sites: pd.DataFrame) -> list[tuple[str, int]]:
    return list(zip(sites["Metadata_Well"], sites["Metadata_Site"].astype(int), strict=True))


def _judged_columns(sites: pd.DataFrame) -> Iterator[tuple[str, str, Floats]]:
    """Yield measure, channel and values of every column of image quality."""
    for column in sites.columns:
        name, _, channel = str(column).removeprefix(_PREFIX).partition("_")
        if not str(column).startswith(_PREFIX):
            continue
        values = sites[column].to_numpy(float)
        if name in MEASURES:
            yield name, channel, values
        elif name == "ShiftY":
            across = sites[f"{_PREFIX}ShiftX_{channel}"].to_numpy(float)
            yield "Shift", channel.replace("_", " to "), np.hypot(values, across)


def _classes(sites: pd.DataFrame) -> pd.Series:
    """Return the class of every site: its control type, and of controls the perturbation."""
    kind = sites["Metadata_ControlType"].astype(str)
    perturbation = sites["Metadata_Perturbation"].astype(str)
    return kind + "\t" + perturbation.where(kind.isin(["negcon", "poscon"]), "")


def _class_findings(
    plate: str, sites: pd.DataFrame, name: str, channel: str, values: Floats
) -> Iterator[Finding]:
    measure, classes = MEASURES[name], _classes(sites).to_numpy()
    for own in dict.fromkeys(classes):
        mine = values[(classes == own) & np.isfinite(values)]
        others = values[(classes != own) & np.isfinite(values)]
        if not mine.size:
            continue
        kind, perturbation = str(own).split("\t")
        value, limit = float(np.median(mine)), _passed(float(np.median(mine)), measure)
        z = float("nan")
        if min(mine.size, others.size) >= FEWEST_SITES:
            z = float(_robust_z(np.array([value]), others)[0])
        if np.isnan(limit) and not _is_off(z, measure):
            continue
        what = " ".join(word for word in (kind, perturbation) if word)
        reason = _reason(value, limit, z, measure, f"the {others.size} other sites")
        yield Finding(
            *(plate, "class", kind, perturbation, "", -1, channel, name, value, measure.unit),
            *(limit, z, int(mine.size)),
            f"{what}, {channel}: {measure.words} as a class ({reason})",
        )


def _site_findings(
    plate: str, sites: pd.DataFrame, name: str, channel: str, values: Floats
) -> Iterator[Finding]:
    measure, classes = MEASURES[name], _classes(sites).to_numpy()
    places = _places(sites)
    for own in dict.fromkeys(classes):
        rows = np.flatnonzero((classes == own) & np.isfinite(values))
        kind, perturbation = str(own).split("\t")
        scores = np.full(rows.size, np.nan)
        if rows.size >= FEWEST_SITES:
            scores = _robust_z(values[rows], values[rows])
        for row, z in zip(rows, scores, strict=True):
            value, (well, site) = float(values[row]), places[row]
            limit = _passed(value, measure)
            if np.isnan(limit) and not _is_off(float(z), measure):
                continue
            reason = _reason(value, limit, float(z), measure, f"{rows.size} sites of its class")
            yield Finding(
                *(plate, "site", kind, perturbation, well, site, channel, name, value),
                *(measure.unit, limit, float(z), int(rows.size)),
                f"{well} site {site}, {channel}: {measure.words} ({reason})",
            )


def _robust_z(values: Floats, group: Floats) -> Floats:
    """Return the distances of values from the median of a group, in robust standard deviations."""
    middle = np.median(group)
    spread = 1.4826 * np.median(np.abs(group - middle))
    return (values - middle) / max(spread, _SMALLEST_SPREAD * max(abs(middle), 1.0))


def _passed(value: float, measure: Measure) -> float:
    """Return the absolute limit that a value passes; NaN if it is within both."""
    if value < measure.lowest:
        return measure.lowest
    return measure.highest if value > measure.highest else float("nan")


def _is_off(z: float, measure: Measure) -> bool:
    return (measure.low_is_off and z < -LARGEST_Z) or (measure.high_is_off and z > LARGEST_Z)


def _reason(value: float, limit: float, z: float, measure: Measure, group: str) -> str:
    told = f"{value:.3g} {measure.unit}"
    parts = [] if np.isnan(limit) else [f"limit {limit:.3g}"]
    if _is_off(z, measure):
        parts.append(f"robust z {z:.1f} among {group}")
    return re.sub(r"(?<![\w.])-(?=\d)", "−", ", ".join([told, *parts]))
