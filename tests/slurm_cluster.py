"""A Slurm cluster on this host for the tests: two logical nodes, fake GPUs, loopback only.

Everything lies in one temporary folder, but for the link that Slurm looks for in /etc/slurm.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

TEMPLATES = Path(__file__).parent / "data" / "slurm"
PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "scontrol", "munged")
NODES = ("n1", "g1")

LINK = Path("/etc/slurm/slurm.conf")
# Where a Slurm of this host, or its nodes, would be configured.
CONFIGURATIONS = (LINK, Path("/etc/slurm-llnl/slurm.conf"), Path("/run/slurm/conf/slurm.conf"))
FOLDER = "levelfield-slurm-"


class Unavailable(Exception):
    """Slurm cannot be installed here; the text says why."""


class Refused(Exception):
    """This host has a Slurm that is not ours; the text says where."""


def refuse_foreign(configurations=CONFIGURATIONS, environment=os.environ) -> None:
    """Raise `Refused` where Slurm is configured by others; clear away what a dead run left."""
    if "SLURM_CONF" in environment:
        raise Refused(
            f"SLURM_CONF names a Slurm configuration ({environment['SLURM_CONF']}). These tests "
            "start a cluster of their own, and do not run beside another."
        )
    for path in configurations:
        folder = path.readlink().parent if path.is_symlink() else Path("/")
        if folder.name.startswith(FOLDER):
            _clear_leftover(path, folder)
        elif path.exists() or path.is_symlink():
            raise Refused(
                f"{path} is there: this host has a Slurm configuration. These tests start a "
                "cluster of their own, and do not run beside another. Nothing was changed."
            )


def _clear_leftover(link: Path, folder: Path) -> None:
    owner = _pid(folder / "owner.pid")
    if _is_alive(owner):
        raise Refused(
            f"the tests' own cluster runs already, for process {owner} ({folder}). Let it finish, "
            "or end that process."
        )
    print(f"clearing away the cluster that an earlier, killed run of these tests left: {folder}")
    Cluster(folder).stop()
    link.unlink(missing_ok=True)


def install() -> None:
    """Install Debian's Slurm, unless it is there.

    Raises
    ------
    Unavailable
        If that cannot be done here.
    """
    if all(_program(name) for name in PROGRAMS):
        return
    if os.geteuid() != 0:
        raise Unavailable("installing Slurm and starting its nodes needs root")
    if not shutil.which("apt-get"):
        raise Unavailable("there is no apt-get here, and the tests install Debian's packages")
    policy = Path("/usr/sbin/policy-rc.d")
    denies = not policy.exists()
    if denies:  # so that no package starts a daemon of its own
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        _apt("update")  # where it fails, the lists that are here may still do
        done = _apt("install")
    finally:
        if denies:
            policy.unlink()
    if done.returncode:
        raise Unavailable(f"apt-get could not install {' '.join(PACKAGES)}: {done.stdout[-400:]}")


def _apt(what: str) -> subprocess.CompletedProcess:
    packages = ("--yes", "--no-install-recommends", *PACKAGES) if what == "install" else ()
    return subprocess.run(
        ["apt-get", "-qq", what, *packages],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        text=True,
        check=False,
    )


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


class Cluster:
    """Starts the cluster, asks it, and stops all of it by pid."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix=FOLDER))

    def start(self) -> None:
        if os.geteuid() != 0:
            raise Unavailable("starting the nodes of a cluster needs root")
        folder = self.folder
        folder.chmod(0o755)  # munged's socket is for everyone
        (folder / "owner.pid").write_text(str(os.getpid()))
        for name in ("state", *(f"spool.{node}" for node in NODES)):
            (folder / name).mkdir()
        for number in (0, 1):  # Slurm takes nothing but devices for GPUs: these are like /dev/null
            os.mknod(folder / f"fakegpu{number}", 0o666 | 0o020000, os.makedev(1, 3))
        for template in sorted(TEMPLATES.glob("*.conf")):
            text = template.read_text().replace("@RUN@", str(folder))
            (folder / template.name).write_text(text.replace("@HOST@", socket.gethostname()))
        # A link: a job's inner srun looks in /etc, whatever SLURM_CONF says.
        LINK.parent.mkdir(exist_ok=True)
        LINK.symlink_to(folder / "slurm.conf")
        self._start_munged()
        self._daemon("slurmctld")
        self._wait_for(lambda: "UP" in self.ask("scontrol", "ping"), "slurmctld does not answer")
        for node in NODES:
            self.start_node(node)
        idle = [f"{node} idle" for node in sorted(NODES)]
        self._wait_for(lambda: self.node_states() == idle, "the nodes do not come up")

    def _start_munged(self) -> None:
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(1024))
        files = {"key": "key", "pid": "pid", "log": "log", "seed": "seed"}
        paths = [f"--{name}-file={self.folder}/munged.{end}" for name, end in files.items()]
        paths[0] = f"--key-file={key}"
        self._daemon("munged", f"--socket={self.folder}/munge.sock", *paths)

    def start_node(self, name: str) -> None:
        self._daemon("slurmd", "-N", name)

    def kill_node(self, name: str) -> None:
        """Kill a node as a power cut does: its daemon, its job steps, and their processes."""
        doomed = [_pid(self.folder / f"slurmd.{name}.pid")]
        jobs = self.ask("squeue", "-h", "-w", name, "-o", "%A").split()
        steps = [p for p, line in _processes() if _step_of(line) in jobs]
        doomed += [*steps, *(child for step in steps for child in _descendants(step))]
        for pid in filter(None, doomed):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _daemon(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.out").open("ab") as out:
            subprocess.run(
                [_program(name) or name, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                # The daemons look for gres.conf beside it.
                env=os.environ | {"SLURM_CONF": str(self.folder / "slurm.conf")},
                check=True,
            )

    def ask(self, *command: str) -> str:
        """Run a command of Slurm; what it prints."""
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        return done.stdout

    def node_states(self) -> list[str]:
        return sorted(self.ask("sinfo", "-h", "-N", "-o", "%N %T").splitlines())

    def job(self, number: str) -> dict[str, str]:
        """What `scontrol` says of a job."""
        words = self.ask("scontrol", "--oneliner", "show", "job", number).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def wait_for_end(self, number: str) -> None:
        """Wait until a job runs no more."""
        self._wait_for(lambda: self.job(number)["JobState"] != "RUNNING", f"job {number} runs on")

    def _wait_for(self, ready: Callable[[], bool], otherwise: str, seconds: float = 300) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{otherwise}; see {self.folder}/*.log")
            time.sleep(0.3)

    def stop(self) -> None:
        """Cancel all jobs, and stop every daemon that `start` started."""
        if _is_alive(_pid(self.folder / "slurmctld.pid")):
            with suppress(subprocess.TimeoutExpired):
                self.ask("scancel", "--user", "root")
                self._let_jobs_end()
        for node in NODES:
            _end(self.folder / f"slurmd.{node}.pid", "slurmd")
        _end(self.folder / "slurmctld.pid", "slurmctld")
        _end(self.folder / "munged.pid", "munged")
        if LINK.is_symlink() and LINK.readlink().parent == self.folder:
            LINK.unlink()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _let_jobs_end(self) -> None:
        deadline = time.monotonic() + 30
        while self.ask("squeue", "-h").strip() and time.monotonic() < deadline:
            time.sleep(0.3)


def _pid(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        return None


def _is_alive(pid: int | None) -> bool:
    return pid is not None and _command_line(pid) != ""  # of one that only waits to be reaped: ""


def _end(pid_file: Path, program: str) -> None:
    """End the process that a pid file names, if it is still that program."""
    pid = _pid(pid_file)
    if not pid or program not in _command_line(pid):
        return
    for number, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + patience
        while program in _command_line(pid) and time.monotonic() < deadline:
            time.sleep(0.1)


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _processes() -> list[tuple[int, str]]:
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [(pid, _command_line(pid)) for pid in pids]


def _step_of(command_line: str) -> str | None:
    """The job whose step a slurmstepd holds: 'slurmstepd: [12.batch]' is of job 12."""
    if not command_line.startswith("slurmstepd: ["):
        return None
    return command_line.split("[")[1].split(".")[0]


def _descendants(pid: int) -> list[int]:
    children: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):
            children += map(int, path.read_text().split())
    return [*children, *(one for child in children for one in _descendants(child))]
