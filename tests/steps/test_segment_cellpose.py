"""Cellpose in a job: the same labels on one worker and on a GPU's threads, and what it was told."""

import pandas as pd
import pytest
import tifffile
from cellpose_networks import save_random_network, use_small_sam
from conftest import DEMO_PATTERN

from levelfield.config.settings import Science
from levelfield.io.formats import index_plate
from levelfield.io.plate_index import usable_sites
from levelfield.io.store import create_plate
from levelfield.steps import segment as segmentation
from levelfield.steps.fit_illumination import fit_plate
from levelfield.steps.segment import JobInputs, segment_pack, segmentation_job

SCIENCE = {
    "channels": {"DNA": {"match": 2}, "FKHR": {"match": 1}},
    "images": {"format": "pattern", "pattern": DEMO_PATTERN, "time_point": 0, "bit_depth": None},
    "illumination": {"correct": False, "sample_sites": 4},
    "objects": {
        "Cells": {
            "method": "cellpose",
            "weights": "small",
            "channels": ["FKHR", "DNA"],
            "parameters": {"flow_threshold": 0.0, "iterations": 20},
        }
    },
}
WELLS = ["A01", "A12", "B01", "B12"]


@pytest.fixture
def weights(tmp_path, monkeypatch):
    use_small_sam(monkeypatch)
    return save_random_network(tmp_path / "small")


@pytest.fixture
def segment(small_plate, small_layout, weights, tmp_path):
    """Segment four wells of small images in a new store; return the table."""
    for path in small_plate.glob("*.tif"):
        tifffile.imwrite(path, tifffile.imread(path)[200:300, 200:330])
    index = index_plate(small_plate, "P", small_layout, SCIENCE["images"], SCIENCE["channels"])
    flat_fields = fit_plate(index, Science(SCIENCE), 1, "test")

    def run(store: str, device: str = "cpu") -> pd.DataFrame:
        create_plate(tmp_path / store, "P", 96, usable_sites(index))
        job = segmentation_job(
            "P",
            tmp_path / store,
            index,
            Science(SCIENCE),
            flat_fields,
            25.0,
            JobInputs(weights={"small": weights}, device=device),
        )
        return segment_pack(index, WELLS, job, 1, "test")

    return run


def test_threads_of_a_gpu_make_the_same_labels_as_one_worker(segment, monkeypatch):
    plain = segment("one")
    assert (plain["fault"] == "").all()
    assert (plain["Count_Cells"] > 3).all()
    assert set(plain["Segmentation_Device_Cells"]) == {"cpu"}
    monkeypatch.setattr(segmentation.SegmentationJob, "gpus", ["cpu"])
    pd.testing.assert_frame_equal(segment("two"), plain)


def test_a_gpu_that_is_not_there_ends_the_job_before_any_field(segment, monkeypatch, tmp_path):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match="torch sees 0 GPU"):
        segment("none", device="cuda")
