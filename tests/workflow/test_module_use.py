"""The workflow as a module of another one, and on a bare clone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY
from warm_python import warm_python
from workflow_runs import LAYOUT, small_screen

pytestmark = pytest.mark.workflow

OTHER = """\
configfile: "screens.yaml"


module levelfield:
    snakefile: "{repository}/workflow/Snakefile"
    prefix: "first"
    config: config["first"]


use rule * from levelfield as levelfield_*


rule counted:
    default_target: True
    input:
        rules.levelfield_all.input,
        wells=expand(rules.levelfield_summarise_plate.output.wells, plate="P"),
    output:
        "counted.txt",
    shell:
        "wc -l < {{input.wells}} > {{output}}"
"""


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> Path:
    """A folder with a workflow that uses this one, with images and sheets by relative paths."""
    folder = tmp_path_factory.mktemp("other")
    screen = small_screen(folder)
    screen.write_layout("".join(LAYOUT.splitlines(keepends=True)[:4]))
    (folder / "plates.tsv").write_text(
        "plate\timages\tlayout\twells\nP\timages/P\tlayout.csv\t96\n"
    )
    screen.change_config(plates="plates.tsv", data_folder=".", packs_per_plate=1, readouts={})
    config = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").unlink()
    (folder / "screens.yaml").write_text(yaml.safe_dump({"first": config}, sort_keys=False))
    (folder / "Snakefile").write_text(OTHER.format(repository=REPOSITORY))
    return folder


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [warm_python(), "-m", "snakemake", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.mark.installed
def test_a_workflow_of_another_folder_uses_this_one_with_a_prefix(other):
    done = snakemake(other, "--cores", "2")
    assert done.returncode == 0, done.stdout[-6000:]
    assert (other / "counted.txt").read_text().strip() == "5"
    results = other / "first" / "results"
    assert (results / "screen" / "report.html").is_file()
    assert (results / "P" / "P.zarr" / "zarr.json").is_file()
    assert (results / "P" / "logs" / "index_plate.log").is_file()
    assert not (other / "results").exists()
    assert "localrules" not in done.stdout
    again = snakemake(other, "--cores", "2")
    assert "Nothing to be done" in again.stdout


BLOCKED = """
import sys
from snakemake.cli import main  # with its plugins, one of which brings pandas

BLOCKED = {"numpy", "pandas", "scipy", "numba", "skimage", "zarr", "torch"}
for name in [name for name in sys.modules if name.split(".")[0] in BLOCKED]:
    del sys.modules[name]


class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)


sys.meta_path.insert(0, Blocker())
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("arguments", "good", "says"),
    [
        (("--lint",), True, "good condition"),
        (("--dry-run",), False, "are not installed in the environment that runs Snakemake"),
    ],
)
def test_a_bare_clone_is_linted_with_snakemake_alone(tmp_path, arguments, good, says):
    """Without the package and its dependencies: they are there, and cannot be imported."""
    for name in ("Snakefile", "workflow", "scripts", "envs", "config", "demo", "levelfield"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    kept = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, *arguments],
        cwd=tmp_path,
        env=kept,
        capture_output=True,
        text=True,
        check=False,
    )
    said = " ".join((done.stdout + done.stderr).split())
    assert (done.returncode == 0) == good, said
    assert says in said
