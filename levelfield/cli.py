"""The command line: what a person asks of finished results."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from levelfield import __version__
from levelfield.config.planted import planted_note
from levelfield.io.tables import read_csv
from levelfield.report import verdict_text
from levelfield.runs.estimate import estimate, estimate_text, measure_costs
from levelfield.runs.jobs import planned_jobs, read_screen
from levelfield.runs.space import removable
from levelfield.runs.status import screen_status, status_text
from levelfield.runs.verify import damage_table, invalidate, verify_plate


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit status (0 is good, 1 is damage found, 2 is misuse)."""
    chosen = _parser().parse_args(arguments)
    try:
        return chosen.command(chosen)
    except (ValueError, FileNotFoundError) as error:
        print(f"levelfield: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="levelfield",
        description="Ask questions of Levelfield's results. The workflow itself runs with "
        "snakemake; see README.md.",
    )
    parser.add_argument("--version", action="version", version=f"levelfield {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    verify = commands.add_parser(
        "verify",
        help="find stored pixels that are missing or altered, and have them made again",
        description="Compare the images and labels in a plate's store with the checksums that "
        "were noted when they were written. Damaged fields are named, and the next run of "
        "snakemake makes them, and only them, again. Exit status 1 if there is damage.",
    )
    verify.add_argument("plate", metavar="PLATE", help="name of the plate, or its results folder")
    verify.add_argument("--results", default="results", help="folder of all results [results]")
    verify.add_argument("--dry-run", action="store_true", help="only say what is damaged")
    verify.set_defaults(command=_verify)
    verdict = commands.add_parser(
        "verdict",
        help="print the verdict of a plate, and where its report lies",
        description="Print the verdict table and the assay readouts of a finished plate.",
    )
    verdict.add_argument("plate", metavar="PLATE", help="name of the plate, or its results folder")
    verdict.add_argument("--results", default="results", help="folder of all results [results]")
    verdict.set_defaults(command=_verdict)
    status = commands.add_parser(
        "status",
        help="say per plate and rule what is done, running, waiting and failed",
        description="Read the logs of a screen: jobs by state, hours and GPU-hours per plate and "
        "per rule, and why jobs failed. It may be asked while a run goes on. Exit status 1 if "
        "something failed.",
    )
    status.add_argument(
        "--removable",
        action="store_true",
        help="list what could be deleted of finished plates to save space; deletes nothing",
    )
    status.set_defaults(command=_status)
    estimate = commands.add_parser(
        "estimate",
        help="say how many jobs, files, bytes and hours a screen will take",
        description="Predict what a screen will take from its config and sheets, by what was "
        "measured on finished plates.",
    )
    estimate.add_argument(
        "--measured",
        nargs="+",
        metavar="PLATE",
        help="finished plates to measure on; all finished ones when left out",
    )
    estimate.add_argument(
        "--measured-config",
        type=Path,
        metavar="FILE",
        help="config of the screen that these are plates of [that of --configfile]",
    )
    estimate.add_argument(
        "--sites-per-well", type=float, help="of the screen [that of the measured plates]"
    )
    estimate.set_defaults(command=_estimate)
    screen = commands.add_parser(
        "screen",
        help="judge the screen by its finished plates, whatever became of the others",
        description="Write results/screen from all plates that are finished. The workflow does so "
        "itself at the end of a run; this is for screens that run in groups of plates.",
    )
    screen.set_defaults(command=_screen)
    for command in (status, estimate, screen):
        command.add_argument(
            "--configfile",
            type=Path,
            default=Path("config/config.yaml"),
            metavar="FILE",
            help="config of the screen [config/config.yaml]",
        )
    return parser


def _results_of(plate: str, results: str) -> Path:
    for folder in (Path(results) / plate, Path(plate)):
        if (folder / "store.csv").is_file():
            return folder.resolve()
    raise FileNotFoundError(
        f"there is no segmented plate '{plate}', neither in the folder '{results}' nor as a "
        "folder of its own. Name the plate as the plate sheet does, and where its results are "
        "with --results."
    )


def _verify(chosen: argparse.Namespace) -> int:
    results = _results_of(chosen.plate, chosen.results)
    found = verify_plate(results)
    if found.n_waiting:
        print(f"{results.name}: {found.n_waiting} fields wait for the next run of snakemake.")
    if not found.damages:
        print(f"{results.name}: all {found.n_fields} stored fields are as they were written.")
        return 0
    fields = f"{len(found.damages)} of {found.n_fields} stored fields are damaged."
    print(f"{results.name}: {fields}\n")
    print(damage_table(found.damages).to_string(index=False))
    if chosen.dry_run:
        print("\nNothing was changed (--dry-run).")
    else:
        names = ", ".join(table.stem for table in invalidate(results, found.damages))
        print(f"\nThe next run of snakemake makes these fields again ({names}).")
    return 1


def _verdict(chosen: argparse.Namespace) -> int:
    results = _results_of(chosen.plate, chosen.results)
    tables = [results / name for name in ("qc/answers.csv", "qc/verdict.csv", "plate.csv")]
    if not all(path.is_file() for path in tables):
        raise FileNotFoundError(
            f"plate '{results.name}' has no verdict yet. Let snakemake finish it first."
        )
    print(verdict_text(*map(read_csv, tables)))
    for row in read_csv(results / "readouts.csv").itertuples():
        print(f"{row.readout}, {row.perturbation} against its negative wells: Z' {row.z_prime:.2f}")
    print(f"\nReport: {results / 'report.html'}")
    return 0


def _status(chosen: argparse.Namespace) -> int:
    screen = read_screen(chosen.configfile)
    if chosen.removable:
        listed = removable(screen.results)
        print(listed.to_string(index=False) if len(listed) else "There is nothing to remove.")
        print("\nNothing was deleted.")
        return 0
    status = screen_status(planned_jobs(screen), Path())
    if planted := planted_note(screen.config["objects"]):
        print(f"{planted}\n")
    print(status_text(status))
    return int((status["state"] == "failed").any())


def _estimate(chosen: argparse.Namespace) -> int:
    from levelfield.steps.qc_screen import finished_plates

    screen = read_screen(chosen.configfile)
    source = read_screen(chosen.measured_config) if chosen.measured_config else screen
    plates = chosen.measured or finished_plates(list(source.plates), source.results)
    if not plates:
        raise ValueError(
            f"no plate in '{source.results}' is finished yet, so that there is nothing to measure "
            "on. Run one plate of the screen first, or name a finished one with --measured."
        )
    costs = measure_costs(source, plates)
    print(estimate_text(estimate(screen, costs, chosen.sites_per_well), costs, screen))
    return 0


def _screen(chosen: argparse.Namespace) -> int:
    from levelfield.steps.qc_screen import refresh_screen  # loads the QC; no other command waits

    screen = read_screen(chosen.configfile)
    made = refresh_screen(list(screen.plates), screen.results, screen.config)
    if made is None:
        raise FileNotFoundError(f"no plate in '{screen.results}' is finished yet.")
    print(f"Judged by {len(made.finished)} of {len(screen.plates)} plates: {made.report}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
