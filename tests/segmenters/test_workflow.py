"""Every segmenter through the real workflow, side by side, to a verdict of its own."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from nuclei import write_training_sheet
from segment_anything_networks import write_small_network
from workflow_runs import small_screen

from levelfield.io.checksums import file_sha256
from levelfield.questions import QUESTIONS

NUCLEI = ("stardist", "mask_rcnn", "cellpose3", "instanseg", "cellpose")
SETS = (*(f"Nuclei{number}" for number in range(len(NUCLEI))), "Anything", "Cells")


@pytest.fixture(scope="module")
def screen(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("screen")
    screen = small_screen(folder / "screen")
    files = {
        method: request.getfixturevalue(f"{method}_file")
        for method in ("cellpose3", "instanseg", "cellpose")
    }
    files["stardist"] = zipped(request.getfixturevalue("stardist_folder"), folder / "small.zip")
    files["sam"] = write_small_network(folder / "sam.pth")
    objects = {
        f"Nuclei{number}": {"method": method, "channels": ["DNA"], "weights": method}
        for number, method in enumerate(NUCLEI)
    }
    # The model learned at the scale of the images: 30 px leaves it as it is.
    objects["Nuclei4"]["parameters"] = {"diameter": 30}
    objects["Anything"] = {
        "method": "segment_anything",
        "channels": ["DNA"],
        "weights": "sam",
        "parameters": {"points_per_side": 8, "minimum_quality": 0, "minimum_stability": 0},
    }
    objects["Cells"] = {
        "method": "segment_anything_cells",
        "parent": "Nuclei0",
        "channels": ["FKHR"],
        "weights": "sam",
    }
    screen.change_config(
        objects=objects,
        readouts={},
        device="cpu",
        networks={
            "mask_rcnn": {
                "method": "mask_rcnn",
                "training": str(write_training_sheet(folder / "training.csv")),
                "parameters": {"steps": 500},
            }
        },
        weights={
            name: {"source": str(path), "sha256": file_sha256(path)} for name, path in files.items()
        },
    )
    screen.run_well()
    return screen


def test_the_mask_rcnn_was_trained_by_the_workflow_and_judged(screen):
    folder = screen.folder / "results" / "networks" / "mask_rcnn" / "generation_1"
    evaluation = pd.read_csv(folder / "evaluation.csv")
    assert evaluation.loc[evaluation["group"] == "all", "ap_50"].item() > 0.3
    assert (folder / "losses.png").stat().st_size > 5000


def zipped(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
    return path


def test_every_site_of_both_control_classes_has_objects_of_every_segmenter(screen):
    sites = screen.table("sites.csv")
    layout = screen.table("wells.csv").set_index("Metadata_Well")["Metadata_ControlType"]
    kinds = sites["Metadata_Well"].map(layout)
    for number in range(len(NUCLEI)):
        counts = sites[f"Count_Nuclei{number}"].astype(float)
        for kind in ("negcon", "poscon"):
            assert np.count_nonzero(counts[kinds == kind] > 20) >= 2, NUCLEI[number]
    # Of random weights, whatever it is.
    assert (sites["Count_Anything"].astype(float) > 0).all()
    assert (sites["Count_Cells"].astype(float) == sites["Count_Nuclei0"].astype(float)).all()


def test_the_tables_say_where_it_was_computed_and_what_overlapped(screen):
    sites = screen.table("sites.csv")
    for name in SETS:
        assert (sites[f"Segmentation_Device_{name}"] == "cpu").all()
    for name in ("Nuclei0", "Nuclei1", "Cells"):
        assert sites[f"Segmentation_OverlappedFraction_{name}"].astype(float).between(0, 1).all()


def test_the_verdict_has_figures_of_every_segmenter(screen):
    verdict = screen.table("qc/verdict.csv")
    for name in SETS:
        rows = verdict[verdict["object_set"] == name]
        assert set(rows["question"]) == set(QUESTIONS)
        classes = rows[rows["scope"] != "difference"]
        classes = classes.assign(estimate=pd.to_numeric(classes["estimate"]))
        measured = classes["estimate"].notna().groupby(classes["measure"]).all()
        assert measured[["balance", "splits", "merges"]].all(), name
        # Random weights draw what has no edge.
        assert measured["bias"] or name == "Anything"
