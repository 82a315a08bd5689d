"""A segmenter from another package: one file, announced by an entry point, through the workflow."""

import os
import re
import subprocess
import sys

import pytest
import yaml
from conftest import REPOSITORY
from workflow_runs import small_screen

pytestmark = pytest.mark.workflow

PAGE = (REPOSITORY / "docs" / "add_a_segmenter.md").read_text()
LAYOUT = "A01,negcon,no drug,\nA12,poscon,Wortmannin,\n"


@pytest.fixture(scope="module")
def screen(tmp_path_factory):
    """A plate of two wells whose nuclei are made by the method of docs/add_a_segmenter.md."""
    folder = tmp_path_factory.mktemp("toy")
    site = folder / "site"
    (site / "my_package").mkdir(parents=True)
    (site / "my_package" / "__init__.py").touch()
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
    (site / "my_package" / "bright_pixels.py").write_text(code)
    facts = site / "my_package-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: my_package\nVersion: 1.0\n")
    group, name = re.search(r'entry-points."(.*?)"\]\n(.*?)\n', PAGE).groups()
    (facts / "entry_points.txt").write_text(f"[{group}]\n{name.replace(chr(34), '')}\n")
    with pytest.MonkeyPatch.context() as patch:
        paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))
        screen = small_screen(folder / "screen")
        screen.write_layout(LAYOUT)
        nuclei = {"method": "bright_pixels", "channels": ["DNA"], "parameters": {"level": 0.2}}
        screen.change_config(objects={"Nuclei": nuclei}, readouts={}, packs_per_plate=1)
        yield screen


def objects(screen, **changes):
    """Change the only object set; return what it was."""
    before = yaml.safe_load((screen.folder / "config.yaml").read_text())["objects"]["Nuclei"]
    screen.change_config(objects={"Nuclei": before | changes})
    return before


def levelfield(screen, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "levelfield.cli", *arguments],
        cwd=screen.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"parameters": {"levle": 1}},
            "objects.Nuclei.parameters: the key 'levle' is not known. Did you mean 'level'? "
            "Allowed: level.",
        ),
        (
            {"parameters": {"level": 2}},
            "objects.Nuclei.parameters.level: 2 is not allowed. It must be at most 1. Pixels above "
            "this intensity are objects.",
        ),
        ({"channels": ["DNA", "FKHR"]}, "method bright_pixels sees one channel, and these are 2"),
        ({"weights": "nuclei"}, "objects.Nuclei.weights: method bright_pixels has none."),
        ({"method": "bright_pixel"}, "'bright_pixel' is not allowed. Allowed: "),
    ],
)
def test_wrong_options_are_refused_with_the_usual_words(screen, changes, says):
    before = objects(screen, **changes)
    done = screen.run("-n")
    screen.change_config(objects={"Nuclei": before})
    assert done.returncode != 0
    assert says in " ".join(done.stdout.split())


def test_it_runs_through_the_workflow_and_status_knows_it(screen):
    config = str(screen.folder / "config.yaml")
    planned = levelfield(screen, "status", "--configfile", config)
    assert "segment" in planned, planned
    screen.run_well()
    sites = screen.table("sites.csv")
    assert (sites["Count_Nuclei"] == sites["Segmentation_Found_Nuclei"]).all()
    assert (sites["Count_Nuclei"] > 10).all()
    assert len(screen.table("wells.csv")) == 2


def test_the_advice_names_its_parameter(screen):
    script = (
        "import yaml, sys\n"
        "from levelfield.config.settings import object_sets\n"
        "from levelfield.qc.wording.parameters import parameter_advice\n"
        "from levelfield.steps.methods import advice_methods\n"
        "sets = object_sets(yaml.safe_load(open(sys.argv[1])))\n"
        "print(parameter_advice(advice_methods(sets)['Nuclei'], 'Nuclei', 'smaller'))\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", script, str(screen.folder / "config.yaml")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.startswith("raise level of Nuclei from 0.2 (default 0.1) by 0.02")
