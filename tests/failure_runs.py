"""Runs of a small screen that machine faults strike, and the table of what came of them."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import yaml
from real_images import REPOSITORY
from warm_python import warm_python
from workflow_runs import Screen, digests, small_screen

FAULTS = Path(__file__).parent / "faults"
STRUCK_WELL = "B12"  # the fourth of seven wells
# What a step makes in a plate's results, and what is made from that.
MADE_FROM = {
    "segment": ("P.zarr/*/*/[0-9]*", "segment", "measure", "objects", "*s.csv", "plate.csv", "qc"),
    "measure": ("measure", "objects", "*s.csv", "plate.csv", "qc/*.*"),
    "qc_evidence": ("qc",),
}
# A file by which a step is known to be done.
DONE = {
    "segment": "results/P/segment/pack1.csv",
    "measure": "results/P/measure/Image/pack1.parquet",
    "qc_evidence": "results/P/qc/evidence/pack1.parquet",
}
FIRST = ("thresholds.csv", "diameters.csv")  # tables that are there before any field
LONGEST_RUN = 1800  # s, with other work on the machine
HEADS: list[subprocess.Popen] = []
FINAL = ("results/P/qc/verdict.csv", "results/P/readouts.csv", DONE["segment"])


@dataclass
class Outcome:
    """What came of a run that a machine fault struck: a row of the table."""

    fault: str
    place: str
    told: str
    recomputed: str
    equal: bool


@dataclass
class Run:
    """A folder in which the workflow runs, with a profile of its own.

    Without a config in it, it is the demo that runs.
    """

    folder: Path
    profile: dict
    fault: dict = field(default_factory=dict)
    heads: int = 0
    targets: tuple[str, ...] = FINAL
    python: str = sys.executable

    @property
    def results(self) -> Path:
        return self.folder / "results" / "P"

    @property
    def notes(self) -> Path:
        return self.folder / "notes"

    def start(self, *more: str) -> subprocess.Popen:
        """Start a head process; what it prints goes into a file."""
        self.notes.mkdir(exist_ok=True)
        profile = self.folder / "profile"
        profile.mkdir(exist_ok=True)
        (profile / "profile.yaml").write_text(yaml.safe_dump(self.profile, sort_keys=False))
        own = self.folder / "config.yaml"
        config = ["--configfile", str(own)] if own.exists() else []
        self.heads += 1
        with self.printed_file(self.heads).open("w") as printed:
            head = subprocess.Popen(
                [
                    # Started in the background, a process would ignore Ctrl-C, and so its jobs.
                    *("env", "--default-signal=INT"),
                    *(self.python, "-m", "snakemake", *self.targets),
                    *("--snakefile", str(REPOSITORY / "Snakefile")),
                    *("--directory", str(self.folder), "--profile", str(profile)),
                    *config,
                    *more,
                ],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                env=self.environment(),
                start_new_session=True,
            )
        HEADS.append(head)
        return head

    def environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(FAULTS), *filter(None, [os.environ.get("PYTHONPATH")])])
        fault = json.dumps(self.fault | {"folder": str(self.notes)})
        return os.environ | {"PYTHONPATH": path, "LEVELFIELD_FAULT": fault}

    def printed_file(self, head: int) -> Path:
        return self.folder / f"head{head}.txt"

    def printed(self, head: int | None = None) -> str:
        """What a head printed; the latest, if none is named."""
        return self.printed_file(head or self.heads).read_text()

    def end(self, head: subprocess.Popen, good: bool = True) -> str:
        """Wait for a head's end, which must be good or not; what it printed."""
        number = self.heads
        try:
            head.wait(LONGEST_RUN)
        except subprocess.TimeoutExpired:
            os.killpg(head.pid, signal.SIGKILL)
            raise AssertionError(f"no end: {self.printed(number)[-6000:]}") from None
        assert (head.returncode == 0) == good, self.printed(number)[-6000:]
        return self.printed(number)

    def finish(self, *more: str, good: bool = True) -> str:
        return self.end(self.start(*more), good)

    def undo(self, step: str) -> None:
        """Take away what a step made, and all that was made from it."""
        for pattern in MADE_FROM[step]:
            for path in self.results.glob(pattern):
                if path.is_dir():
                    shutil.rmtree(path)
                elif path.name not in FIRST:
                    path.unlink()
        gone = DONE if step == "segment" else (step,)
        kept = [json.dumps(note) for note in self.noted("computed") if note["step"] not in gone]
        (self.notes / "computed.jsonl").write_text("".join(f"{line}\n" for line in kept))

    def end_on_this_machine(self) -> None:
        """Do what follows from the step that was struck, without Slurm: it takes less time."""
        self.profile, self.targets, self.python = LOCAL, FINAL, warm_python()
        self.finish()

    def strike(self, kind: str, step: str, **more: object) -> None:
        """Have a machine fault strike a step in the next run, once."""
        self.undo(step)
        self.fault = {"kind": kind, "step": step, "well": STRUCK_WELL} | more

    def wait_until_struck(self, head: subprocess.Popen) -> None:
        deadline = time.monotonic() + LONGEST_RUN
        while not (self.notes / "struck").exists():
            assert head.poll() is None and time.monotonic() < deadline, self.printed()[-6000:]
            time.sleep(0.2)

    def go_on(self) -> None:
        """Let a job go on that waits at the field where the machine fault struck."""
        (self.notes / "go").touch()

    def wait_for_jobs(self) -> None:
        """Wait until no job of this run is left on this machine."""
        deadline = time.monotonic() + LONGEST_RUN
        while any(f"{self.folder}/.snakemake/scripts" in line for line in command_lines()):
            assert time.monotonic() < deadline, f"jobs of {self.folder} do not end"
            time.sleep(0.2)

    def noted(self, name: str) -> list[dict]:
        path = self.notes / f"{name}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def repeated(self) -> Counter:
        """How many fields each step computed again."""
        times = Counter((note["step"], note["well"]) for note in self.noted("computed"))
        repeated = Counter()
        for (step, _), n in times.items():
            repeated[step] += n - 1
        return repeated

    def outcome(self, fault: str, place: str, told: str, undisturbed: dict, fields: int) -> Outcome:
        """Compare the final result; not more than so many fields may have been computed again."""
        repeated = sum(self.repeated().values())
        assert repeated <= fields, f"{fault}: {dict(self.repeated())} fields were computed again"
        found = digests(self.results)
        different = sorted(name for name in undisturbed if found.get(name) != undisturbed[name])
        assert found == undisturbed, f"{fault}: {different} differ from those of a quiet run"
        assert not list(self.results.glob("unfinished/*")), "parts of unfinished jobs are left"
        counted = "nothing" if repeated == 0 else f"{repeated} field{'s' * (repeated > 1)}"
        return Outcome(fault, place, " ".join(told.split()), counted, True)


