"""Calibrate the evidence, judge plates whose truth is known, and write what came of it.

    python -m levelfield.qc.train.tables --collected FOLDER --scored FOLDER --results FOLDER

All constants are fixed before anything is judged: for every plate by images of other folds and
phenotypes of other families. Figures have 90 % intervals from resampled groups of images. Writes
``qc_*.csv`` to the folder of results and, with ``--write``, the calibration that is shipped.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from levelfield.arrays import AnyArray, Floats
from levelfield.qc.evidence.calibration import FILE, Calibration
from levelfield.qc.measures import FOUND, MEASURES, SPLIT_MERGE, THRESHOLD
from levelfield.qc.train.calibrate import ALIKE, calibrate, whole_rows
from levelfield.qc.train.images import FOLDS
from levelfield.qc.train.judge import HeldOut, Judged, held_out_constants, judge_plates
from levelfield.qc.train.phenotypes import EXTREME
from levelfield.qc.train.plates import N_WELLS, WELL_IMAGES, all_plates, with_measures
from levelfield.qc.train.range import fit_recognisers, flag_out_of_distribution, range_table, shown
from levelfield.qc.train.segmentations import KINDS, METHODS
from levelfield.qc.train.targets import target_table

ALL_KINDS = "all"
BOOTSTRAPS = 400
PHENOTYPE = "phenotype"
HALF, FULL, LARGE = (0.4, 0.6), 1.0, (1.2, 1.6)
"""Sizes of a true error over its margin: about half of it, beyond it, and about 1.4 of it."""


Interval = tuple[float, float, float]


def by_groups(
    sums: pd.DataFrame, groups: pd.Series, figure: Callable[[Floats], AnyArray]
) -> Interval:
    """Return a figure with its 90 % interval, groups of images being resampled.

    Parameters
    ----------
    sums : DataFrame
        What the figure is made of, additive over rows.
    groups : Series
        Group of each row.
    figure : callable
        From sums (..., columns) to figures (...).
    """
    parts = sums.groupby(groups).sum().to_numpy(float)
    if len(parts) == 0:
        return (float("nan"),) * 3
    value = float(figure(parts.sum(axis=0)))
    if len(parts) < 2:
        return value, float("nan"), float("nan")
    drawn = np.random.default_rng(0).integers(0, len(parts), (BOOTSTRAPS, len(parts)))
    found = figure(parts[drawn].sum(axis=1))
    found = found[np.isfinite(found)]
    low, high = np.quantile(found, [0.05, 0.95]) if len(found) else (np.nan, np.nan)
    return value, float(low), float(high)


def share_by_groups(flags: pd.Series, groups: pd.Series) -> Interval:
    """Return a share with its interval; NaN where nothing counts."""
    known = flags.notna()
    sums = pd.DataFrame({"true": flags[known].astype(float), "all": 1.0})
    return by_groups(sums, groups[known], _ratio)


def rms_by_groups(errors: pd.Series, groups: pd.Series) -> Interval:
    """Return a root mean square with its interval."""
    known = errors.notna()
    sums = pd.DataFrame({"squares": errors[known] ** 2, "all": 1.0})
    return by_groups(sums, groups[known], lambda own: np.sqrt(_ratio(own)))


def correlation_by_groups(one: pd.Series, other: pd.Series, groups: pd.Series) -> Interval:
    """Return Pearson's correlation with its interval."""
    sums = pd.DataFrame(
        {"x": one, "y": other, "xx": one**2, "yy": other**2, "xy": one * other, "all": 1.0}
    )
    return by_groups(sums, groups, _correlation)


