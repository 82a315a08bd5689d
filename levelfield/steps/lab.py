"""A lab's own calibration: which of it holds for a config, and how one is made of its plates."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from levelfield.config.settings import ObjectSetSettings, Science
from levelfield.qc.columns import OBJECT_SET
from levelfield.qc.review.calibrate import FEWEST_OBJECTS, Pair, fit_constants, pairs_of
from levelfield.qc.review.lab import LabCalibration, appearance_of, load_calibrations, settings_mark
from levelfield.qc.review.table import reviewed_rows
from levelfield.qc.statistics.readings import Reading
from levelfield.qc.statistics.records import from_table
from levelfield.steps.qc_evidence import judged_sets


class ReviewedPlate(NamedTuple):
    """The tables of a judged plate (``qc/``): estimates, reviewed, objects; and of its review.

    ``provenance`` says what the review was: a name of the plate, and a checksum.
    """

    plate: str
    estimates: pd.DataFrame
    reviewed: pd.DataFrame
    objects: pd.DataFrame
    provenance: Mapping[str, Any]


def lab_calibrations(science: Science) -> dict[str, LabCalibration]:
    """Return the calibrations of ``qc.calibration`` that hold for the object sets of a config.

    Raises
    ------
    ValueError
        When the file cannot be read, knows none of the object sets, or an object set is made with
        another method or settings than its calibration was made for.
    """
    if not science.qc.calibration:
        return {}
    path = Path(science.qc.calibration)
    known, sets = load_calibrations(path), {made.name: made for made in judged_sets(science)}
    used = {name: own for name, own in known.items() if name in sets}
    if not used:
        raise ValueError(
            f"qc.calibration: '{path}' is of {', '.join(known)}, none of which the config makes. "
            f"It makes {', '.join(sets)}. Leave the key out, or calibrate these."
        )
    for name, own in used.items():
        if (own.method, own.settings) != (sets[name].method, set_mark(sets[name], science)):
            raise ValueError(
                f"qc.calibration: '{path}' was made for {name} with {own.method} and other "
                f"settings than objects.{name} has now, and says nothing of these. Review plates "
                "that are segmented so and calibrate again, or leave the key out."
            )
    return used


def check_calibration(config: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` for a ``qc.calibration`` that `lab_calibrations` would refuse."""
    lab_calibrations(Science(config))


def set_mark(made: ObjectSetSettings, science: Science) -> str:
    """Return the fingerprint of the settings that an object set is made and judged with."""
    objects = science.sections["objects"]
    own = {name: objects[name] for name in (made.name, *made.parents)}
    return settings_mark(own | {"threshold_level": science.qc.threshold_level})


def calibrate(
    plates: Sequence[ReviewedPlate], science: Science, provenance: Mapping[str, Any]
) -> tuple[list[LabCalibration], dict[str, str]]:
    """Make the calibration of every object set that enough plates were reviewed for.

    Returns
    -------
    list, dict
        Calibrations, and by object set why there is none.
    """
    made, missing = [], {}
    for own in judged_sets(science):
        pairs, used = [], []
        for plate in plates:
            readings = from_table(plate.estimates, Reading)
            found = pairs_of(plate.plate, own.name, readings, reviewed_rows(plate.reviewed))
            pairs += found
            used += [plate] if found else []
        try:
            _check_objects(own.name, used)
            made.append(_calibration(own, science, pairs, used, provenance))
        except ValueError as error:
            missing[own.name] = str(error)
    return made, missing


def _calibration(
    own: ObjectSetSettings,
    science: Science,
    pairs: Sequence[Pair],
    plates: Sequence[ReviewedPlate],
    provenance: Mapping[str, Any],
) -> LabCalibration:
    constants, checked = fit_constants(pairs)
    objects = [plate.objects[plate.objects[OBJECT_SET] == own.name] for plate in plates]
    return LabCalibration(
        own.name,
        own.method,
        set_mark(own, science),
        constants,
        appearance_of(objects),
        dict(provenance) | {"plates": [dict(plate.provenance) for plate in plates]},
        checked,
    )


def _check_objects(name: str, plates: Sequence[ReviewedPlate]) -> None:
    """Refuse a calibration of too few objects in either class."""
    for scope in ("negcon", "poscon"):
        told = 0
        for plate in plates:
            rows = plate.reviewed[
                (plate.reviewed["object_set"] == name)
                & (plate.reviewed["scope"] == scope)
                & (plate.reviewed["measure"] == "balance")
            ]
            told += int(rows["n_told"].sum())
        if told < FEWEST_OBJECTS:
            raise ValueError(
                f"{told} objects of the {scope} wells were reviewed on {len(plates)} plates; a "
                f"calibration needs at least {FEWEST_OBJECTS}. Review more (levelfield review)."
            )
