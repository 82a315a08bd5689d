"""The command line: a door to the workflow, and what a person asks of its results."""

import argparse
import sys
from pathlib import Path
from typing import TypeAlias

from levelfield import __version__
from levelfield.config.planted import planted_note
from levelfield.config.results import in_plate
from levelfield.io.tables import read_csv
from levelfield.report import verdict_text
from levelfield.runs.door import copy_demo, run_workflow
from levelfield.runs.estimate import estimate, estimate_text, measure_costs
from levelfield.runs.jobs import planned_jobs
from levelfield.runs.plan import read_plan_file
from levelfield.runs.screen import judge_finished
from levelfield.runs.space import removable
from levelfield.runs.status import screen_status, status_text
from levelfield.runs.verify import damage_table, invalidate, verify_plate

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit status (0 is good, 1 is damage found, 2 is misuse)."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["run"]:  # all of it is Snakemake's, as it stands
        return run_workflow(given[1:])
    chosen = _parser().parse_args(given)
    try:
        return chosen.command(chosen)
    except (ValueError, FileNotFoundError) as error:
        print(f"levelfield: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="levelfield",
        description="Run Levelfield's workflow, and ask questions of its results.",
    )
    parser.add_argument("--version", action="version", version=f"levelfield {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_running(commands)
    _add_questions_of_a_plate(commands)
    screens = [_add_status(commands), _add_estimate(commands), _add_screen(commands)]
    for command in screens:
        command.add_argument(
            "--configfile",
            type=Path,
            default=Path("config/config.yaml"),
            metavar="FILE",
            help="config of the screen [config/config.yaml]",
        )
    return parser


def _add_running(commands: Commands) -> None:
    commands.add_parser("run", help="run the workflow in this folder; all options are Snakemake's")
    demo = commands.add_parser(
        "demo",
        help="copy the demo (config and images of 32 wells) into a folder",
        description="Copy the demo's config, sheets and images into a folder of their own.",
    )
    demo.add_argument("folder", metavar="FOLDER", type=Path, help="where to")
    demo.set_defaults(command=_demo)


def _add_questions_of_a_plate(commands: Commands) -> None:
    verify = commands.add_parser(
        "verify",
        help="find stored pixels that are missing or altered, and have them made again",
        description="Compare the images and labels in a plate's store with the checksums that "
        "were noted when they were written. Damaged fields are named, and the next run of "
        "snakemake makes them, and only them, again. Exit status 1 if there is damage.",
    )
    verify.add_argument("--dry-run", action="store_true", help="only say what is damaged")
    verify.set_defaults(command=_verify)
    verdict = commands.add_parser(
        "verdict",
        help="print the verdict of a plate, and where its report lies",
        description="Print the verdict table and the assay readouts of a finished plate.",
    )
    verdict.set_defaults(command=_verdict)
    for command in (verify, verdict):
        command.add_argument(
            "plate", metavar="PLATE", help="name of the plate, or its results folder"
        )
        command.add_argument("--results", default="results", help="folder of all results [results]")


def _add_status(commands: Commands) -> argparse.ArgumentParser:
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
    return status


def _add_estimate(commands: Commands) -> argparse.ArgumentParser:
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
    return estimate


def _add_screen(commands: Commands) -> argparse.ArgumentParser:
    screen = commands.add_parser(
        "screen",
        help="judge the screen by its finished plates, whatever became of the others",
        description="Have the workflow judge the screen by all plates that are finished: into "
        "results/screen where all are, else into results/screen_partial. The workflow does so "
        "itself at the end of a run; this is for screens that run in groups of plates.",
    )
    screen.set_defaults(command=_screen)
    return screen


def _results_of(plate: str, results: str) -> Path:
    for folder in (Path(results) / plate, Path(plate)):
        if in_plate(folder, "create_store").is_file():
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
    tables = [in_plate(results, "qc_plate", name) for name in ("answers", "verdict")]
    tables.append(in_plate(results, "summarise_plate", "plate"))
    if not all(path.is_file() for path in tables):
        raise FileNotFoundError(
            f"plate '{results.name}' has no verdict yet. Let snakemake finish it first."
        )
    print(verdict_text(*map(read_csv, tables)))
    for row in read_csv(in_plate(results, "summarise_plate", "readouts")).itertuples():
        print(f"{row.readout}, {row.perturbation} against its negative wells: Z' {row.z_prime:.2f}")
    print(f"\nReport: {in_plate(results, 'report_plate')}")
    return 0


def _demo(chosen: argparse.Namespace) -> int:
    config = copy_demo(chosen.folder).relative_to(chosen.folder)
    print(f"Run it:\n  cd {chosen.folder}\n  levelfield run --configfile {config}")
    return 0


def _status(chosen: argparse.Namespace) -> int:
    plan = read_plan_file(chosen.configfile)
    if chosen.removable:
        listed = removable(Path(plan.results.path))
        print(listed.to_string(index=False) if len(listed) else "There is nothing to remove.")
        print("\nNothing was deleted.")
        return 0
    status = screen_status(planned_jobs(plan), Path())
    if planted := planted_note(plan.config["objects"]):
        print(f"{planted}\n")
    print(status_text(status, Path()))
    return int((status["state"] == "failed").any())


def _estimate(chosen: argparse.Namespace) -> int:
    plan = read_plan_file(chosen.configfile)
    source = read_plan_file(chosen.measured_config) if chosen.measured_config else plan
    plates = chosen.measured or source.finished_plates()
    if not plates:
        raise ValueError(
            f"no plate in '{source.results.path}' is finished yet, so that there is nothing to "
            "measure on. Run one plate of the screen first, or name a finished one with --measured."
        )
    costs = measure_costs(source, plates)
    print(estimate_text(estimate(plan, costs, chosen.sites_per_well), costs, plan))
    return 0


def _screen(chosen: argparse.Namespace) -> int:
    plan = read_plan_file(chosen.configfile)
    page = judge_finished(plan, ["--configfile", str(chosen.configfile)])
    if page is None:
        raise FileNotFoundError(f"no plate in '{plan.results.path}' is finished yet.")
    print(f"Judged by {len(plan.finished_plates())} of {len(plan.plates)} plates: {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