def command_lines() -> list[str]:
    """The command lines of all processes of this machine."""
    done = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def told_in(text: str, pattern: str) -> str:
    """The sentence that a person reads, which must be there."""
    found = re.search(pattern, text)
    assert found, f"'{pattern}' is not in what the person sees:\n{text[-6000:]}"
    assert "Traceback" not in text, text[-6000:]
    return found[0]


def without_draft(told: str) -> str:
    """A sentence without the name of a draft, which is another one each time."""
    return re.sub(r"/\.\d+\.[0-9a-f]{32}", "/…", told)


def end_heads() -> None:
    """End the heads that are still at work, with their jobs, when the tests are broken off."""
    for head in HEADS:
        if head.poll() is None:
            os.killpg(head.pid, signal.SIGKILL)


LOCAL = {"cores": 1, "keep-going": True, "rerun-incomplete": True}


@dataclass
class Undisturbed:
    """A screen that has been run to its end in peace, and what its results are."""

    folder: Path

    @cached_property
    def digests(self) -> dict[str, str]:
        return digests(self.folder / "results" / "P")

    def run(self, folder: Path, profile: dict) -> Run:
        """A run of the same screen in a folder of its own, in which all is done already."""
        Screen(self.folder).copy_to(folder)
        return Run(folder, profile)


