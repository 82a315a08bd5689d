"""Judge the QC on groups of images that its evidence did not see, and calibrate it from that.

    python benchmarks/qc_train.py --data DATA --out SCORES     (scores of held-out groups)
    python benchmarks/qc.py --data DATA --scores SCORES [--write]

Prints, and writes to benchmarks/results/: `qc_wells.csv` (agreement with the truth per well, beside
baselines), `qc_differences.csv` (error of differences between classes, and the constants),
`qc_phenotypes.csv` (classes that really differ), `qc_planted.csv` (planted errors in one class),
`qc_coverage.csv` (coverage, false passes and fails, power over wells), `qc_reviewed.csv` (classes
that really differ, once objects are reviewed), `qc_range.csv` (which images are recognised as
outside of the calibration). Every group is judged with evidence and constants of the other groups.
With ``--write`` the constants of all go to levelfield/qc/evidence/model/calibration.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from qc_calibration import (
    HEAVY,
    KINDS,
    METHODS,
    QUESTIONS,
    Z90,
    calibrate,
    held_out_constants,
)
from qc_cases import (
    DIFFERING,
    JUDGES,
    MARGINS,
    WELL_IMAGES,
    Case,
    differences,
    drawn_cases,
    named,
    phenotype_cases,
    planted_cases,
)
from qc_outside import range_tables
from qc_review import Objects, stratified

from levelfield.qc.evidence.calibration import FILE, Calibration
from levelfield.qc.evidence.looks import LARGEST_RANGE
from levelfield.qc.evidence.scores import VARIANT_COLUMNS
from levelfield.qc.statistics.estimates import PASS_LEVEL, Estimate, difference, equivalence_verdict

RESULTS = Path(__file__).parent / "results"
CLASS_OBJECTS = 800


def plain(fields: pd.DataFrame) -> pd.DataFrame:
    return fields[(fields["beside"] == "none") & (fields["phenotype"] == "none")]


def rates(sums: pd.DataFrame) -> pd.DataFrame:
    """Percent of objects."""
    names = ["merge", "excess", "balance", "true_merge", "true_excess", "true_balance"]
    names += ["small_solidity", "large_area", *VARIANT_COLUMNS]
    return sums[[n for n in names if n in sums]].div(sums["n"], axis=0) * 100


def pooled(fields: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Rates and mean biases of groups of images."""
    grouped = fields.groupby(keys, sort=True)
    number = fields.select_dtypes("number").columns.difference(["bias", "true_bias", *keys])
    table = rates(grouped[list(number)].sum())
    means = ["bias", "true_bias", *(name for name in fields if name.startswith("look_"))]
    return table.join(grouped[means].mean()).reset_index()


def wells(fields: pd.DataFrame) -> pd.DataFrame:
    """Pool four images of a group and segmentation into a well."""
    own = fields.assign(
        well=fields.groupby(["group", "kind", "setting", "phenotype", "beside"]).cumcount()
        // WELL_IMAGES
    )
    return pooled(own, ["group", "kind", "setting", "phenotype", "beside", "well"])


def agreement(table: pd.DataFrame, estimate: str, truth: str) -> dict[str, float]:
    known = table[[estimate, truth]].dropna()
    error = known[estimate] - known[truth]
    return {
        "r": known.corr().iloc[0, 1],
        "mean_absolute_error": error.abs().mean(),
        "mean_error": error.mean(),
    }


def well_table(fields: pd.DataFrame) -> pd.DataFrame:
    """Agreement with the truth at well level, by kind of segmenter."""
    table, rows = wells(plain(fields)), []
    conventions = table[table["kind"] == "reference"].groupby("group")["bias"].mean()
    table["bias_less_convention"] = table["bias"] - table["group"].map(conventions)
    cases = [
        ("merge", "true_merge"),
        ("excess", "true_excess"),
        ("balance", "true_balance"),
        ("small_solidity", "true_merge"),
        ("large_area", "true_merge"),
        ("bias", "true_bias"),
        ("bias_less_convention", "true_bias"),
    ]
    for kind in (*KINDS, "all three"):
        mine = table["kind"].isin(KINDS if kind == "all three" else [kind])
        for estimate, truth in cases:
            rows.append(
                {"kind": kind, "estimate": estimate, **agreement(table[mine], estimate, truth)}
            )
    floor = table[table["kind"] == "reference"]
    for estimate in ("merge", "excess", "balance", "bias"):
        rows.append(
            {"kind": "reference labels", "estimate": estimate, "mean_error": floor[estimate].mean()}
        )
    return pd.DataFrame(rows)


