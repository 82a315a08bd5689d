"""A GPU that fails in the middle of a job: nothing it touched is stored, and a retry ends the job.

The GPU is this CPU, with the errors of a GPU: torch's own classes, raised where a kernel would have
failed.
"""

from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from conftest import DEMO_PATTERN

torch = pytest.importorskip("torch")

from levelfield.config.settings import Science  # noqa: E402
from levelfield.execution.machine_faults import is_machine_fault  # noqa: E402
from levelfield.io.formats import index_plate  # noqa: E402
from levelfield.io.plate_index import usable_sites  # noqa: E402
from levelfield.io.store import create_plate, read_labels, stored_field  # noqa: E402
from levelfield.segmentation.networks.stardist import StarDistNetwork  # noqa: E402
from levelfield.segmentation.registry import forget_models  # noqa: E402
from levelfield.segmentation.small_network.inference import NetworkModel  # noqa: E402
from levelfield.steps.fit_illumination import fit_plate  # noqa: E402
from levelfield.steps.segment import JobInputs, SegmentationJob, segment_pack, segmentation_job  # noqa: E402

ROOT = Path(__file__).parents[2]
WEIGHTS = {
    "stardist": ROOT / "tests" / "data" / "stardist_small",
    "network": ROOT / "levelfield" / "weights" / "nuclei.safetensors",
}
PARAMETERS = {"stardist": {}, "network": {"diameter": 20.0}}
WELLS = ["A01", "A12", "B01", "B12"]


@pytest.fixture
def segment(small_plate, small_layout, tmp_path, monkeypatch):
    """Segment four wells of small images as on a GPU; return the table."""
    for path in small_plate.glob("*.tif"):
        tifffile.imwrite(path, tifffile.imread(path)[200:300, 200:330])
    monkeypatch.setattr(SegmentationJob, "gpus", ["cpu"])
    monkeypatch.setattr(
        "levelfield.steps.segment.job.file_sha256", lambda path: "0" * 64
    )  # of a folder, as StarDist writes it
    forget_models()

    def run(method: str, store: str) -> pd.DataFrame:
        sections = {
            "channels": {"DNA": {"match": 2}},
            "images": {"format": "pattern", "pattern": DEMO_PATTERN}
            | {"time_point": 0, "bit_depth": None},
            "illumination": {"correct": False, "sample_sites": 4},
            "objects": {
                "Nuclei": {"method": method, "weights": "w", "channels": ["DNA"]}
                | {"parameters": PARAMETERS[method]}
            },
        }
        science = Science(sections)
        index = index_plate(
            small_plate, "P", small_layout, sections["images"], sections["channels"]
        )
        if not (tmp_path / store).exists():
            create_plate(tmp_path / store, "P", 96, usable_sites(index))
        inputs = JobInputs(weights={"w": WEIGHTS[method]})
        flat_fields = fit_plate(index, science, 1, "test")
        job = segmentation_job("P", tmp_path / store, index, science, flat_fields, 25.0, inputs)
        return segment_pack(index, WELLS, job, 1, "test")

    yield run
    forget_models()


def stored(folder: Path) -> dict[str, np.ndarray]:
    there = [well for well in WELLS if stored_field(folder, well, 1)]
    return {well: read_labels(folder, well, 1, "Nuclei") for well in there}


def strike(monkeypatch, owner, name, at, error):
    """Let a function fail once, and from then on again and again: the device is lost."""
    calls, original = count(1), getattr(owner, name)

    def failing(*arguments, **more):
        if next(calls) >= at:
            raise error
        return original(*arguments, **more)

    monkeypatch.setattr(owner, name, failing)


ERRORS = {
    "assertion": torch.AcceleratorError("CUDA error: device-side assert triggered"),
    "memory": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
}
# The third call is the first of a field: two are of the start-up test (three of the small network).
PLACES = {"stardist": (StarDistNetwork, "forward", 4), "network": (NetworkModel, "predict", 5)}


@pytest.mark.parametrize("method", PLACES)
@pytest.mark.parametrize("kind", ERRORS)
def test_a_fault_ends_the_job_stores_nothing_it_touched_and_a_retry_ends_it(
    method, kind, segment, tmp_path, monkeypatch
):
    peace = segment(method, "peace")
    assert (peace["fault"] == "").all() and (peace["Count_Nuclei"] > 0).any()
    with monkeypatch.context() as patch, pytest.raises(Exception) as ended:
        strike(patch, *PLACES[method], ERRORS[kind])
        segment(method, "struck")
    assert is_machine_fault(ended.value)
    expected, kept = stored(tmp_path / "peace"), stored(tmp_path / "struck")
    assert 0 < len(kept) < len(WELLS)
    for well, labels in kept.items():
        np.testing.assert_array_equal(labels, expected[well])
    pd.testing.assert_frame_equal(segment(method, "struck"), peace)
    for well, labels in stored(tmp_path / "struck").items():
        np.testing.assert_array_equal(labels, expected[well])


@pytest.mark.parametrize("together", [1, 3])
def test_after_a_failure_no_field_is_tried_again_on_that_gpu(
    together, segment, tmp_path, monkeypatch
):
    """Fields that were together with the one that failed are not computed one by one."""
    monkeypatch.setattr(SegmentationJob, "fields_at_once", lambda self, pixels: together)
    calls, error = [], ERRORS["assertion"]

    def failing(self, images, *more):
        calls.append(len(images))
        raise error

    monkeypatch.setattr("levelfield.steps.segment.pack.check_job", lambda rule, job: None)
    monkeypatch.setattr(NetworkModel, "predict", failing)
    with pytest.raises(torch.AcceleratorError):
        segment("network", "struck")
    assert max(calls) == together and len(calls) <= len(WELLS)
    assert not stored(tmp_path / "struck")


def test_several_gpus_with_processes_beside_each_make_the_same_labels(
    segment, tmp_path, monkeypatch
):
    """Two fake devices, each with a process of its own that has a helper of its own."""
    peace = segment("network", "peace")
    monkeypatch.setattr(SegmentationJob, "gpus", ["cpu", "cpu"])
    monkeypatch.setattr("levelfield.steps.segment.pack.helpers_worth", lambda fields, cores: 1)
    pd.testing.assert_frame_equal(segment("network", "shared"), peace)
    expected = stored(tmp_path / "peace")
    for well, labels in stored(tmp_path / "shared").items():
        np.testing.assert_array_equal(labels, expected[well])
