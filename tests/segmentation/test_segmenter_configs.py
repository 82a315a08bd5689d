"""The example configs of the segmenters: right in all but the weights, which are the user's."""

import pytest
import yaml
from conftest import REPOSITORY

from levelfield.config import weights
from levelfield.config.checks import checked_sets
from levelfield.config.sheets import check_config
from levelfield.segmentation import METHODS
from levelfield.segmentation.schema import config_parts

EXAMPLES = sorted((REPOSITORY / "config" / "segmenters").glob("*.yaml"))
CATALOGUE = yaml.safe_load(weights.CATALOGUE.read_text())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_right(path, schemas):
    config = yaml.safe_load(path.read_text())
    check_config(config, schemas["config"], path.name, config_parts())
    sets = checked_sets(config, METHODS)
    assert path.stem in {one.method for one in sets}
    for one in sets:
        assert not one.weights or one.weights in CATALOGUE | config.get("weights", {})


WEIGHTS = [name for name, method in METHODS.items() if method.weights]


def test_the_methods_with_weights_are_known():
    learned = {"network", "stardist", "mask_rcnn", "segment_anything", "segment_anything_cells"}
    assert set(WEIGHTS) == learned | {"cellpose", "cellpose3", "instanseg", "microsam"}


@pytest.mark.parametrize("method", WEIGHTS)
def test_a_method_with_weights_builds_on_a_model(method):
    assert "model" in METHODS[method].inputs


def test_every_environment_of_a_worker_has_a_lock_and_a_script():
    for path in (REPOSITORY / "levelfield" / "workers").glob("run_*.py"):
        name = path.stem.removeprefix("run_")
        for ending in ("in", "lock", "yaml"):
            assert (REPOSITORY / "envs" / f"{name}.{ending}").exists()


def test_older_drivers_get_the_same_packages_with_a_torch_for_cuda_12():
    def pins(name):
        lines = (REPOSITORY / "envs" / f"{name}.lock").read_text().splitlines()
        pinned = [line.split(";")[0].split("\\")[0] for line in lines if "==" in line]
        return dict(line.strip().split("==") for line in pinned if not line.startswith((" ", "#")))

    newest, older = pins("levelfield-gpu"), pins("levelfield-cuda12")
    assert "nvidia-cuda-runtime-cu12" in older
    assert not [name for name in older if name.startswith("nvidia-") and name.endswith("cu13")]
    assert older["torch"].startswith("2.10.")
    same = newest.keys() & older.keys()
    assert {"numpy", "cellpose", "snakemake", "segment-anything", "h5py"} <= same
    for name in ("numpy", "scipy", "pandas", "zarr", "cellpose", "snakemake", "segment-anything"):
        assert newest[name].strip() == older[name].strip(), name


def test_locks_hold_hashes_and_no_index():
    for path in (REPOSITORY / "envs").glob("*.lock"):
        lines = path.read_text().splitlines()
        pins = [line for line in lines if "==" in line and not line.startswith((" ", "#"))]
        assert pins
        assert not [
            line for line in lines if line.lstrip().startswith(("-i", "--index", "--extra"))
        ]
        assert len([line for line in lines if "--hash=sha256:" in line]) >= len(pins)