def constants_table(gaps: pd.DataFrame, found: dict) -> pd.DataFrame:
    """Constants by question and kind, beside the errors that differences have."""
    rows = []
    for (question, _, method), constant in found.items():
        kind = next(kind for kind in KINDS if METHODS[kind] == method)
        asked = QUESTIONS[question]
        own = gaps[gaps["kind"] == kind]
        error = own[asked.truth] - constant.slope * own[asked.estimate]
        rms = (error**2).groupby(own["differing"]).mean() ** 0.5
        row = {"kind": kind, "question": question}
        row |= {name: value for name, value in vars(constant).items() if name != "calibrated"}
        rows.append(row | {f"rms_{name}": rms.get(name) for name in DIFFERING[1:]})
    return pd.DataFrame(rows)


def phenotype_table(gaps: pd.DataFrame, held_out: dict) -> pd.DataFrame:
    """Error of the difference, coverage, forced undecided, false passes and fails, by phenotype."""
    table = gaps[gaps["differing"] == "phenotype"].reset_index(drop=True)
    read = [
        held_out[row.group]["split_merge", "nuclei", METHODS[row.kind]].correct(
            Estimate(row.balance / 100, 0.0, np.inf, 2),
            is_difference=True,
            variants=row.range / 100,
            outside=row.looks,
        )
        for row in table.itertuples()
    ]
    value, width = (
        100 * np.array([getattr(one, name) for one in read]) for name in ("value", "standard_error")
    )
    error = table["true_balance"] - value
    forced = (table["range"] > 100 * LARGEST_RANGE) | table["looks"]
    passes = (np.abs(value) + Z90 * width < MARGINS["split_merge"]) & ~forced
    fails = ~passes & ~forced & (np.abs(value) > 1.96 * width)
    judged = table.assign(
        error=error,
        covered=np.abs(error) <= Z90 * width,
        forced=forced,
        passed=passes,
        false_pass=passes & (table["true_balance"].abs() > MARGINS["split_merge"]),
        false_fail=fails & (table["true_balance"].abs() < 2),
        half_width=Z90 * width,
        bias_error=table["bias"] - table["true_bias"],
    )

    def summary(rows: pd.DataFrame) -> dict[str, float]:
        return {
            "rms_error_pp": np.sqrt(np.mean(rows["error"] ** 2)),
            "mean_error_pp": rows["error"].mean(),
            "coverage": rows["covered"].mean(),
            "half_width_pp": rows["half_width"].mean(),
            "forced_by_looks": rows["looks"].mean(),
            "forced": rows["forced"].mean(),
            "passed": rows["passed"].mean(),
            "false_pass": rows["false_pass"].mean(),
            "false_fail": rows["false_fail"].mean(),
            "rms_bias_error_px": np.sqrt(np.mean(rows["bias_error"] ** 2)),
            "n": len(rows),
        }

    rows = []
    for name, own in [*judged.groupby("what"), ("all", judged)]:
        for kind, part in [*own.groupby("kind"), ("all three", own)]:
            rows.append({"phenotype": name, "kind": kind, **summary(part)})
    moderate = judged[~judged["what"].isin(HEAVY)]
    rows.append({"phenotype": "all but strong speckle", "kind": "all three", **summary(moderate)})
    return pd.DataFrame(rows)


def judged_runs(
    cases: list[Case], held_out: dict, wells: tuple[int, ...], runs: int
) -> pd.DataFrame:
    """Draw the wells of every case `runs` times: a row for each question, number and drawing."""
    rows = []
    for place, case in enumerate(cases):
        random, known = np.random.default_rng(place), case.plate.differences()
        for question, judge in JUDGES.items():
            constant = held_out[case.group][question, "nuclei", METHODS[case.kind]]
            for n_wells in wells:
                for _ in range(runs):
                    judged = judge(case.plate, known, constant, n_wells, random)
                    head = named(case) | {"question": question, "n_wells": n_wells}
                    rows.append(head | judged._asdict())
    return pd.DataFrame(rows)


