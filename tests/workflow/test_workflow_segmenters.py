"""Every way to make an object set, through the real workflow."""

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from real_images import BBBC013 as DEMO_IMAGES
from skimage.filters import threshold_otsu
from skimage.measure import label
from workflow_runs import VERDICT, small_screen

from levelfield.config.checks import check_classifiers, checked_sets
from levelfield.config.sheets import ConfigError
from levelfield.images.planes import read_plane
from levelfield.io import store
from levelfield.segmentation import METHODS

pytestmark = pytest.mark.workflow


def otsu_labels(well: str) -> np.ndarray:
    plane = read_plane(next(DEMO_IMAGES.glob(f"Channel2-*-{well[0]}-{well[1:]}.tif")))
    return label(plane > threshold_otsu(plane), connectivity=1)


def write_png(labels: np.ndarray, path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels.astype(np.uint16)).save(path)


@pytest.fixture(scope="module")
def screen(tmp_path_factory):
    """One plate whose object sets are made in six ways; one imported label image is missing."""
    screen = small_screen(tmp_path_factory.mktemp("segmenters"))
    for well in ("A01", "A12", "B01", "B12", "C01", "C07"):
        write_png(otsu_labels(well), screen.folder / "labels" / "P" / f"{well}_1_masks.png")
    rows = ["image\tannotation\tkind"]
    for well in ("A01", "B12"):
        image = next(screen.images.glob(f"Channel2-*-{well[0]}-{well[1:]}.tif"))
        rows.append(f"{image}\t{screen.folder}/labels/P/{well}_1_masks.png\tlabels")
    (screen.folder / "training.tsv").write_text("\n".join(rows) + "\n")
    screen.change_config(
        packs_per_plate=1,
        qc={"excluded_sites_percent": 20},
        pixel_classifiers={
            "nuclei": {
                "training": str(screen.folder / "training.tsv"),
                "parameters": {"n_trees": 5, "pixels_per_image": 2000},
            }
        },
        objects={
            "Nuclei": {
                "method": "classical",
                "threshold_from": "negcon",
                "steps": [{"step": "gaussian", "parameters": {"sigma": 1.0}}],
            },
            "Cells": {
                "method": "watershed",
                "parent": "Nuclei",
                "channels": ["FKHR"],
                "parameters": {"threshold": {"method": "manual", "value": 0.02}},
            },
            "Cytoplasm": {"method": "subtraction", "parent": "Cells", "minus": "Nuclei"},
            "Forest": {"method": "pixel_classifier", "classifier": "nuclei"},
            "Likely": {
                "method": "classical",
                "classifier": "nuclei",
                "parameters": {
                    "threshold": {"method": "manual", "value": 0.5},
                    "outline": None,
                    "declump": {"centres": "shape", "lines": "shape"},
                },
            },
            "Elsewhere": {"method": "labels", "files": "labels/{plate}/{well}_{site}_masks.png"},
        },
    )
    screen.run_well(*VERDICT)
    return screen


def test_one_threshold_is_measured_on_the_negative_controls_and_used_everywhere(screen):
    measured = screen.table("thresholds.csv").set_index("object_set")
    assert list(measured.index) == ["Nuclei"]
    assert measured.loc["Nuclei", "n_sites"] == 3
    used = screen.table("sites.csv")["Threshold_FinalThreshold_Nuclei"].astype(float)
    assert np.allclose(used, float(measured.loc["Nuclei", "threshold"]))


def test_labels_made_elsewhere_are_measured_and_judged(screen):
    found = store.read_labels(screen.results / "P.zarr", "A12", 1, "Elsewhere")
    assert np.array_equal(found > 0, otsu_labels("A12") > 0)
    objects = pd.read_parquet(screen.results / "objects" / "Elsewhere.parquet")
    assert (objects["Metadata_Well"] == "A12").sum() == otsu_labels("A12").max()
    verdict = screen.table("qc/verdict.csv")
    assert {"Elsewhere", "Forest"} <= set(verdict["object_set"])


def test_a_field_without_its_imported_labels_is_left_out_with_the_path(screen):
    excluded = screen.table("excluded_sites.csv")
    assert list(excluded["Metadata_Well"]) == ["C12"]
    assert "C12_1_masks.png" in excluded.loc[0, "reason"]


def test_the_trained_forest_finds_the_nuclei(screen):
    plate = screen.results / "P.zarr"
    forest = store.read_labels(plate, "C01", 1, "Forest") > 0
    nuclei = store.read_labels(plate, "C01", 1, "Nuclei") > 0
    assert (forest & nuclei).sum() / (forest | nuclei).sum() > 0.7


def test_a_forests_probability_is_an_image_for_other_methods(screen):
    plate = screen.results / "P.zarr"
    likely, forest = (store.read_labels(plate, "C01", 1, name) for name in ("Likely", "Forest"))
    assert ((likely > 0) == (forest > 0)).mean() > 0.999
    level = screen.table("sites.csv")["Threshold_FinalThreshold_Likely"]
    assert set(level) == {0.5}


def config(screen, **nuclei) -> dict:
    content = yaml.safe_load((screen.folder / "config.yaml").read_text())
    content["objects"] = {"Nuclei": {"method": "classical", "parameters": {}} | nuclei}
    return content


def test_a_level_that_cannot_be_measured_beforehand_is_refused(screen):
    manual = {"threshold": {"method": "manual", "value": 0.1}}
    with pytest.raises(ConfigError, match=r"objects.Nuclei.threshold_from: one level"):
        checked_sets(config(screen, threshold_from="plate", parameters=manual), METHODS)
    with pytest.raises(ConfigError, match="method labels has no threshold"):
        checked_sets(config(screen, method="labels", files="x", threshold_from="plate"), METHODS)
    with pytest.raises(ConfigError, match="a probability, which means the same in all images"):
        checked_sets(config(screen, classifier="nuclei", threshold_from="plate"), METHODS)


def test_an_unknown_classifier_is_refused_before_anything_runs(screen):
    path = screen.folder / "other.yaml"
    other = config(screen, method="pixel_classifier", classifier="cells")
    path.write_text(yaml.safe_dump(other, sort_keys=False))
    done = screen.run("--configfile", str(path), "--dry-run")
    assert done.returncode != 0
    assert "'cells' is not under pixel_classifiers. Allowed: nuclei" in done.stdout


def test_a_classifier_where_none_is_used_or_known_is_refused(screen):
    unused = checked_sets(config(screen, method="labels", files="x", classifier="nuclei"), METHODS)
    with pytest.raises(ConfigError, match="method labels does not look at a probability"):
        check_classifiers(unused, ["nuclei"], METHODS)
    unknown = checked_sets(config(screen, classifier="cells"), METHODS)
    with pytest.raises(ConfigError, match="'cells' is not under pixel_classifiers"):
        check_classifiers(unknown, ["nuclei"], METHODS)
    check_classifiers(checked_sets(config(screen), METHODS), [], METHODS)