def _ratio(sums: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return sums[..., 0] / sums[..., 1]


def _correlation(sums: Floats) -> Floats:
    x, y, xx, yy, xy, n = np.moveaxis(sums, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = (xx - x * x / n) * (yy - y * y / n)
        return (xy - x * y / n) / np.sqrt(np.maximum(spread, 1e-30))


# ------------------------------------------------------------------ agreement with the truth


def agreement_table(fields: pd.DataFrame, constants: HeldOut) -> pd.DataFrame:
    """Correlation and mean error of corrected values against the truth, in wells of four images."""
    keys = ["group", "kind", "setting", "planted"]
    own = fields[(fields["phenotype"] == "none") & (fields["beside"] == "none")]
    own = own[own["kind"].isin(KINDS)]
    own = own.assign(well=own.groupby(keys).cumcount() // WELL_IMAGES)
    parts = [f"{part}_{name}" for name in MEASURES for part in ("read", "of", "true", "true_of")]
    wells = own.groupby([*keys, "well"])[parts].sum().reset_index()
    plain = wells["planted"] == "none"
    rows = []
    for name, measure in MEASURES.items():
        chosen = wells[plain | wells["planted"].str.startswith("drops")]
        if name != "missed":
            chosen = wells[plain]
        lines = {
            (fold, kind): constants[fold, ""][name, "nuclei", METHODS[kind]]
            for fold in sorted({*FOLDS.values()})
            for kind in KINDS
        }
        of_row = [lines[FOLDS[g], k] for g, k in zip(chosen["group"], chosen["kind"], strict=True)]
        value = chosen[f"read_{name}"] / chosen[f"of_{name}"].clip(lower=1e-9)
        floor, slope = (
            np.array([getattr(known, part) for known in of_row]) for part in ("floor", "slope")
        )
        chosen = chosen.assign(
            read=measure.scale * (value - floor) * slope,
            truth=measure.scale * chosen[f"true_{name}"] / chosen[f"true_of_{name}"],
        ).dropna(subset=["read", "truth"])
        for kind in (*KINDS, ALL_KINDS):
            mine = chosen[(chosen["kind"] == kind) | (kind == ALL_KINDS)]
            r, r_low, r_high = correlation_by_groups(mine["read"], mine["truth"], mine["group"])
            error = mine["read"] - mine["truth"]
            rows.append(
                {"measure": name, "unit": measure.unit, "kind": kind, "n_wells": len(mine)}
                | {"r": r, "r_low": r_low, "r_high": r_high}
                | {"mean_absolute_error": error.abs().mean(), "mean_error": error.mean()}
            )
    return pd.DataFrame(rows)


# ------------------------------------------------------------------ verdicts


def scaled(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the true error over the margin, and errors in units."""
    limit = rows["margin"].where(
        (rows["measure"] != "agreement") | (rows["scope"] == "difference"), 1 - rows["margin"]
    )
    truth = rows["truth"].where(
        (rows["measure"] != "agreement") | (rows["scope"] == "difference"), 1 - rows["truth"]
    )
    scale = rows["measure"].map({name: measure.scale for name, measure in MEASURES.items()})
    return rows.assign(size=truth.abs() / limit, error=(rows["value"] - rows["truth"]) * scale)


def coverage_table(rows: pd.DataFrame) -> pd.DataFrame:
    """How often 90 % intervals hold the truth, by kind of plate, segmenter, measure and scope."""
    known = rows[rows["low"].notna() & ~rows["what"].isin(EXTREME)]
    found = []
    for (differing, measure, scope), own in known.groupby(["differing", "measure", "scope"]):
        for kind in (*KINDS, ALL_KINDS):
            mine = own[(own["kind"] == kind) | (kind == ALL_KINDS)]
            if len(mine):
                share, low, high = share_by_groups(mine["covered"], mine["group"])
                found.append(
                    {"differing": differing, "measure": measure, "scope": scope, "kind": kind}
                    | {"coverage": share, "coverage_low": low, "coverage_high": high}
                    | {"n": len(mine)}
                )
    return pd.DataFrame(found)


def _when(rows: pd.DataFrame, verdict: str, chosen: pd.Series) -> pd.Series:
    return (rows["verdict"] == verdict).where(chosen)


def rule_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Count false passes, false fails and power of single rows, by measure, scope and segmenter."""
    rows = rows[~rows["what"].isin(EXTREME) & ~rows["differing"].str.endswith("same images")]
    found = []
    for (measure, scope), own in rows.groupby(["measure", "scope"]):
        for kind, alike in (*((kind, False) for kind in (*KINDS, ALL_KINDS)), (ALL_KINDS, True)):
            mine = own[own["kind"].isin(_kinds(kind))]
            mine = mine[mine["differing"].isin(ALIKE)] if alike else mine
            row = {"measure": measure, "scope": scope, "kind": kind, "n": len(mine)}
            row["plates"] = "classes look alike" if alike else "all"
            for name, flags in (
                ("passes_below_a_fifth", _when(mine, "pass", mine["size"] < 0.2)),
                ("false_pass", _when(mine, "pass", mine["size"] > FULL)),
                ("false_fail_at_half", _when(mine, "fail", mine["size"].between(*HALF))),
                ("fails_at_1.4", _when(mine, "fail", mine["size"].between(*LARGE))),
                ("fails_beyond_1.6", _when(mine, "fail", mine["size"] > LARGE[1])),
            ):
                value, low, high = share_by_groups(flags, mine["group"])
                row |= {name: value, f"{name}_low": low, f"{name}_high": high}
                row[f"n_{name}"] = int(flags.notna().sum())
            found.append(row)
    return pd.DataFrame(found)


def phenotype_table(judged: Judged, few: pd.DataFrame) -> pd.DataFrame:
    """Error, coverage, answers and false verdicts of differences, by phenotype and segmenter.

    Coverage comes from `few`, whose intervals hold what few images leave open.
    ``paired``: both classes are the same images, as in earlier studies; else disjoint halves.
    """
    rows, answers = judged
    rows = rows[rows["scope"] == "difference"]
    found = []
    for differing in (PHENOTYPE, f"{PHENOTYPE}, same images"):
        own = rows[rows["differing"] == differing]
        said = answers[answers["differing"] == differing]
        names = {name: [name] for name in sorted(own["what"].unique())}
        every = set(names)
        names |= {"all": sorted(every), "all but extreme": sorted(every - set(EXTREME))}
        for what, members in names.items():
            for kind in (*KINDS, ALL_KINDS):
                mine = own[own["what"].isin(members) & ((own["kind"] == kind) | (kind == "all"))]
                answer = said[said["what"].isin(members) & said["kind"].isin(_kinds(kind))]
                if len(mine):
                    head = {"phenotype": what, "kind": kind, "paired": differing != PHENOTYPE}
                    row = head | _of_phenotype(mine, answer)
                    wide = few[
                        (few["differing"] == differing)
                        & (few["scope"] == "difference")
                        & few["what"].isin(members)
                        & few["kind"].isin(_kinds(kind))
                    ]
                    covered = wide.groupby("measure")["covered"].mean()
                    found.append(row | covered.add_prefix("coverage_").to_dict())
    return pd.DataFrame(found)


def _kinds(kind: str) -> tuple[str, ...]:
    return KINDS if kind == ALL_KINDS else (kind,)


def _of_phenotype(rows: pd.DataFrame, answers: pd.DataFrame) -> dict[str, float]:
    row: dict[str, float] = {}
    for measure in ("balance", "splits", "merges", "missed", "bias", "agreement"):
        own = rows[rows["measure"] == measure]
        value, low, high = rms_by_groups(own["error"], own["group"])
        row |= {f"rms_{measure}": value, f"rms_{measure}_low": low, f"rms_{measure}_high": high}
    balance = rows[rows["measure"] == "balance"]
    row["false_pass_balance"] = _when(balance, "pass", balance["size"] > FULL).mean()
    row["false_fail_at_half_balance"] = _when(
        balance, "fail", balance["size"].between(*HALF)
    ).mean()
    for question in (SPLIT_MERGE, THRESHOLD, FOUND):
        own = answers[answers["question"] == question]
        row[f"answered_{question}"] = (own["both"] != "undecided").mean()
    row["n"] = len(balance)
    return row


def planted_table(judged: Judged) -> pd.DataFrame:
    """Errors planted into good segmentations of one class and of both: what is read and said."""
    rows, answers = judged
    planted = rows["differing"].str.startswith("planted")
    keys = ["differing", "what", "kind"]
    question = {"splits": SPLIT_MERGE, "merges": SPLIT_MERGE, "drops": FOUND, "moved": THRESHOLD}
    measure = {"splits": "splits", "merges": "merges", "drops": "missed", "moved": "bias"}
    found = []
    for (differing, what, kind), own in rows[planted].groupby(keys, sort=True):
        word = what.split(" ")[0]
        if word not in measure:
            continue
        scope = "difference" if differing == "planted" else "poscon"
        of_measure = own[(own["measure"] == measure[word]) & (own["scope"] == scope)]
        balance = own[(own["measure"] == "balance") & (own["scope"] == scope)]
        said = answers[
            (answers["differing"] == differing)
            & (answers["what"] == what)
            & (answers["kind"] == kind)
            & (answers["question"] == question[word])
        ]
        unit = MEASURES[measure[word]].scale
        fails, low, high = share_by_groups(said["verdict"] == "fail", said["group"])
        found.append(
            {"planted": what, "in": "one class" if differing == "planted" else "both"}
            | {"kind": kind, "measure": measure[word], "judged": scope}
            | {"truth": unit * of_measure["truth"].mean()}
            | {"estimate": unit * of_measure["value"].mean()}
            | {"covered": of_measure["covered"].mean()}
            | {"true_balance": 100 * balance["truth"].mean()}
            | {"fails": fails, "fails_low": low, "fails_high": high}
            | {"passes": (said["verdict"] == "pass").mean()}
            | {"shared": said["shared"].mean(), "cancelling": said["cancelling"].mean()}
            | {"n": len(said)}
        )
    return pd.DataFrame(found)


def missed_table(judged: Judged) -> pd.DataFrame:
    """Classes that lose objects, and classes that truly have fewer: what *found* says."""
    rows, answers = judged
    found_answers = answers[answers["question"] == FOUND]
    difference = rows[(rows["measure"] == "missed") & (rows["scope"] == "difference")]
    lost = difference.assign(lost=difference["truth"])
    keys = ["group", "kind", "differing", "what", "plate"]
    both = found_answers.merge(lost[[*keys, "lost"]], on=keys)
    cases = {
        "loses 20 % or more": both["lost"] >= 0.2,
        "loses 10 to 20 %": both["lost"].between(0.1, 0.2),
        "truly fewer cells, loses less than 2.5 %": (both["differing"] == "density")
        & (both["lost"].abs() < 0.025),
        "nothing differs": (both["differing"] == "nothing") & (both["lost"].abs() < 0.025),
    }
    table = []
    for name, chosen in cases.items():
        for kind in (*KINDS, ALL_KINDS):
            mine = both[chosen & ((both["kind"] == kind) | (kind == ALL_KINDS))]
            share, low, high = share_by_groups(mine["verdict"] == "fail", mine["group"])
            by_difference = share_by_groups(mine["both"] == "fail", mine["group"])[0]
            table.append(
                {"case": name, "kind": kind, "fails": share, "fails_low": low, "fails_high": high}
                | {"difference_fails": by_difference, "n": len(mine)}
            )
    return pd.DataFrame(table)


def gross_table(judged: Judged) -> pd.DataFrame:
    """Errors that hold in both classes, and errors that cancel: how often split_merge fails."""
    rows, answers = judged
    keys = ["differing", "plate"]
    own = rows[rows["measure"].isin(("balance", "splits", "merges"))]
    size = own.pivot_table(index=keys, columns=["measure", "scope"], values="size")
    both = pd.concat(
        [
            size[measure][["negcon", "poscon"]].min(axis=1)
            for measure in ("balance", "splits", "merges")
        ],
        axis=1,
    ).max(axis=1)
    rates = pd.concat([size[m]["difference"] for m in ("splits", "merges")], axis=1).max(axis=1)
    cancels = (size["balance"]["difference"] < 0.8) & (rates >= LARGE[0])
    said = answers[answers["question"] == SPLIT_MERGE].set_index(keys)
    planted = said.index.get_level_values("differing").str.startswith("planted")
    both, rates, cancels = (each.reindex(said.index) for each in (both, rates, cancels))
    cases = {
        "both classes at 1.0 to 1.2 margins": planted & both.between(1.0, LARGE[0]),
        "both classes beyond 1.2 margins": planted & (both > LARGE[0]),
        "a rate beyond 1.2 margins, the balance within 0.8": planted & cancels.eq(True),
    }
    found = []
    for name, chosen in cases.items():
        mine = said[chosen]
        share, low, high = share_by_groups(mine["verdict"] == "fail", mine["group"])
        found.append(
            {"case": name, "fails": share, "fails_low": low, "fails_high": high}
            | {"shared": mine["shared"].mean(), "cancelling": mine["cancelling"].mean()}
            | {"n": len(mine)}
        )
    return pd.DataFrame(found)


# ------------------------------------------------------------------ writing


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
    cytoplasm = pd.read_parquet(chosen.collected / "cytoplasm.parquet")
    appearance = shown(fields, cytoplasm)
    fields["outside"] = flag_out_of_distribution(fields, appearance)
    plates = all_plates(fields, chosen.draws)
    rows = whole_rows(plates)
    about = (
        f"{len(plates)} plates of {fields['group'].nunique()} groups; {N_WELLS} wells of "
        f"{WELL_IMAGES} images; "
        f"levelfield {version('levelfield')}, Python {platform.python_version()}, "
        f"scikit-learn {version('scikit-learn')}, {platform.machine()}, {date.today()}"
    )
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
    known = ranks.assign(weight=1.0).groupby(["evidence", "variant", "kind"])["auc"]
    tables = {
        "ranks": known.agg(["mean", "min", "count"]).reset_index(),
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
    for name, table in tables.items():
        write(chosen.results, f"qc_{name}.csv", table, about)


if __name__ == "__main__":
    main()
