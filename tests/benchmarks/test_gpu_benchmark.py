"""The benchmark of a GPU: no figure of blank sites, and none that is no number."""

import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from real_images import REPOSITORY  # noqa: E402

sys.path.insert(0, str(REPOSITORY / "benchmarks"))

import gpu_pipeline  # noqa: E402
from gpu_parts import images  # noqa: E402
from gpu_parts.planted import Planted  # noqa: E402
from gpu_parts.rows import Rows  # noqa: E402

from levelfield.segmentation.methods.cellpose import CellposeOptions  # noqa: E402
from levelfield.segmentation.networks.cellpose.dynamics import find_objects  # noqa: E402


def test_sites_hold_real_images_and_their_labels():
    image, labels = images.mosaic(256, 0)
    assert image.shape == (1, 256, 256) and image.std() > 0.01
    assert labels.max() > 5


def test_without_its_images_nothing_is_measured(monkeypatch, tmp_path):
    """A table of an H200 was: every average precision in it was no number."""
    monkeypatch.setattr(images, "DATA", tmp_path)
    with pytest.raises(ValueError, match="of blank sites every figure would be wrong"):
        images.mosaic(256, 0)


def test_what_is_no_number_is_no_row(tmp_path):
    rows = Rows(tmp_path / "rows.csv", "test")
    rows.add("fine", ratio=0.5)
    with pytest.raises(ValueError, match="ap90_labels came out as no number"):
        rows.add("wrong", ap90_labels=float("nan"))
    assert (tmp_path / "rows.csv").read_text().splitlines()[-1].startswith("fine,")


def test_planted_flows_give_the_objects_that_they_are_of():
    labels = images.mosaic(256, 0)[1]
    flows = images.flows_of(labels, torch.device("cpu"))[None]
    said = np.random.default_rng(0).normal(0, 4, flows.shape).astype(np.float32)
    planted = Planted(flows, said, torch.device("cpu"))
    rounded = torch.from_numpy(said[0] + np.float32(0.02))
    found = find_objects(planted(0, rounded)[None], CellposeOptions())[0].numpy()
    n_objects = len(np.unique(labels)) - 1
    assert abs(found.max() - n_objects) <= 0.1 * n_objects
    assert np.mean((found > 0) == (labels > 0)) > 0.99


@pytest.mark.parametrize(
    ("cpu", "own", "gpu_ms", "expected", "bound"),
    [
        (0.1, 0.02, 70.0, 14.3, "GPU"),
        (0.8, 0.02, 70.0, 5.0, "CPU"),
        (0.2, 0.1, 70.0, 10.0, "process of the GPU"),
    ],
)
def test_the_pipeline_is_bound_by_what_takes_longest(cpu, own, gpu_ms, expected, bound):
    """Portions of four fields; before the second third starts nothing is counted."""
    marks = [(100.0 * n, 4, 9 + 4 * own * n, 50 + 4 * cpu * n) for n in range(12)]
    marks[0] = (0.0, 4, 0.0, 0.0)
    arguments = type("Arguments", (), {"cores": 4, "gpu_ms": gpu_ms})
    row = gpu_pipeline._row(marks, 4, arguments)
    assert (row["sustained_per_s"], row["bound_by"]) == (expected, bound)
    assert row["cpu_s"] == pytest.approx(cpu) and row["gpu_process_s"] == pytest.approx(own)
