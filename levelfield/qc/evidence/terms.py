"""What the evidence reads of objects, seams and candidates: features comparable between plates.

Every term is a ratio, to the reference object of the plate or within the object itself, so that it
means the same on any plate, at any magnification and exposure.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from levelfield.arrays import AnyArray, Floats, Integers
from levelfield.qc.evidence.candidates import RESIDUAL

_CUT_LIGHT = ("brightness", "lowest", "highest", "gradient", "similarity")
_CUT_FORM = (
    *("roundness", "width", "length", "solidity", "solidity_gain", "ellipse_fit"),
    "ellipse_gain",
)
_CUT_NETWORK = ("network_separation", "network_boundary")
_JURY = ("agreement", "lowest", "splitting", "merging", "missing")
# What a term depends on: the object's absolute size, how bright it is, its form, or the network.
_SIZE = ("relative_area", "relative_intensity", "relative_part", "crowding")
MERGE_TERMS: dict[str, tuple[str, ...]] = {
    "size": _SIZE,
    "light": (
        *("relative_brightness", "texture", "grain", "edge_sharpness", "contrast_to_noise"),
        *("cut_intensity_saddle", *(f"cut_seam_{name}" for name in _CUT_LIGHT)),
    ),
    "form": (
        *("solidity", "axis_ratio", "ellipse_fit", "roundness", "contact", "touches_border"),
        *("cut_shape_saddle", "part_of_object", *(f"cut_seam_{name}" for name in _CUT_FORM)),
    ),
    "network": (
        *("cut_network_saddle", *(f"cut_seam_{name}" for name in _CUT_NETWORK)),
        *(*(f"jury_{name}" for name in _JURY), "network_foreground"),
    ),
}
# Of what both objects of a pair have, the mean, or the lower or higher of the two as named.
SEAM_TERMS: dict[str, tuple[str, ...]] = {
    "size": _SIZE,
    "light": (
        *("contrast_to_noise", "grain", "edge_sharpness"),
        *(f"seam_{name}" for name in _CUT_LIGHT),
    ),
    "form": (
        *("part_of_object", "solidity_lower", "roundness_lower", "contact_higher"),
        *(f"seam_{name}" for name in _CUT_FORM),
    ),
    "network": (
        *(f"seam_{name}" for name in _CUT_NETWORK),
        *("jury_agreement_lower", "jury_merging_lower", "jury_merging_higher"),
        "jury_missing_higher",
    ),
}
# By the features that a variant sees. Verdicts come from "all" (or "image" where no network was
# asked); the others tell how far the answer depends on what it is read from.
VARIANTS: dict[str, tuple[str, ...]] = {
    "all": ("size", "light", "form", "network"),
    "image": ("size", "light", "form"),
    "shape": ("form",),
    "network": ("network",),
}
# Of places where an object may be missing; jury and network say how much speaks for an object.
CANDIDATE_TERMS = (
    *("relative_area", "relative_brightness", "contrast_to_noise", "contrast_to_rim"),
    *("contrast_to_labels", "solidity", "covered", "distance_to_label", "touches_border"),
    *("is_residual", "jury_agreement", "jury_finding", "network_foreground"),
)


def names_of(terms: Mapping[str, tuple[str, ...]], variant: str) -> list[str]:
    """Return the terms that a variant reads, of `MERGE_TERMS` or `SEAM_TERMS`."""
    return [name for family in VARIANTS[variant] for name in terms[family]]


def merge_terms(objects: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """Return `MERGE_TERMS` of every object, from `levelfield.qc.evidence.features.OBJECT_COLUMNS`.

    `reference` is, row by row, the plate's reference object.
    """
    area, light = reference["area_px"], reference["integrated_intensity"]
    part = objects["cut_seam_smaller_area_px"]
    made: dict[str, Any] = {
        "relative_area": _log(objects["area_px"] / area),
        "relative_intensity": _log(objects["integrated_intensity"] / light),
        "relative_part": _log(part / area),
        "crowding": objects["local_density"] * area / 1e4,
        "relative_brightness": _log(objects["mean_intensity"] / (light / area)),
        "part_of_object": part / objects["area_px"],
        "contrast_to_noise": _log(objects["contrast_to_noise"]),
        "touches_border": objects["touches_border"].astype(float),
    }
    plain = [n for family in MERGE_TERMS.values() for n in family if n not in made]
    return objects[plain].assign(**made)


def seam_terms(
    objects: pd.DataFrame, pairs: pd.DataFrame, ends: Sequence[Integers], reference: pd.DataFrame
) -> pd.DataFrame:
    """Return `SEAM_TERMS` of every touching pair, with objects and reference as for `merge_terms`.

    `ends` are the rows (p,) of the two objects of each pair.
    """

    def both(name: str) -> Floats:
        values = objects[name].to_numpy(float)
        return np.stack([values[end] for end in ends])

    area, light = (
        reference[name].to_numpy(float)[ends[0]] for name in ("area_px", "integrated_intensity")
    )
    union, part = pairs["seam_area_px"], pairs["seam_smaller_area_px"]
    made = {
        "relative_area": _log(union / area),
        "relative_intensity": _log(both("integrated_intensity").sum(axis=0) / light),
        "relative_part": _log(part / area),
        "crowding": both("local_density").mean(axis=0) * area / 1e4,
        "part_of_object": part / union,
        "contrast_to_noise": _log(both("contrast_to_noise").mean(axis=0)),
        "grain": both("grain").mean(axis=0),
        "edge_sharpness": both("edge_sharpness").mean(axis=0),
    }
    plain = []
    for name in (name for family in SEAM_TERMS.values() for name in family if name not in made):
        feature, _, end = name.rpartition("_")
        if end in ("lower", "higher"):
            made[name] = both(feature).min(axis=0) if end == "lower" else both(feature).max(axis=0)
        else:
            plain.append(name)
    return pairs[plain].assign(**made)


def candidate_terms(candidates: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """Return `CANDIDATE_TERMS` of every candidate, like `merge_terms`."""
    area, light = reference["area_px"], reference["integrated_intensity"]
    diameter = 2 * np.sqrt(area / np.pi)
    noise_ratio = candidates["contrast_to_noise"]
    made = {
        "relative_area": _log(candidates["area_px"] / area),
        "relative_brightness": _log(candidates["mean_intensity"] / (light / area)),
        "contrast_to_noise": _log(noise_ratio),
        "contrast_to_rim": _log(candidates["contrast_to_rim"]),
        "contrast_to_labels": _log(noise_ratio / reference["contrast_to_noise"]),
        "distance_to_label": np.minimum(candidates["distance_to_label_px"] / diameter, 10.0),
        "touches_border": candidates["touches_border"].astype(float),
        "is_residual": (candidates["found_by"] == RESIDUAL).astype(float),
    }
    plain = [name for name in CANDIDATE_TERMS if name not in made]
    return candidates[plain].assign(**made)[list(CANDIDATE_TERMS)]


def _log(values: pd.Series | AnyArray) -> Floats:
    """Logarithm of what is positive, else NaN."""
    values = np.asarray(values, float)
    return np.log(values, where=values > 0, out=np.full(values.shape, np.nan))
