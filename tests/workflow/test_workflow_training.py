"""Corrections become weights, and weights become labels, through the real workflow."""

import numpy as np
import pandas as pd
import pytest
import zarr
from workflow_runs import ONE_PACK, small_screen

from levelfield.io import store

pytestmark = pytest.mark.workflow

FIELDS = ("A01", "A12", "B01", "B12")
PARAMETERS = {"steps": 4, "batch": 2, "side": 64, "check_every": 2}


def labels_of(screen, well: str, name: str = "Nuclei") -> np.ndarray:
    return store.read_labels(screen.results / "P.zarr", well, 1, name)


def review(screen, well: str, answers: dict[int, str]) -> list[dict]:
    field = {"plate": "P", "well": well, "site": 1, "object_set": "Nuclei", "reviewer": "ab"}
    checksum = store.checksum(labels_of(screen, well))
    return [
        field | {"object_number": number, "answer": answer, "checksum": checksum}
        for number, answer in answers.items()
    ]


def save_edited(screen, well: str, labels: np.ndarray) -> None:
    """Save labels as napari does: one more label image in the field's own store."""
    field = store.field_path(screen.results / "P.zarr", well, 1)
    group = zarr.open_group(field / "labels", mode="r+").require_group("Nuclei_edited")
    group.create_array("0", data=labels.astype(np.int64), overwrite=True)
    datasets = [{"path": "0"}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"datasets": datasets}]}


def train_with(screen, generation: int) -> None:
    network = {
        "generation": generation,
        "corrections": {"object_set": "Nuclei", "reviews": ["review.csv"]},
        "test_groups": 0.25,
        "parameters": PARAMETERS,
    }
    sets = {
        "Nuclei": {"method": "classical", "channels": ["DNA"]},
        "Learned": {
            "method": "network",
            "channels": ["DNA"],
            "weights": "here",
            "parameters": {"diameter": 20},
        },
    }
    screen.change_config(objects=sets, readouts={}, networks={"here": network}, device="cpu")


@pytest.fixture(scope="module")
def screen(tmp_path_factory):
    """Nuclei that were segmented, reviewed, edited in one field, and learned from."""
    screen = small_screen(tmp_path_factory.mktemp("training"))
    nuclei = {"Nuclei": {"method": "classical"}}
    screen.change_config(objects=nuclei, readouts={}, packs_per_plate=1)
    screen.run_well(*ONE_PACK)
    rows = [
        row
        for well in FIELDS
        for row in review(screen, well, {1: "correct", 2: "correct", 3: "merged"})
    ]
    pd.DataFrame(rows).to_csv(screen.folder / "review.csv", index=False)
    labels = labels_of(screen, "C01")
    save_edited(screen, "C01", np.where(labels == 1, 0, labels))
    train_with(screen, 1)
    screen.run_well(*ONE_PACK)
    return screen


def generation(screen, number: int):
    return screen.folder / "results" / "networks" / "here" / f"generation_{number}"


def test_reviewed_and_edited_objects_are_learned_from(screen):
    sheet = pd.read_csv(generation(screen, 1) / "collected.csv")
    assert sheet["Metadata_Well"].tolist() == ["A01", "A12", "B01", "B12", "C01"]
    assert sheet["Metadata_Kind"].tolist() == ["review"] * 4 + ["edited"]
    assert sheet["known"].notna().tolist() == [True] * 4 + [False]
    counts = pd.read_csv(generation(screen, 1) / "corrections.csv")
    assert counts["n_judged"].tolist()[:4] == [3] * 4
    assert counts["n_corrected"].tolist() == [1] * 5
    assert counts["n_judged"].iloc[4] == labels_of(screen, "C01").max()


def test_wells_stay_whole_and_the_test_well_judges(screen):
    split = pd.read_csv(generation(screen, 1) / "split.csv")
    assert split.groupby("group")["role"].nunique().max() == 1
    assert split["role"].value_counts().to_dict() == {"training": 3, "test": 2}
    evaluation = pd.read_csv(generation(screen, 1) / "evaluation.csv")
    tested = set(split.loc[split["role"] == "test", "group"])
    assert set(evaluation["group"]) == {"all", *tested}
    assert set(evaluation["generation"]) == {1}


def test_an_object_set_is_segmented_with_the_trained_weights(screen):
    printed = screen.run_well("--dry-run", *ONE_PACK)
    assert "Nothing to be done" in printed
    screen.change_config(device="auto")  # another device makes nothing again
    assert "Nothing to be done" in screen.run_well("--dry-run", *ONE_PACK)
    screen.change_config(device="cpu")
    assert labels_of(screen, "A01", "Learned").shape == labels_of(screen, "A01").shape
    log = (generation(screen, 1) / "logs" / "train_network.log").read_text()
    assert "step 4/4" in log
    assert "steps/s" in log
    for picture in ("losses.png", "generations.png"):
        assert (generation(screen, 1) / picture).stat().st_size > 5000
    assert not list(generation(screen, 1).glob("checkpoint*"))


def test_the_next_generation_needs_something_new_and_keeps_the_last_one(screen):
    kept = {path: path.read_bytes() for path in generation(screen, 1).rglob("*") if path.is_file()}
    train_with(screen, 2)
    done = screen.run(*ONE_PACK)
    assert done.returncode != 0
    assert "generation 1 has learned from this review already" in done.stdout
    train_with(screen, 3)
    done = screen.run("--dry-run", *ONE_PACK)
    assert "raise the generation by one at a time" in done.stdout
    rows = review(screen, "B01", {1: "correct", 2: "not_an_object", 3: "cannot_tell"})
    pd.DataFrame(rows).to_csv(screen.folder / "review.csv", index=False)
    train_with(screen, 2)
    screen.run_well("--", "train_networks")
    counts = pd.read_csv(generation(screen, 2) / "corrections.csv")
    assert counts[["Metadata_Well", "n_judged", "n_corrected"]].to_numpy().tolist() == [
        ["B01", 2, 1]
    ]
    table = pd.read_csv(generation(screen, 2) / "generations.csv")
    assert table["generation"].tolist() == [0, 1, 2]
    assert table["share_corrected"].iloc[1] == 0.5
    assert np.isnan(table["share_corrected"].iloc[2])
    assert table["ap_50"].notna().tolist() == [False, True, True]
    assert all(path.read_bytes() == content for path, content in kept.items())


def test_a_review_of_labels_that_are_gone_does_not_count(screen):
    rows = review(screen, "A12", {1: "correct"})
    rows[0]["checksum"] = "0" * 64
    pd.DataFrame(rows).to_csv(screen.folder / "review.csv", index=False)
    train_with(screen, 3)
    done = screen.run("--", "train_networks")
    assert done.returncode != 0
    assert "well A12, site 1: 1 answers are of earlier labels and do not count" in done.stdout
    assert "there is nothing to learn from" in done.stdout
