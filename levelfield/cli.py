"""The command line: a door to the workflow, and what a person asks of its results.

A command imports what it needs, so that none waits for the libraries of the others.
"""

import argparse
import inspect
import sys
from pathlib import Path

from levelfield import __version__
from levelfield.config.results import in_plate
from levelfield.remote.requests import RemoteFault
from levelfield.runs.door import copy_demo, run_workflow


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit status (0 is good, 1 is damage found, 2 is misuse)."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["run"]:  # all of it is Snakemake's, as it stands
        return run_workflow(given[1:])
    chosen = _parser().parse_args(given)
    try:
        return chosen.command(chosen)
    except (ValueError, FileNotFoundError, FileExistsError, RemoteFault) as error:
        print(f"levelfield: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="levelfield",
        description="Run Levelfield's workflow, and ask questions of its results.",
    )
    parser.add_argument("--version", action="version", version=f"levelfield {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("run", help="run the workflow in this folder; all options are Snakemake's")
    for command in (
        _demo,
        _inspect,
        _init,
        _fetch,
        _verify,
        _verdict,
        _open,
        _status,
        _estimate,
        _screen,
        _review,
        _calibrate,
    ):
        name = command.__name__.removeprefix("_")
        text = inspect.getdoc(command) or ""
        first = text.splitlines()[0].removesuffix(".")
        made = commands.add_parser(name, help=first[0].lower() + first[1:], description=text)
        made.set_defaults(command=command)
        _add_image_options(name, made)
        _add_options(name, made)
    return parser


def _add_image_options(command: str, parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    if command == "demo":
        add("folder", metavar="FOLDER", type=Path, help="where to")
    if command in ("inspect", "init"):
        text = "where the raw images lie: a folder, or its URL (s3://, gs://, https://)"
        add("folder", metavar="FOLDER", help=text)
        text = "server that speaks S3, if not Amazon's"
        add("--endpoint", metavar="URL", default="", help=text)
        add("--format", default="auto", metavar="NAME", help="of the images [auto]")
    if command == "init":
        text = "folder to write config, plate sheet and layouts into [config]"
        add("--into", type=Path, default=Path("config"), metavar="FOLDER", help=text)
        add("--force", action="store_true", help="overwrite what is there")
    if command == "fetch":
        add("plates", nargs="*", metavar="PLATE", help="to fetch [all]")


def _add_options(command: str, parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    if command == "verify":
        add("--dry-run", action="store_true", help="only say what is damaged")
    if command == "status":
        text = "list what could be deleted of finished plates to save space; deletes nothing"
        add("--removable", action="store_true", help=text)
    if command == "estimate":
        text = "finished plates to measure on; all finished ones when left out"
        add("--measured", nargs="+", metavar="PLATE", help=text)
        text = "config of the screen that these are plates of [that of --configfile]"
        add("--measured-config", type=Path, metavar="FILE", help=text)
        text = "of the screen [that of the measured plates]"
        add("--sites-per-well", type=float, help=text)
    if command == "calibrate":
        text = "reviewed plates to learn from; all that are judged when left out"
        add("plates", nargs="*", metavar="PLATE", help=text)
        default = Path("config") / "calibration.yaml"
        add("--into", type=Path, default=default, metavar="FILE", help=f"to write [{default}]")
    if command == "review":
        text = "name of the plate [the next one that the screen should be judged by]"
        add("plate", metavar="PLATE", nargs="?", help=text)
        text = "serve the page to this machine alone, and save its answers as they are given"
        add("--serve", action="store_true", help=text)
        add("--port", type=int, default=0, help="for --serve [any that is free]")
    if command in ("verify", "verdict", "open"):
        add("plate", metavar="PLATE", help="name of the plate, or its results folder")
        add("--results", default="results", help="folder of all results [results]")
    if command == "open":
        add("well", metavar="WELL", help="such as B03")
        add("--site", type=int, metavar="N", help="a field of the well [its first]")
        add("--set", metavar="NAME", help="object set [the first]")
        text = "number of an object, which is chosen and put in the middle"
        add("--object", type=int, metavar="N", help=text)
        text = "open nothing; print the calls for napari, vizarr and ngio"
        add("--print", action="store_true", help=text)
    if command in ("status", "estimate", "screen", "review", "calibrate", "fetch"):
        default = Path("config/config.yaml")
        text = f"config of the screen [{default}]"
        add("--configfile", type=Path, default=default, metavar="FILE", help=text)


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
    """Find stored pixels that are missing or altered, and have them made again.

    The images and labels in a plate's store are compared with the checksums that were noted when
    they were written. Damaged fields are named, and the next run of snakemake makes them, and only
    them, again. Exit status 1 if there is damage.
    """
    from levelfield.runs.verify import invalidate, verify_plate

    results = _results_of(chosen.plate, chosen.results)
    found = verify_plate(results)
    if found.n_waiting:
        print(f"{results.name}: {found.n_waiting} fields wait for the next run of snakemake.")
    if found.damages.empty:
        print(f"{results.name}: all {found.n_fields} stored fields are as they were written.")
        return 0
    n_damaged = len(found.damages.groupby(["well", "site"]))
    print(f"{results.name}: {n_damaged} of {found.n_fields} stored fields are damaged.\n")
    print(found.damages.to_string(index=False))
    if chosen.dry_run:
        print("\nNothing was changed (--dry-run).")
    else:
        names = ", ".join(table.stem for table in invalidate(results, found.damages))
        print(f"\nThe next run of snakemake makes these fields again ({names}).")
    return 1


def _verdict(chosen: argparse.Namespace) -> int:
    """Print the verdict of a plate, and where its report lies.

    It is the verdict table and the assay readouts of a finished plate.
    """
    from levelfield.io.tables import read_csv
    from levelfield.report.text import verdict_text

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


def _open(chosen: argparse.Namespace) -> int:
    """Open a field in napari, with its labels and what the evidence says of every object.

    Shift-E copies labels to draw on, and Shift-S saves them as <set>_edited, from where they come
    into training and truth. napari is not installed with Levelfield.
    """
    from levelfield.runs.viewers import find_look, open_in_napari, printed_calls

    results = _results_of(chosen.plate, chosen.results)
    look = find_look(results, chosen.well, chosen.site, chosen.set, chosen.object)
    if chosen.print:
        print(printed_calls(look), end="")
    else:
        open_in_napari(look)
    return 0


def _demo(chosen: argparse.Namespace) -> int:
    """Copy the demo (config, sheets and images of 32 wells) into a folder of its own."""
    config = copy_demo(chosen.folder).relative_to(chosen.folder)
    print(f"Run it:\n  cd {chosen.folder}\n  levelfield run --configfile {config}")
    return 0


def _inspect(chosen: argparse.Namespace) -> int:
    """Say what a folder of raw images holds: plates, wells, sites, channels, z, time, gaps."""
    from levelfield.remote.settings import use_settings
    from levelfield.runs.inspect import found_text, look_into

    use_settings({"endpoint": chosen.endpoint})
    print(found_text(look_into(chosen.folder, chosen.format)))
    return 0


def _init(chosen: argparse.Namespace) -> int:
    """Write a config, a plate sheet and layouts for a folder of raw images.

    The export of a microscope is recognised; for other images a pattern is made from their names.
    """
    from levelfield.remote.settings import use_settings
    from levelfield.runs.init import write_files
    from levelfield.runs.inspect import found_text, look_into

    use_settings({"endpoint": chosen.endpoint})
    found = look_into(chosen.folder, chosen.format)
    print(found_text(found))
    written = write_files(found, chosen.into, chosen.force, chosen.endpoint)
    print(f"\nWritten: {', '.join(map(str, written))}")
    config = written[0]
    print(
        "Say in the layout which wells are controls, look at the objects in the config, and then:\n"
        f"  levelfield run --configfile {config} -n   # what would be done\n"
        f"  levelfield run --configfile {config}"
    )
    return 0


def _fetch(chosen: argparse.Namespace) -> int:
    """Put the images of plates behind URLs into the cache, for machines that have no network.

    Jobs read them there. It can be repeated: what is in the cache is not fetched again.
    """
    from levelfield.runs.fetch import fetch_plates
    from levelfield.runs.plan import read_plan_file

    print(fetch_plates(read_plan_file(chosen.configfile), chosen.plates))
    return 0


def _status(chosen: argparse.Namespace) -> int:
    """Say per plate and rule what is done, running, waiting and failed.

    The logs of a screen tell jobs by state, hours and GPU-hours, and why jobs failed. It may be
    asked while a run goes on. Exit status 1 if something failed.
    """
    from levelfield.config.planted import planted_note
    from levelfield.execution.space import removable
    from levelfield.runs.jobs import planned_jobs
    from levelfield.runs.plan import read_plan_file
    from levelfield.runs.status import screen_status, status_text

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
    """Say how many jobs, files, bytes and hours a screen will take.

    It is predicted from config and sheets, by what was measured on finished plates.
    """
    from levelfield.runs.estimate import estimate, estimate_text, measure_costs
    from levelfield.runs.plan import read_plan_file

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
    """Judge the screen by its finished plates, whatever became of the others.

    The verdict goes into results/screen where all are finished, else into results/screen_partial.
    The workflow does so itself at the end of a run; this is for screens that run in groups of
    plates.
    """
    from levelfield.runs.plan import read_plan_file
    from levelfield.runs.screen import judge_finished

    plan = read_plan_file(chosen.configfile)
    page = judge_finished(plan, ["--configfile", str(chosen.configfile)])
    if page is None:
        raise FileNotFoundError(f"no plate in '{plan.results.path}' is finished yet.")
    print(f"Judged by {len(plan.finished_plates())} of {len(plan.plates)} plates: {page}")
    return 0


def _review(chosen: argparse.Namespace) -> int:
    """Make the page on which people review a plate, and say where it is.

    It is one file that needs neither a network nor a server; what it saves belongs where the page
    says. With --serve it is served to this machine alone, and every answer is saved as it is given.
    """
    from levelfield.runs.plan import read_plan_file
    from levelfield.runs.review import make_page, next_plate, serve

    plan = read_plan_file(chosen.configfile)
    plate = chosen.plate or next_plate(plan)
    page = make_page(plan, plate)
    if chosen.serve:
        serve(plan, plate, page, chosen.port)
        return 0
    print(f"Open {page} in a browser. Save what it gives you as {plan.review_path(plate)},")
    print("and run snakemake again: only the QC and the reports are made again.")
    return 0


def _calibrate(chosen: argparse.Namespace) -> int:
    """Calibrate the evidence on plates that people have reviewed.

    Slope, floor and error of every object set, for its method and settings, go into a plain file
    with their provenance, and with how plates that were left out are judged. Name the file in the
    config (qc.calibration), and further plates are judged by it, without a review of their own.
    """
    from levelfield.runs.calibrate import calibrate_plates
    from levelfield.runs.plan import read_plan_file

    plan = read_plan_file(chosen.configfile)
    print(calibrate_plates(plan, chosen.plates, chosen.into))
    return 0


if __name__ == "__main__":
    sys.exit(main())
