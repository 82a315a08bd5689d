"""What the evidence was calibrated on, and which images are out of that distribution."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from levelfield.arrays import Mask
from levelfield.qc.columns import FIELD, NUMBER
from levelfield.qc.statistics.errors import Constants, ErrorModel

FILE = Path(__file__).parent / "model" / "calibration.json"
NOT_ASKED = "not calibrated"
CALIBRATED_LEVEL = 0.4
"""Where the edge was sought, between background and object; of other levels nothing is known."""
FEWEST_OBJECTS = 5
"""With fewer objects in an image nothing is said of it, and it counts as within."""
NOT_NUCLEI = "not nuclei"
INDICATORS: dict[str, tuple[str, ...]] = {
    "blurred": ("sharpness", "grain", "background_correlation", "background_fineness"),
    "noisy": ("grain", "contrast"),
    "crowded": ("contact", "crowding", "lowest_agreement"),
    NOT_NUCLEI: (
        *("solidity", "ellipse_fit", "roundness"),
        *("agreement", "lowest_agreement", "texture"),
    ),
}
"""What each way of being out of distribution is recognised by."""


@dataclass(frozen=True)
class Recogniser:
    """Recognises one way of being out of distribution: a weighted sum of indicators beyond a limit.

    ``reason`` is a name in `INDICATORS`; images whose sum exceeds ``limit`` are out of
    distribution.
    """

    reason: str
    weights: Mapping[str, float]
    limit: float

    def recognises(self, table: pd.DataFrame) -> Mask:
        """Tell which rows of `indicators` are out of distribution; none that lacks an indicator."""
        total: Any = sum(weight * table[name] for name, weight in self.weights.items())
        return (total > self.limit).to_numpy(bool)


_KEYS = ("measure", "objects", "segmenter")


@dataclass(frozen=True)
class Calibration:
    """What is known of the evidence's own error, and what recognises images out of distribution.

    Constants are by measure, kind of object and kind of segmenter.
    """

    constants: Mapping[tuple[str, str, str], Constants]
    recognisers: tuple[Recogniser, ...]

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        rows = [
            dict(zip(_KEYS, key, strict=True)) | asdict(constants)
            for key, constants in self.constants.items()
        ]
        content = {"constants": rows, "outside": [asdict(each) for each in self.recognisers]}
        path.write_text(json.dumps(content, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Calibration:
        """Read what `save` wrote."""
        content = json.loads(path.read_text())
        constants = {}
        for row in content["constants"]:
            key = tuple(row.pop(name) for name in _KEYS)
            for name in ("error_class", "error_difference"):
                row[name] = ErrorModel(**row[name])
            constants[key] = Constants(**row)
        return cls(constants, tuple(Recogniser(**row) for row in content["outside"]))

    def out_of_distribution(self, objects: pd.DataFrame) -> pd.Series:
        """Say of each field how its images are unlike those of the calibration.

        Features of objects have `levelfield.qc.columns.FIELD` in front. The text is empty where a
        field is in distribution: else reasons (`INDICATORS`), or `NOT_ASKED` for object sets of
        which no network was asked (cells): for these nothing was calibrated.
        """
        table = indicators(objects)
        answers = pd.Series("", table.index, dtype=object)
        enough = (table["n_objects"] >= FEWEST_OBJECTS).to_numpy()
        for recogniser in self.recognisers:
            found, reason = recogniser.recognises(table) & enough, recogniser.reason
            answers[found] = np.where(answers[found] == "", reason, answers[found] + "; " + reason)
        answers[table["agreement"].isna().to_numpy()] = NOT_ASKED
        return answers


@lru_cache(maxsize=1)
def shipped_calibration() -> Calibration:
    """Load the calibration that comes with Levelfield, once."""
    return Calibration.load(FILE)


def indicators(objects: pd.DataFrame) -> pd.DataFrame:
    """Describe the appearance of the objects of each field.

    All `INDICATORS` and ``n_objects`` by `FIELD`: medians over objects, except for the means
    ``contact`` and both agreements with the jury; logarithms of what has a scale.
    """
    table = objects.assign(
        crowding=objects["local_density"] * objects["area_px"] / 1e4,
        diameter=2 * np.sqrt(objects["area_px"] / np.pi),
    )
    found = table.groupby(FIELD, sort=True).agg(
        background_correlation=("background_correlation", "first"),
        background_fineness=("background_fineness", "first"),
        n_objects=(NUMBER, "size"),
        sharpness=("edge_sharpness", "median"),
        grain=("grain", "median"),
        contrast=("contrast_to_noise", "median"),
        texture=("texture", "median"),
        solidity=("solidity", "median"),
        ellipse_fit=("ellipse_fit", "median"),
        roundness=("roundness", "median"),
        contact=("contact", "mean"),
        crowding=("crowding", "median"),
        diameter=("diameter", "median"),
        agreement=("jury_agreement", "mean"),
        lowest_agreement=("jury_lowest", "mean"),
    )
    for name in ("sharpness", "grain", "contrast", "texture", "crowding", "diameter"):
        found[name] = np.log(np.maximum(found[name].to_numpy(float), 5e-3))
    return found