def run_undisturbed(folder: Path) -> None:
    """Make a screen of one plate and one pack, and run it."""
    small_screen(folder, packs_per_plate=1)
    Run(folder, LOCAL | {"cores": 2}, python=warm_python()).finish()


@contextmanager
def small_disk(folder: Path, megabytes: float):
    """Put what lies in a folder on a disk of its own that is soon full; gives a way to grow it."""
    aside = folder.with_name(f"{folder.name}.aside")
    folder.rename(aside)
    folder.mkdir()
    size = f"size={int(megabytes * 1024)}k"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], check=True)
    shutil.copytree(aside, folder, dirs_exist_ok=True, symlinks=True)
    try:
        yield lambda: subprocess.run(["mount", "-o", "remount,size=500m", folder], check=True)
    finally:
        shutil.rmtree(aside)
        shutil.copytree(folder, aside, symlinks=True)
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()
        aside.rename(folder)


@contextmanager
def read_only(folder: Path):
    """Forbid writing to a folder, to root as well."""
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def can_mount() -> bool:
    """Say whether this process may mount, as root may (but not in every container)."""
    return (
        subprocess.run(
            ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
            capture_output=True,
            check=False,
        ).returncode
        == 0
    )


def megabytes_of(folder: Path) -> float:
    """The room that a folder's files take on a disk of 4 kB blocks."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return sum(-(-size // 4096) * 4096 for size in sizes) / 2**20


def flip_and_verify(results: Path) -> str:
    """Flip a byte of the struck well's labels; return what `levelfield verify` says of it."""
    flip_a_byte(results)
    command = [sys.executable, "-m", "levelfield.cli", "verify", str(results)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    return "levelfield verify: " + told_in(told.stdout, rf"{STRUCK_WELL} +1 +Nuclei +\w+")


def flip_a_byte(results: Path) -> None:
    """Change one byte in the stored labels of a finished field."""
    labels = results / "P.zarr" / STRUCK_WELL[0] / STRUCK_WELL[1:] / "1" / "labels" / "Nuclei" / "0"
    [shard] = [path for path in labels.rglob("*") if path.is_file() and path.name != "zarr.json"]
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 0xFF
    shard.write_bytes(content)


TABLE = REPOSITORY / "docs" / "failures.md"


def write_rows(rows: list[Outcome]) -> None:
    """Put rows into the table of the documentation, where LEVELFIELD_WRITE_FAILURES asks for it."""
    if not os.environ.get("LEVELFIELD_WRITE_FAILURES"):
        return
    kept = {}
    if TABLE.exists():
        head, _, body = TABLE.read_text().partition("| --- |")
        for line in body.splitlines()[1:]:
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if len(cells) == 5:
                kept[cells[0], cells[1]] = cells
    for row in rows:
        equal = "the same bytes" if row.equal else "NOT THE SAME"
        cells = [row.fault, row.place, row.told.replace("|", "/"), row.recomputed, equal]
        kept[row.fault, row.place] = cells
    lines = [f"| {' | '.join(kept[key])} |" for key in sorted(kept)]
    head = (FAULTS.parent / "data" / "failures.md").read_text()
    titles = ("machine fault", "run", "what the person sees", "computed again", "final result")
    table = [f"| {' | '.join(titles)} |", "| --- " * len(titles) + "|", *lines]
    TABLE.write_text(head + "\n" + "\n".join(table) + "\n")


def chosen(request) -> list[str]:
    """The machine faults that this run of pytest asks for."""
    of_this_file = [item for item in request.session.items if item.path == request.path]
    named = [item.callspec.params.get("name") for item in of_this_file if hasattr(item, "callspec")]
    return [name for name in named if name]
