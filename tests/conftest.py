"""What several test files share: real images, and a small plate made from the demo's."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import settings
from warm_python import end_servers

from levelfield.config.sheets import SCHEMAS, config_schema, load_schema

# Tests never assert times: on a busy machine one example may take seconds.
settings.register_profile("levelfield", deadline=None)
settings.load_profile("levelfield")

REPOSITORY = Path(__file__).resolve().parents[1]
DEMO_IMAGES = REPOSITORY / "demo" / "BBBC013"
DEMO_PATTERN = r"Channel(?P<channel>\d)-\d+-(?P<row>[A-H])-(?P<column>\d\d)\.tif$"


@pytest.fixture(scope="session")
def schemas() -> dict:
    """The workflow's schemas by name."""
    found = {path.stem: load_schema(path) for path in SCHEMAS.glob("*.yaml")}
    return found | {"config": config_schema()}


@pytest.fixture
def small_plate(tmp_path: Path) -> Path:
    """A folder with the images of four wells: two negative, two positive (Wortmannin)."""
    folder = tmp_path / "images"
    folder.mkdir()
    for well in ("A-01", "A-12", "B-01", "B-12"):
        for path in DEMO_IMAGES.glob(f"*-{well}.tif"):
            shutil.copy(path, folder)
    return folder


@pytest.fixture
def small_layout() -> pd.DataFrame:
    """The layout of `small_plate`, as `read_layout` gives it."""
    wells = ["A01", "A12", "B01", "B12"]
    return pd.DataFrame(
        {
            "Metadata_Well": wells,
            "Metadata_ControlType": ["negcon", "poscon"] * 2,
            "Metadata_Perturbation": ["no drug", "Wortmannin"] * 2,
            "Metadata_Concentration": "",
            "Metadata_ConcentrationUnit": "",
            "Metadata_ControlGroup": "",
        }
    )


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """The small screen that machine faults strike, run on this machine in peace."""
    from failure_runs import Undisturbed, run_undisturbed
    from workflow_runs import made_once

    return Undisturbed(made_once(tmp_path_factory, "undisturbed", run_undisturbed))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole runs first: beside them, several workers have the short tests to share at the end."""
    items.sort(key=lambda item: item.get_closest_marker("workflow") is None)


def pytest_sessionfinish() -> None:
    end_servers()