def coverage_table(table: pd.DataFrame) -> pd.DataFrame:
    """Coverage and verdicts by what differs; "all" weighs each of these alike."""
    kinds = [*table.groupby("kind"), ("all three", table)]
    rows = []
    for kind, of_kind in kinds:
        for (question, n_wells), own in of_kind.groupby(["question", "n_wells"]):
            head = {"question": question, "kind": kind, "n_wells": n_wells}
            parts = [
                {"differing": name, **coverage_summary(part, MARGINS[question])}
                for name, part in own.groupby("differing")
            ]
            together = coverage_summary(own, MARGINS[question])
            for name in ("coverage", "withheld"):
                together[name] = np.nanmean([part[name] for part in parts])
            rows += [head | part for part in [*parts, {"differing": "all", **together}]]
    order = {name: place for place, name in enumerate([*DIFFERING, "all"])}
    return pd.DataFrame(rows).sort_values(
        ["question", "kind", "differing", "n_wells"],
        key=lambda column: column.map(order) if column.name == "differing" else column,
        kind="stable",
    )


def coverage_summary(table: pd.DataFrame, margin: float) -> dict[str, float]:
    """Coverage of what is answered, and how often it is answered how."""
    size, answered = table["truth"].abs() / margin, table["verdict"] != "withheld"

    def share(verdict: str, low: float, high: float) -> float:
        chosen = table.loc[answered & size.between(low, high), "verdict"]
        return (chosen == verdict).mean()

    return {
        "coverage": table.loc[answered, "covered"].mean(),
        "withheld": 1 - answered.mean(),
        "pass_below_a_fifth": share("pass", 0, 0.2),
        "false_fail_below_a_tenth": share("fail", 0, 0.1),
        "false_pass_beyond": share("pass", 1, np.inf),
        "fail_at_0.8_to_1.4": share("fail", 0.8, 1.4),
        "fail_beyond_1.4": share("fail", 1.4, np.inf),
        "n": len(table),
    }


def planted_table(table: pd.DataFrame) -> pd.DataFrame:
    """Errors planted in the positive class only: what is read and declared with 8 wells."""
    keys = ["what", "kind"]
    balance, bias = (table[table["question"] == question] for question in QUESTIONS)
    answers = balance.assign(
        fails=balance["verdict"] == "fail",
        passes=balance["verdict"] == "pass",
        withheld=balance["verdict"] == "withheld",
        fails_at_8_to_14=(balance["verdict"] == "fail").where(
            balance["truth"].abs().between(8, 14)
        ),
    )
    found = answers.groupby(keys).agg(
        truth_pp=("truth", "mean"),
        estimate_pp=("estimate", "mean"),
        coverage=("covered", "mean"),
        passes=("passes", "mean"),
        fails=("fails", "mean"),
        withheld=("withheld", "mean"),
        fails_at_8_to_14=("fails_at_8_to_14", "mean"),
    )
    moved = bias.assign(fails=bias["verdict"] == "fail").groupby(keys)
    moved = moved.agg(
        truly_moved_px=("truth", "mean"),
        moved_px=("estimate", "mean"),
        threshold_coverage=("covered", "mean"),
        threshold_fails=("fails", "mean"),
    )
    return found.join(moved).reset_index().rename(columns={"what": "planted"})


