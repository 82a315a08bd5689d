"""Calibrate the evidence, judge plates whose truth is known, and write what came of it.

    python -m levelfield.qc.train.tables --collected FOLDER --scored FOLDER --results FOLDER

All constants are fixed before anything is judged: for every plate by images of other folds and
phenotypes of other families. Figures have 90 % intervals from resampled groups of images. Writes
``qc_*.csv`` to the folder of results and, with ``--write``, the calibration that is shipped.
"""

import argparse
import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from levelfield.qc.evidence.calibration import FILE, Calibration
from levelfield.qc.train.calibrate import calibrate, whole_rows
from levelfield.qc.train.drawing import all_plates
from levelfield.qc.train.images import FOLDS
from levelfield.qc.train.intervals import correlation_by_groups, named
from levelfield.qc.train.judge import HeldOut, Judged, held_out_constants, judge_plates
from levelfield.qc.train.judged_tables import (
    by_kind,
    coverage_table,
    gross_table,
    missed_table,
    phenotype_table,
    planted_table,
    rule_table,
    scaled,
)
from levelfield.qc.train.plates import N_WELLS, READ, WELL_IMAGES, with_measures
from levelfield.qc.train.range import fit_recognisers, flag_out_of_distribution, range_table, shown
from levelfield.qc.train.segmentations import KINDS, METHODS
from levelfield.qc.train.targets import target_table
from levelfield.questions import MEASURES


def agreement_table(fields: pd.DataFrame, constants: HeldOut) -> pd.DataFrame:
    """Correlation and mean error of corrected values against the truth, in wells of four images."""
    keys = ["group", "kind", "setting", "planted"]
    own = fields[(fields["phenotype"] == "none") & (fields["beside"] == "none")]
    own = own[own["kind"].isin(KINDS)]
    own = own.assign(well=own.groupby(keys).cumcount() // WELL_IMAGES)
    wells = own.groupby([*keys, "well"])[READ].sum().reset_index()
    plain, dropped = wells["planted"] == "none", wells["planted"].str.startswith("drops")
    rows = []
    for name, measure in MEASURES.items():
        chosen = wells[plain | dropped if name == "missed" else plain]
        lines = [
            constants[FOLDS[group], ""][name, "nuclei", METHODS[kind]]
            for group, kind in zip(chosen["group"], chosen["kind"], strict=True)
        ]
        value = chosen[f"read_{name}"] / chosen[f"of_{name}"].clip(lower=1e-9)
        floor, slope = (
            np.array([getattr(line, part) for line in lines]) for part in ("floor", "slope")
        )
        chosen = chosen.assign(
            read=measure.scale * (value - floor) * slope,
            truth=measure.scale * chosen[f"true_{name}"] / chosen[f"true_of_{name}"],
        ).dropna(subset=["read", "truth"])
        for kind, mine in by_kind(chosen):
            error = mine["read"] - mine["truth"]
            rows.append(
                {"measure": name, "unit": measure.unit, "kind": kind, "n_wells": len(mine)}
                | named("r", correlation_by_groups(mine["read"], mine["truth"], mine["group"]))
                | {"mean_absolute_error": error.abs().mean(), "mean_error": error.mean()}
            )
    return pd.DataFrame(rows)


def write(folder: Path, name: str, table: pd.DataFrame, about: str) -> None:
    """Write a table with a line about it, and print it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w") as file:
        file.write(f"# {about}\n")
        table.round(4).to_csv(file, index=False)
    print(f"\n{name}\n{table.round(3).to_string(index=False)}", flush=True)


def main() -> None:
    """Calibrate, judge and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--collected", type=Path, required=True)
    parser.add_argument("--scored", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=6, help="random halves of each group and kind")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="install the calibration")
    chosen = parser.parse_args()
    fields = with_measures(pd.read_parquet(chosen.scored / "fields.parquet"))
    appearance = shown(fields, pd.read_parquet(chosen.collected / "cytoplasm.parquet"))
    fields["outside"] = flag_out_of_distribution(fields, appearance)
    plates = all_plates(fields, chosen.draws)
    rows = whole_rows(plates)
    constants = held_out_constants(rows, chosen.jobs)
    if chosen.write:
        Calibration(calibrate(rows), fit_recognisers(appearance)).save(FILE)
    judged, few = (
        judge_plates(plates, constants, chosen.jobs, few_images=few) for few in (False, True)
    )
    judged = Judged(scaled(judged.rows), judged.answers)
    judged.rows.to_parquet(chosen.scored / "judged.parquet")
    judged.answers.to_parquet(chosen.scored / "answers.parquet")
    ranks = pd.read_parquet(chosen.scored / "ranks.parquet")
    ranks = ranks.groupby(["evidence", "variant", "kind"])["auc"]
    tables = {
        "ranks": ranks.agg(["mean", "min", "count"]).reset_index(),
        "agreement": agreement_table(fields, constants),
        "coverage": coverage_table(few.rows),
        "rule": rule_table(judged.rows),
        "phenotypes": phenotype_table(judged, few.rows),
        "planted": planted_table(judged),
        "missed": missed_table(judged),
        "gross": gross_table(judged),
        "range": range_table(appearance),
    }
    tables["targets"] = target_table(tables)
    about = (
        f"{len(plates)} plates of {fields['group'].nunique()} groups; {N_WELLS} wells of "
        f"{WELL_IMAGES} images; levelfield {version('levelfield')}, "
        f"Python {platform.python_version()}, scikit-learn {version('scikit-learn')}, "
        f"{platform.machine()}, {date.today()}"
    )
    for name, table in tables.items():
        write(chosen.results, f"qc_{name}.csv", table, about)


if __name__ == "__main__":
    main()
