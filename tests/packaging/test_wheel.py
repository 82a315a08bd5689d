"""The wheel, in an empty folder: all that a person needs is in it.

`make test-installed` tries it on the Python that the tests run on, and on the newest at hand.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from conftest import REPOSITORY
from pythons import newest_python

pytestmark = [pytest.mark.workflow, pytest.mark.installed]

FOLDERS = ("workflow", "scripts", "envs", "profiles", "config", "demo")
FILES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md")
PACKAGES = ("levelfield", "snakemake_logger_plugin_levelfield")
WELLS = ("A01", "A12", "B01", "B12")


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the sdist, and the wheel that was built from the sdist, without a network."""
    source = tmp_path_factory.mktemp("source")
    for name in (*FOLDERS, *PACKAGES):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / name, source / name, ignore=ignored)
    for name in (*FILES, "Snakefile"):
        shutil.copy(REPOSITORY / name, source)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist", "."]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return source / "dist"


def environment() -> dict[str, str]:
    """An environment in which nothing leads to this repository."""
    kept = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    return kept | {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module", params=["this", "newest"])
def command(built, tmp_path_factory, request) -> Path:
    """``levelfield`` of an environment that has the wheel."""
    folder = tmp_path_factory.mktemp("environment")
    make = borrowing_environment if request.param == "this" else environment_of_newest_python
    make(folder)
    (wheel,) = built.glob("*.whl")
    uv_pip(folder, "install", "--no-deps", "--no-index", str(wheel))
    if request.param == "newest":
        uv_pip(folder, "check")
    else:
        copy_compiled_kernels(folder)
    return folder / "bin" / "levelfield"


def borrowing_environment(folder: Path) -> None:
    """Make an environment of this Python, which borrows its packages."""
    venv.create(folder)
    here = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    # Lines of a .pth file add folders without the .pth files in them: no editable installation.
    Path(here, "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")


def copy_compiled_kernels(folder: Path) -> None:
    """Copy what numba has compiled here: the sources are the same, and it need not do it again."""
    installed = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    for kernel in (REPOSITORY / "levelfield").rglob("__pycache__/*.nb?"):
        target = installed / kernel.relative_to(REPOSITORY)
        target.parent.mkdir(exist_ok=True)
        shutil.copy(kernel, target)
        # Kernels are those of a source of this size and time.
        source = kernel.parents[1] / f"{kernel.name.partition('.')[0]}.py"
        shutil.copystat(source, target.parents[1] / source.name)


def environment_of_newest_python(folder: Path) -> None:
    """Make an environment of the newest Python, with the packages that the lock names."""
    subprocess.run([newest_python(), "-m", "venv", "--without-pip", str(folder)], check=True)
    lock = REPOSITORY / "envs" / "levelfield.lock"
    uv_pip(folder, "install", "--require-hashes", "-r", str(lock))


def uv_pip(folder: Path, command: str, *arguments: str) -> None:
    """Let uv do something with the packages of an environment."""
    python = str(folder / "bin" / "python")
    whole = [sys.executable, "-m", "uv", "pip", command, "--quiet", "--python", python, *arguments]
    subprocess.run(whole, check=True)


def ask(command: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(command), *arguments],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_workflow_schemas_and_demo_are_in_the_wheel_and_nothing_else(built):
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for folder in FOLDERS:
        files = [path for path in (REPOSITORY / folder).rglob("*") if path.is_file()]
        files = [path for path in files if "__pycache__" not in path.parts]
        for path in files:
            inside = Path("levelfield", "_workflow", path.relative_to(REPOSITORY))
            assert inside.as_posix() in names
    assert "levelfield/config/schemas/config.yaml" in names
    assert "levelfield/py.typed" in names
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    assert not [name for name in names if name.endswith(".pyc")]


def test_the_sdist_holds_what_the_wheel_is_built_from(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    assert {"setup.py", "workflow/Snakefile", "profiles/slurm/profile.yaml"} <= names


@pytest.fixture(scope="module")
def demo(command, tmp_path_factory) -> tuple[Path, str]:
    """An empty folder in which the demo was run, on four of its wells; and what was printed."""
    folder = tmp_path_factory.mktemp("empty")
    told = ask(command, folder, "demo", ".")
    assert "levelfield run --configfile config/config.yaml" in told.stdout
    layout = folder / "config" / "layouts" / "demo.csv"
    sheet = pd.read_csv(layout, dtype=str, keep_default_na=False, comment="#")
    sheet[sheet["well"].isin(WELLS)].to_csv(layout, index=False)
    for path in (folder / "demo" / "BBBC013").iterdir():
        if "".join(path.stem.split("-")[-2:]) not in WELLS:
            path.unlink()
    done = ask(command, folder, "run", "--configfile", "config/config.yaml", "--cores", "2")
    assert done.returncode == 0, done.stdout[-6000:]
    return folder, done.stdout


def test_the_demo_runs_in_an_empty_folder(command, demo):
    folder, printed = demo
    assert f"{command.parents[1]}" in printed.split("Snakefile: ")[1].splitlines()[0]
    assert "1 plates, nothing left out, nothing failed" in printed
    assert (folder / "results" / "screen" / "report.html").is_file()
    assert list((folder / ".snakemake" / "levelfield").glob("*.jsonl"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("status",), r"BBBC013-demo 13 0 0 0"),
        (("verify", "BBBC013-demo"), "all 4 stored fields are as they were written"),
        (("verdict", "BBBC013-demo"), "results/BBBC013-demo/report.html"),
        (("estimate",), "1 plates of together 4 wells"),
        (("screen",), "Judged by 1 of 1 plates: results/screen/report.html"),
        (("run", "--configfile", "config/config.yaml", "-n"), "Nothing to be done"),
    ],
)
def test_its_results_answer_from_the_wheel(command, demo, arguments, says):
    done = ask(command, demo[0], *arguments)
    assert done.returncode == 0, done.stdout
    assert says in " ".join(done.stdout.split())


def test_the_package_is_not_written_to(command, demo):
    (package,) = command.parents[1].rglob("_workflow")
    assert {path.name for path in package.iterdir()} == set(FOLDERS)
    assert not list(package.rglob("__pycache__"))


def test_a_demo_that_is_there_is_not_overwritten(command, demo):
    again = ask(command, demo[0], "demo", ".")
    assert again.returncode == 2
    assert "is there already" in again.stdout