def reviewed_table(objects: pd.DataFrame, runs: int) -> pd.DataFrame:
    """Phenotypes once 50 or 100 objects of each class are reviewed, as the product draws them.

    A class is `CLASS_OBJECTS` objects, drawn with replacement from those of its images.
    """
    rows, random = [], np.random.default_rng(11)
    keys = ["group", "kind", "setting", "beside"]
    for (_, kind, _, phenotype), own in objects.groupby(keys):
        classes = [own[own["phenotype"] == phenotype], own[own["phenotype"] == "none"]]
        if min(map(len, classes)) < 20:
            continue
        arrays = [part[["truth", "evidence", "risk"]].to_numpy(float) for part in classes]
        for number in (50, 100):
            for _ in range(runs):
                drawn = [
                    Objects(*part[random.integers(0, len(part), CLASS_OBJECTS)].T, None)
                    for part in arrays
                ]
                truth = drawn[0].truth.mean() - drawn[1].truth.mean()
                found = difference(*(stratified(random, part, number) for part in drawn))
                low, high = found.interval(PASS_LEVEL)
                rows.append(
                    {
                        "phenotype": phenotype,
                        "kind": kind,
                        "reviewed": number,
                        "error_pp": 100 * (found.value - truth),
                        "covered": low <= truth <= high,
                        "half_width_pp": 50 * (high - low),
                        "size": abs(truth),
                        "passed_10pp": equivalence_verdict(found, 0.10) == "pass",
                        "passed_5pp": equivalence_verdict(found, 0.05) == "pass",
                    }
                )
    table = pd.DataFrame(rows)
    return pd.concat(
        [
            _reviewed_summary(table, ["phenotype", "reviewed"]),
            _reviewed_summary(table.assign(phenotype="all"), ["phenotype", "reviewed"]),
        ],
        ignore_index=True,
    )


def _reviewed_summary(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    rows = []
    for names, own in table.groupby(keys):
        small, beyond_10, beyond_5 = own["size"] < 0.02, own["size"] > 0.10, own["size"] > 0.05
        rows.append(
            dict(zip(keys, names, strict=True))
            | {
                "bias_pp": own["error_pp"].mean(),
                "rms_error_pp": np.sqrt((own["error_pp"] ** 2).mean()),
                "coverage": own["covered"].mean(),
                "half_width_pp": own["half_width_pp"].mean(),
                "pass_10pp_when_below_2pp": own.loc[small, "passed_10pp"].mean(),
                "false_pass_10pp": own.loc[beyond_10, "passed_10pp"].mean(),
                "pass_5pp_when_below_2pp": own.loc[small, "passed_5pp"].mean(),
                "false_pass_5pp": own.loc[beyond_5, "passed_5pp"].mean(),
                "n": len(own),
            }
        )
    return pd.DataFrame(rows)


def write(name: str, table: pd.DataFrame, about: str) -> None:
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / name).open("w") as file:
        file.write(f"# {about}\n")
        table.round(4).to_csv(file, index=False)
    print(f"\n{name}\n{table.round(3).to_string(index=False)}", flush=True)


def main() -> None:
    """Judge and calibrate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scores", type=Path, required=True)
    parser.add_argument("--plates", type=int, default=20, help="of each group, kind and difference")
    parser.add_argument("--write", action="store_true", help="install the calibration")
    options = parser.parse_args()
    about = json.loads((options.scores / "about.json").read_text())["about"]
    fields = pd.read_parquet(options.scores / "fields.parquet")
    write("qc_wells.csv", well_table(fields), about)
    segmented = plain(fields)
    drawn = drawn_cases(segmented[segmented["kind"].isin(KINDS)], options.plates)
    phenotypes = phenotype_cases(fields)
    planted = planted_cases(pd.read_parquet(options.scores / "planted.parquet"))
    gaps = differences([*drawn, *phenotypes, *planted])
    classes = pooled(segmented, ["group", "kind", "setting"])
    found, held_out = calibrate(gaps, classes), held_out_constants(gaps, classes)
    write("qc_differences.csv", constants_table(gaps, found), about)
    write("qc_phenotypes.csv", phenotype_table(gaps, held_out), about)
    runs = judged_runs(planted, held_out, (8,), options.plates)
    write("qc_planted.csv", planted_table(runs), f"{about}; 8 wells per class, {len(runs)} runs")
    objects = pd.read_parquet(options.scores / "objects.parquet")
    reviewed = reviewed_table(objects, max(1, options.plates // 5))
    write("qc_reviewed.csv", reviewed, f"{about}; {CLASS_OBJECTS} objects per class")
    result, recognisers = range_tables(options.data)
    write("qc_range.csv", result, about)
    cases = [*drawn, *(case for case in [*phenotypes, *planted] if case.what not in HEAVY)]
    runs = judged_runs(cases, held_out, (4, 8, 16, 32), 2)
    write("qc_coverage.csv", coverage_table(runs), f"{about}; {len(cases)} plates")
    if options.write:
        Calibration(found, recognisers).save(FILE)


if __name__ == "__main__":
    main()
