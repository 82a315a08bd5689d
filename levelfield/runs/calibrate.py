"""A lab's own calibration from the plates of a screen that people have reviewed."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pandas as pd

from levelfield import __version__
from levelfield.config.plan import Plan
from levelfield.config.results import in_plate
from levelfield.config.settings import Science
from levelfield.io.checksums import file_sha256
from levelfield.io.tables import read_csv, write_text
from levelfield.qc.review.lab import save_calibrations
from levelfield.steps.lab import ReviewedPlate, calibrate


def calibrate_plates(plan: Plan, plates: Sequence[str], path: Path) -> str:
    """Write the calibration of the reviewed plates of a screen; return what was done, in words.

    Parameters
    ----------
    plan, plates : Plan, sequence of str
        The screen, and its plates to learn from; all that are judged when empty.
    path : Path
        The file to write.

    Raises
    ------
    ValueError
        When a plate is not judged yet, or nothing can be calibrated.
    """
    names = list(plates) or plan.finished_plates()
    found = [_reviewed_plate(plan, name) for name in names]
    made, missing = calibrate(
        found,
        Science(plan.config),
        {"made_by": f"levelfield {__version__}, levelfield calibrate", "date": str(date.today())},
    )
    notes = [f"{name}: not calibrated. {why}" for name, why in missing.items()]
    if not made:
        raise ValueError("nothing can be calibrated.\n" + "\n".join(notes))
    write_text(save_calibrations(made), path)
    for own in made:
        share = 100 * sum(line.covered for line in own.checked) / len(own.checked)
        notes.append(
            f"{own.object_set}: calibrated on {len(own.provenance['plates'])} plates. Of "
            f"{len(own.checked)} rows of plates that were left out, {share:.0f} % lie in their "
            "90 % interval."
        )
    notes.append(f"Written to {path}. Name it in the config:\n  qc: {{calibration: {path}}}")
    return "\n".join(notes)


def _reviewed_plate(plan: Plan, name: str) -> ReviewedPlate:
    folder = Path(plan.results.path) / name
    files = {key: in_plate(folder, "qc_plate", key) for key in ("estimates", "reviewed", "objects")}
    if not all(path.is_file() for path in files.values()):
        raise ValueError(f"plate '{name}' is not judged yet. Let snakemake finish it first.")
    review = in_plate(folder, "check_review")
    return ReviewedPlate(
        name,
        read_csv(files["estimates"]),
        read_csv(files["reviewed"]),
        pd.read_parquet(files["objects"]),
        {"plate": name, "review_sha256": file_sha256(review) if review.is_file() else ""},
    )
