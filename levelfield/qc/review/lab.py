"""A lab's own calibration as a plain file, and which images are unlike those it came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from levelfield.qc.evidence.calibration import FEWEST_OBJECTS, indicators
from levelfield.qc.review.calibrate import Checked
from levelfield.qc.statistics.errors import Constants, ErrorModel

FORMAT = 1
KIND = "calibrated here: "
"""Kind of objects under which the constants of a set are looked up, with its name behind."""
UNLIKE = "unlike the plates of this lab's calibration"
FAR = 4.0
"""Standard deviations beyond which an image is unlike; of plates and of the images within."""


@dataclass(frozen=True)
class LabCalibration:
    """What is known of the evidence's error for one object set, method and settings of a lab.

    Attributes
    ----------
    object_set, method, settings : str
        Whose; of the settings the fingerprint (`settings_mark`).
    constants : mapping of str to Constants
        By measure.
    appearance : mapping of str to (float, float)
        By indicator of `levelfield.qc.evidence.calibration.indicators`, middle and standard
        deviation over the images of the plates.
    provenance, checked : mapping, sequence of Checked
        What it was made from; and how every row is judged by plates that do not know it.
    """

    object_set: str
    method: str
    settings: str
    constants: Mapping[str, Constants]
    appearance: Mapping[str, tuple[float, float]]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    checked: Sequence[Checked] = ()

    def unlike(self, objects: pd.DataFrame) -> pd.Series:
        """Say of each field of the object set how its images are unlike; empty where they are not.

        Images with fewer than `FEWEST_OBJECTS` objects count as like.
        """
        table = indicators(objects)
        reasons = pd.Series("", table.index, dtype=object)
        for name, (middle, spread) in self.appearance.items():
            far = ((table[name] - middle).abs() > FAR * spread) & (
                table["n_objects"] >= FEWEST_OBJECTS
            )
            first = far & (reasons == "")
            reasons[first] = f"{UNLIKE}: {name.replace('_', ' ')}"
            reasons[far & ~first] += f", {name.replace('_', ' ')}"
        return reasons


def appearance_of(plates: Sequence[pd.DataFrame]) -> dict[str, tuple[float, float]]:
    """Describe the images of the plates of a calibration, from the scored objects of each.

    The spread is that of images within plates and of plates together; with few plates the latter is
    wider, as Student's t is.
    """
    tables = [indicators(objects) for objects in plates]
    found = {}
    for name in tables[0].columns:
        if name == "n_objects":
            continue
        own = [table[name][np.isfinite(table[name])] for table in tables]
        own = [values for values in own if len(values)]
        if len(own) < 2:
            continue
        means = np.array([values.mean() for values in own])
        within = float(np.mean([values.var(ddof=1) if len(values) > 1 else 0.0 for values in own]))
        between = float(means.var(ddof=1)) * (1 + 1 / len(means)) * len(means) / (len(means) - 1)
        spread = max(float(np.sqrt(within + between)), 1e-3)
        found[str(name)] = (round(float(means.mean()), 6), round(spread, 6))
    return found


def settings_mark(settings: Mapping[str, Any]) -> str:
    """Return the fingerprint of what an object set is made with, its parents included."""
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def save_calibrations(calibrations: Sequence[LabCalibration]) -> str:
    """Return the text of a file: plain YAML, to be read and kept beside the config."""
    sets = {}
    for own in calibrations:
        sets[own.object_set] = {
            "method": own.method,
            "settings": own.settings,
            "provenance": dict(own.provenance),
            "checked_on_plates_left_out": _summary(own.checked),
            "measures": {name: _constants_out(each) for name, each in own.constants.items()},
            "appearance": {name: list(pair) for name, pair in own.appearance.items()},
            "checked": [asdict(line) for line in own.checked],
        }
    content = {"levelfield_calibration": FORMAT, "object_sets": sets}
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100))


def _summary(checked: Sequence[Checked]) -> dict[str, dict[str, float]]:
    """Return by measure how many rows were checked, the share that is covered, and the error."""
    found = {}
    for name in dict.fromkeys(line.measure for line in checked):
        own = [line for line in checked if line.measure == name]
        errors = [line.corrected - line.reviewed for line in own]
        found[name] = {
            "rows": len(own),
            "covered": round(float(np.mean([line.covered for line in own])), 3),
            "rms_error_pp": round(100 * float(np.sqrt(np.mean(np.square(errors)))), 2),
        }
    return found


def _constants_out(constants: Constants) -> dict[str, Any]:
    return {
        "slope": constants.slope,
        "floor": constants.floor,
        "error_class": constants.error_class.constant,
        "error_difference": constants.error_difference.constant,
        "degrees_of_freedom": constants.degrees_of_freedom,
        "between_wells": constants.between_wells,
        "of_right": constants.of_right,
    }


def load_calibrations(path: Path) -> dict[str, LabCalibration]:
    """Read what `save_calibrations` wrote, by object set.

    Raises
    ------
    ValueError
        Naming the file, when it is none or not whole.
    """
    try:
        content = yaml.safe_load(path.read_text())
        if content["levelfield_calibration"] != FORMAT:
            raise KeyError(f"format {content['levelfield_calibration']}")
        return {name: _loaded(name, own) for name, own in content["object_sets"].items()}
    except FileNotFoundError:
        raise ValueError(
            f"qc.calibration: there is no file '{path}'. Make it with levelfield calibrate, or "
            "leave the key out."
        ) from None
    except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise ValueError(
            f"qc.calibration: '{path}' is no calibration as levelfield calibrate writes it "
            f"({error}). Make it again."
        ) from None


def _loaded(name: str, own: Mapping[str, Any]) -> LabCalibration:
    constants = {}
    for measure, values in own["measures"].items():
        made = dict(values)
        for key in ("error_class", "error_difference"):
            made[key] = ErrorModel(float(values[key]))
        constants[measure] = Constants(calibrated=True, **made)
    return LabCalibration(
        name,
        own["method"],
        own["settings"],
        constants,
        {key: (float(low), float(high)) for key, (low, high) in own["appearance"].items()},
        own["provenance"],
        tuple(Checked(**line) for line in own["checked"]),
    )
