"""What a base installation cannot do names the extra to install; it never loads torch."""

import subprocess
import sys
import tomllib

import pytest
from conftest import REPOSITORY

from levelfield.config.extras import EXTRAS, MissingLibraryError, missing_library, needs_extra

# Loads every module of the package, but those that are torch's own, with the extras out of reach.
WITHOUT_EXTRAS = """
import importlib, pkgutil, sys
from levelfield.config.extras import EXTRAS
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in EXTRAS:
            raise ModuleNotFoundError(name, name=name.split(".")[0])
sys.meta_path.insert(0, Blocked())
import levelfield
for module in pkgutil.walk_packages(levelfield.__path__, "levelfield."):
    if not module.name.startswith(tuple(sys.argv[1:])):
        importlib.import_module(module.name)
"""
# Rooms that need an extra as a whole: torch's networks, training, and the workers, which other
# environments run.
WITH_EXTRAS = (
    "levelfield.segmentation.networks",
    "levelfield.segmentation.workers",
    "levelfield.training",
    "levelfield.steps.train_network",
    "levelfield.qc.train",
)


def test_the_base_installation_loads_all_but_the_rooms_of_torch():
    command = [sys.executable, "-c", WITHOUT_EXTRAS, *WITH_EXTRAS]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_extras_are_those_of_the_project():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert set(EXTRAS.values()) <= set(project["optional-dependencies"])


def test_a_missing_library_names_its_extra():
    with (
        pytest.raises(
            MissingLibraryError, match=r"method stardist needs .*h5py.*levelfield\[gpu\]"
        ),
        needs_extra("method stardist"),
    ):
        raise ModuleNotFoundError("No module named 'h5py'", name="h5py")


@pytest.mark.parametrize(
    ("library", "environment", "remedy"),
    [
        ("torch", "", "Install it with `pip install 'levelfield[gpu]'`"),
        ("unheard", "", "Install it with `pip install 'unheard'`"),
        ("unheard", "theirs[gpu]", "Install it with `pip install 'theirs[gpu]'`"),
        (
            "instanseg",
            "an environment of its own: `make x`",
            "Use an environment of its own: `make x`",
        ),
    ],
)
def test_only_what_pip_can_install_is_told_as_such(library, environment, remedy):
    assert str(missing_library("method m", library, environment)) == (
        f"method m needs {library}, which is not installed here. {remedy}, or choose what does "
        "without."
    )


def test_other_errors_pass():
    with pytest.raises(ModuleNotFoundError, match="unheard"), needs_extra("method network"):
        raise ModuleNotFoundError("No module named 'unheard'", name="unheard")
