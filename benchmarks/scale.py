"""What planning a screen costs: CPU seconds and memory of Snakemake's plan, by plates and packs.

Makes a synthetic screen of 384-well plates (a layout of its own for every plate, folders without
images) and lets the real workflow plan it (`snakemake --dry-run`, which builds the DAG and prints
every job). Three questions: a group of plates in one run; what every job of a cluster pays again,
whatever the number of plates; and the sheet of the whole screen read and checked.

    python benchmarks/scale.py             # 400 plates in a run, a job among 2,000 plates
    python benchmarks/scale.py --plates 100 --packs 8

CPU seconds are of the process and its children (user and system); memory is the largest resident
set of one process. On a machine with other work CPU seconds come out larger, never smaller.
"""

import argparse
import csv
import os
import platform
import re
import subprocess
import sys
import tempfile
from datetime import date
from importlib.metadata import version
from pathlib import Path

import yaml

from levelfield.config.wells import row_letters

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = REPOSITORY / "benchmarks" / "results" / "scale.csv"
COLUMNS = ("what", "plates", "packs_per_plate", "jobs", "cpu_s", "memory_mb")
CONTROLS = {1: "negcon", 2: "negcon", 23: "poscon", 24: "poscon"}


def write_screen(folder: Path, n_plates: int, packs: int) -> Path:
    """Write config, sheets and empty image folders; return the config."""
    rows = ["plate\timages\tlayout\twells"]
    for number in range(n_plates):
        name = f"P{number:04d}"
        (folder / "images" / name).mkdir(parents=True)
        (folder / f"{name}.csv").write_text(_layout(number))
        rows.append(f"{name}\timages/{name}\t{folder}/{name}.csv\t384")
    (folder / "plates.tsv").write_text("\n".join(rows) + "\n")
    config = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text())
    config |= {"plates": str(folder / "plates.tsv"), "data_folder": str(folder)}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config | {"packs_per_plate": packs}, sort_keys=False))
    return path


def _layout(number: int) -> str:
    lines = ["well,control_type,perturbation,concentration,concentration_unit"]
    for row in range(1, 17):
        for column in range(1, 25):
            kind = CONTROLS.get(column, "trt")
            name = kind if kind != "trt" else f"compound {number} {row} {column}"
            lines.append(f"{row_letters(row)}{column:02d},{kind},{name},1,uM")
    return "\n".join(lines) + "\n"


def measured(command: list[str], folder: Path) -> tuple[float, float, str]:
    """Run a command; return CPU seconds, memory in MB and what it printed."""
    script = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)\n"
        "sys.stdout.buffer.write(done.stdout)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print('\\nUSED', used.ru_utime + used.ru_stime, used.ru_maxrss)\n"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = str(REPOSITORY)
    script_and_command = [sys.executable, "-c", script, *command]
    printed = subprocess.check_output(script_and_command, cwd=folder, env=environment, text=True)
    cpu, kilobytes = re.search(r"USED (\S+) (\d+)", printed).groups()
    return float(cpu), int(kilobytes) / 1024, printed


def plan(n_plates: int, packs: int, *more: str) -> dict:
    """Plan a whole screen, or with `more` a part of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = write_screen(folder, n_plates, packs)
        snakefile = ("--snakefile", str(REPOSITORY / "Snakefile"), "--directory", str(folder))
        command = [sys.executable, "-m", "snakemake", *snakefile, "--configfile", str(config)]
        cpu, memory, printed = measured([*command, "--dry-run", "--quiet", "rules", *more], folder)
    jobs = re.search(r"^total +(\d+)", printed, flags=re.MULTILINE)
    return {
        "plates": n_plates,
        "packs_per_plate": packs,
        "jobs": int(jobs[1]) if jobs else 0,
        "cpu_s": round(cpu, 1),
        "memory_mb": round(memory),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--plates", type=int, default=400)
    parser.add_argument("--packs", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--screen", type=int, default=2000, help="plates of the whole screen")
    chosen = parser.parse_args()
    rows = []
    for packs in chosen.packs:
        rows.append({"what": "plan of a group"} | plan(chosen.plates, packs, "--", "plates"))
        print(rows[-1], flush=True)
    # As an executor starts a job: nothing but its own rule is planned, and sheets are trusted.
    alone = ("--mode", "remote", "--nolock", "--allowed-rules", "index_plate")
    target = "results/P0007/index.csv"
    checked = plan(chosen.screen, chosen.packs[0], *alone[-2:], "--", target)
    rows.append({"what": "whole sheet read and checked"} | checked)
    for n_plates in (8, chosen.screen):
        rows.append(
            {"what": "plan of one job"} | plan(n_plates, chosen.packs[0], *alone, "--", target)
        )
        print(rows[-1], flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", newline="") as file:
        file.write(
            f"# {platform.machine()}, {os.cpu_count()} cores, Python "
            f"{platform.python_version()}, snakemake {version('snakemake')}, {date.today()}\n"
        )
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
