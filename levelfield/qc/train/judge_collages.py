"""Judge what collages say of the evidence, on disjoint halves, families and groups left out.

    python -m levelfield.qc.train.judge_collages --collected F --collages F --results FOLDER

A plate has the plain images of one half of a group as its negative class, and those of the other
half, with a phenotype, as its positive one. For every fold of groups and every family of phenotypes
the evidence is trained without both. Writes ``collages_plates.csv``, a row per plate and measure,
and ``collages_figures.csv``: what the readings err by, and how wide their intervals have to be.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from tqdm import tqdm

from levelfield.arrays import Floats
from levelfield.qc.collage.class_evidence import class_evidence, fit_class
from levelfield.qc.collage.error_meter import leave_group_out
from levelfield.qc.columns import OBJECT_SET
from levelfield.qc.evidence.reference_object import reference_objects
from levelfield.qc.evidence.scores import EvidenceModel
from levelfield.qc.statistics.estimates import PASS_LEVEL
from levelfield.qc.train.collected import Collected, read
from levelfield.qc.train.evidence import Prepared
from levelfield.qc.train.images import FOLDS
from levelfield.qc.train.phenotypes import EXTREME, FAMILIES
from levelfield.qc.train.segmentations import OF_PHENOTYPES

TRUE = {
    "balance": (("true_excess", 1.0), ("true_lacking", -1.0)),
    "splits": (("true_excess", 1.0),),
    "merges": (("true_merges", 1.0),),
    "missed": (("true_missed", 1.0),),
    "invented": (("true_invented", 1.0),),
}
"""Counts of each measure in the tables of fields, with their signs."""
MARGIN = 0.10
LEAST_YIELD = 0.2
_PLATE = ["group", "kind", "setting"]


def true_rates(fields: pd.DataFrame) -> dict[str, float]:
    """Return the measures of some fields by their truth, in fractions of objects."""
    found = {}
    for measure, counts in TRUE.items():
        total = sum(sign * float(fields[name].sum()) for name, sign in counts)
        found[measure] = total / max(
            float(fields["true_n" if measure == "missed" else "n"].sum()), 1
        )
    return found


def judge(prepared: Prepared, collages: Collected, fold: int, family: str) -> pd.DataFrame:
    """Train without a fold and a family, and read the plates of both."""
    model = prepared.train(fold, family)
    rows = [
        row
        for group in (name for name, own in FOLDS.items() if own == fold)
        for kind, setting in OF_PHENOTYPES
        for row in plate_rows(
            _of_plate(prepared.collected, group, kind, setting),
            _of_plate(collages, group, kind, setting),
            FAMILIES[family],
            model,
        )
    ]
    return pd.DataFrame(rows).assign(family=family)


def _of_plate(tables: Collected, group: str, kind: str, setting: str) -> Collected:
    return tables.where(
        lambda table: (
            (table["group"] == group)
            & (table["kind"] == kind)
            & (table["setting"] == setting)
            & (table["planted"] == "none")
        )
    )


def plate_rows(
    real: Collected, collages: Collected, phenotypes: tuple[str, ...], model: EvidenceModel
) -> Iterator[dict[str, object]]:
    """Give a row per phenotype (and none) and measure of a plate: differences of its classes.

    ``plain`` and ``recalibrated``: what is read; ``truth``; ``collages_read`` and
    ``collages_truth``; ``donor_yield``, of the class that has less.
    """
    for phenotype in ("none", *phenotypes):
        classes = {"negcon": (0, "none"), "poscon": (1, phenotype)}
        parts = {scope: _of_class(real, *own) for scope, own in classes.items()}
        copies = {scope: _of_class(collages, *own) for scope, own in classes.items()}
        if any(
            part.fields.empty or part.objects.empty for part in (*parts.values(), *copies.values())
        ):
            continue
        shown = pd.concat([part.objects for part in parts.values()])
        references = reference_objects(shown, shown[OBJECT_SET])
        read_of = {s: read_class(parts[s], copies[s], references, model) for s in classes}
        head = real.fields.iloc[0][_PLATE].to_dict() | {"phenotype": phenotype}
        head["donor_yield"] = min(float(c.fields["donor_yield"].min()) for c in copies.values())
        head["n"] = sum(len(part.objects) for part in parts.values())
        for measure in TRUE:
            values = {
                name: read_of["poscon"][name][measure] - read_of["negcon"][name][measure]
                for name in read_of["poscon"]
            }
            yield head | {"measure": measure} | values


def _of_class(tables: Collected, half: int, phenotype: str) -> Collected:
    own = tables.where(lambda table: (table["half"] == half) & (table["phenotype"] == phenotype))
    return Collected(*(table.reset_index(drop=True) for table in own))


def read_class(
    real: Collected, collages: Collected, references: pd.DataFrame, model: EvidenceModel
) -> dict[str, dict[str, float]]:
    """Read the measures of a class in all ways, and its truths."""
    own, copies = (class_evidence(*part[:3], references, model) for part in (real, collages))
    changes = fit_class(copies, *_truths(collages))
    return {
        "plain": own.rates(model),
        "recalibrated": own.recalibrated(changes).rates(model),
        "truth": true_rates(real.fields),
        "collages_read": copies.rates(model),
        "collages_truth": true_rates(collages.fields),
    }


def _truths(own: Collected) -> tuple[Floats, ...]:
    return (
        own.objects["is_merge"].to_numpy(bool),
        own.pairs["is_false"].to_numpy(bool),
        own.objects["is_extra"].to_numpy(bool),
        (own.candidates["n_missed"] > 0).to_numpy(bool),
    )


# ------------------------------------------------------------------ figures


def figures(plates: pd.DataFrame) -> pd.DataFrame:
    """Say by measure and estimate what is left of the error by appearance, and of the width.

    ``rms_beyond_halves``: in pp, of the error less that of the same halves without a phenotype,
    without `EXTREME`; ``rms_enough`` of plates whose donors are enough alone. ``coverage`` and
    ``narrow`` (half-widths within the margin of 10 pp) of 90 % intervals, leave-group-out, by a
    constant width and by the error meter.
    """
    rows = []
    for measure, own in plates.groupby("measure", sort=False):
        judged = own[(own["phenotype"] != "none") & ~own["phenotype"].isin(EXTREME)]
        for estimate in ("plain", "recalibrated"):
            beyond = _beyond_halves(own, judged, estimate)
            enough = (judged["donor_yield"] >= LEAST_YIELD).to_numpy()
            row = {"measure": measure, "estimate": estimate, "n": len(judged)}
            row["rms_beyond_halves"] = _rms(beyond)
            row["rms_enough"], row["enough"] = _rms(beyond[enough]), float(enough.mean())
            error = (judged[estimate] - judged["truth"]).to_numpy()
            seen = [
                judged[name].to_numpy() for name in ("collages_read", "collages_truth", "plain")
            ]
            groups = judged["group"].to_numpy()
            nothing = [np.zeros(len(error))] * 3
            for width, (read_of, true, on_plate) in (("constant", nothing), ("meter", seen)):
                half = leave_group_out(error, read_of, true, on_plate, groups, PASS_LEVEL)
                row[f"coverage_{width}"] = float((np.abs(error) <= half).mean())
                row[f"narrow_{width}"] = float((half <= MARGIN).mean())
            rows.append(row)
    return pd.DataFrame(rows)


def _beyond_halves(own: pd.DataFrame, judged: pd.DataFrame, estimate: str) -> Floats:
    keys = [*_PLATE, "family"]
    plain = own[own["phenotype"] == "none"].set_index(keys)
    base = (plain[estimate] - plain["truth"]).rename("base")
    found = judged.join(base, on=keys)
    return (found[estimate] - found["truth"] - found["base"]).to_numpy(float)


def _rms(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(100 * np.sqrt(np.mean(known**2))) if len(known) else float("nan")


def main() -> None:
    """Judge all folds and families, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--collected", type=Path, required=True)
    parser.add_argument("--collages", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--groups", nargs="*", default=list(FOLDS), choices=list(FOLDS))
    parser.add_argument("--families", nargs="*", default=list(FAMILIES), choices=list(FAMILIES))
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args()
    prepared = Prepared(read(chosen.collected, chosen.groups))
    collages = read(chosen.collages, chosen.groups)
    folds = sorted({FOLDS[group] for group in chosen.groups})
    asked = [(fold, family) for fold in folds for family in chosen.families]
    work = Parallel(n_jobs=chosen.jobs, return_as="generator", max_nbytes="10M")(
        delayed(judge)(prepared, collages, *left_out) for left_out in asked
    )
    parts = list(tqdm(work, total=len(asked), desc="left out", mininterval=10))
    plates = pd.concat(parts, ignore_index=True)
    chosen.results.mkdir(parents=True, exist_ok=True)
    plates.to_csv(chosen.results / "collages_plates.csv", index=False)
    figures(plates).to_csv(chosen.results / "collages_figures.csv", index=False)


if __name__ == "__main__":
    main()
