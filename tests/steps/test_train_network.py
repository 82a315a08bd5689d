"""Training sheets and the config's section networks: read, checked, refused with a remedy."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import SCHEMAS
from PIL import Image

from levelfield.config.networks import (
    NetworkSettings,
    check_networks,
    network_settings,
    review_files,
    weights_file,
)
from levelfield.config.results import Results
from levelfield.config.sheets import ConfigError, SheetError, check_config
from levelfield.segmentation.networks.mask_rcnn import load_mask_rcnn
from levelfield.steps.train_network import NetworkTraining, read_training_images, train_network
from levelfield.training.kinds import KINDS
from levelfield.training.recipe import TrainingSettings

SCHEMA = SCHEMAS / "network_training.yaml"
PARAMETERS = {"steps": 4, "batch": 2, "side": 32, "check_every": 2}


def save(array: np.ndarray, path: Path) -> str:
    Image.fromarray(array).save(path)
    return str(path)


@pytest.fixture
def sheet(tmp_path):
    """Four images of disks in four groups; of the first one only the left half is known."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:64, :64]
    disk = (y - 30) ** 2 + (x - 34) ** 2 < 100
    rows = []
    for number in range(4):
        image = np.where(disk, 180, 30) + rng.normal(0, 5, disk.shape)
        rows.append(
            {
                "image": save(image.astype(np.uint8), tmp_path / f"image{number}.png"),
                "labels": save((disk * 5).astype(np.uint16), tmp_path / f"labels{number}.png"),
                "group": f"day{number}",
                "known": "",
            }
        )
    rows[0]["known"] = save(((x < 32) * 255).astype(np.uint8), tmp_path / "known.png")
    path = tmp_path / "sheet.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_pixels_outside_of_the_known_mask_are_unknown(sheet):
    table, images = read_training_images([sheet], SCHEMA)
    assert table["group"].tolist() == ["day0", "day1", "day2", "day3"]
    assert (images[0].labels[:, 32:] == -1).all()
    assert (images[0].labels[:, :32] >= 0).all()
    assert (images[1].labels >= 0).all()
    assert images[1].diameter == pytest.approx(20, abs=0.3)


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("image", "no.tif", "line 3: 'no.tif' cannot be opened"),
        ("labels", "no.png", "line 3:.*no.png"),
        ("group", "", "line 3: column 'group' holds ''"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(sheet, column, value, says):
    rows = pd.read_csv(sheet, keep_default_na=False)
    rows.loc[1, column] = value
    rows.to_csv(sheet, index=False)
    with pytest.raises(SheetError, match=says):
        read_training_images([sheet], SCHEMA)


def test_an_image_is_not_taken_twice(sheet):
    with pytest.raises(SheetError, match=r"image0\.png' is in the training sheets twice"):
        read_training_images([sheet, sheet], SCHEMA)


def job(sheet, folder: Path, **settings) -> NetworkTraining:
    folder.mkdir()
    network = NetworkSettings("disks", test_groups=("day3",), parameters=PARAMETERS)
    return NetworkTraining(
        network=replace(network, **settings),
        sheets=(sheet,),
        schema=SCHEMA,
        start=None,
        earlier=(),
        folder=folder,
        device="cpu",
        workers=0,
    )


def test_a_training_leaves_all_that_should_be_known_of_it(sheet, tmp_path):
    first = job(sheet, tmp_path / "generation_1")
    train_network(first)
    assert sorted(path.name for path in first.folder.iterdir()) == [
        *("evaluation.csv", "generations.csv", "generations.png", "history.csv", "losses.png"),
        *("split.csv", "weights.safetensors"),
    ]
    split = pd.read_csv(first.folder / "split.csv").set_index("group")["role"]
    assert split.to_dict() == dict.fromkeys(["day0", "day1", "day2"], "training") | {"day3": "test"}
    tuned = replace(
        job(sheet, tmp_path / "generation_2", generation=2, test_groups=0.5),
        start=first.folder / "weights.safetensors",
        earlier=(first.folder,),
    )
    with pytest.raises(ConfigError, match="'day0' is used for training already"):
        train_network(replace(tuned, network=replace(tuned.network, test_groups=("day0",))))
    train_network(tuned)
    evaluation = pd.read_csv(tuned.folder / "evaluation.csv")
    assert evaluation["generation"].tolist() == [0, 1, 2]
    kept = pd.read_csv(tuned.folder / "split.csv").set_index("group")["role"]
    assert kept.to_dict() == split.to_dict()


def test_fine_tuning_has_defaults_of_its_own():
    kind = KINDS["network"]
    assert kind.settings({}, fine_tuning=False) == TrainingSettings()
    tuned = kind.settings({"batch": 3, "heads": ["flow"]}, fine_tuning=True)
    assert (tuned.steps, tuned.batch, tuned.heads) == (kind.fine_tuning["steps"], 3, ("flow",))


def config(**network) -> dict:
    objects = {"Nuclei": {"method": "network", "weights": "mine"}}
    return {"networks": {"mine": network}, "objects": objects, "weights": {"other": {}}}


def check(content: dict) -> None:
    check_networks(network_settings(content), content)


@pytest.mark.parametrize(
    ("network", "says"),
    [
        ({}, "there is nothing to learn from"),
        ({"generation": 0}, "generation 0 uses the weights named as `start`"),
        ({"training": "nowhere.csv"}, r"networks\.mine\.training: there is no file 'nowhere\.csv'"),
        ({"corrections": {"object_set": "Cells"}}, "'Cells' is not under 'objects'"),
    ],
)
def test_a_network_that_cannot_be_trained_is_refused(network, says):
    with pytest.raises(ConfigError, match=says):
        check(config(**network))


def test_weights_that_are_trained_here_are_for_one_method_alone():
    content = config(start="other", generation=0)
    check(content)
    content["objects"]["Nuclei"]["method"] = "cellpose"
    with pytest.raises(ConfigError, match="and this set is segmented with cellpose"):
        check(content)
    with pytest.raises(ConfigError, match="described under 'weights' too"):
        check(config(start="x", generation=0) | {"weights": {"mine": {}}})


def test_a_mask_rcnn_learns_from_a_sheet_like_any_network(sheet, tmp_path):
    parameters = {"steps": 2, "batch": 1, "side": 64, "check_every": 1}
    given = {"method": "mask_rcnn", "parameters": parameters, "validation_groups": ("day2",)}
    partly = job(sheet, tmp_path / "partly", **given)
    with pytest.raises(ValueError, match="only parts are known"):
        train_network(partly)
    whole = tmp_path / "whole.csv"
    pd.read_csv(sheet).drop(columns="known").to_csv(whole, index=False)
    one = job(whole, tmp_path / "generation_1", **given)
    train_network(one)
    assert load_mask_rcnn(one.folder / "weights.safetensors").facts["generation"] == "1"
    history = pd.read_csv(one.folder / "history.csv")
    assert {"loss_mask", "training", "validation"} <= set(history)
    assert pd.read_csv(one.folder / "evaluation.csv")["role"].tolist() == ["test", "validation"]


def test_a_mask_rcnn_learns_from_whole_images_only():
    corrections = {"object_set": "Nuclei", "reviews": ["review.csv"]}
    content = config(method="mask_rcnn", corrections=corrections)
    content["objects"]["Nuclei"]["method"] = "mask_rcnn"
    with pytest.raises(ConfigError, match=r"corrections\.reviews: a Mask R-CNN learns from"):
        check(content)
    corrections |= {"reviews": [], "edited": "changes"}
    with pytest.raises(ConfigError, match=r"corrections\.edited: a Mask R-CNN"):
        check(content)
    corrections["edited"] = "field"
    check(content)


def test_parameters_of_the_other_method_are_refused():
    own = {"method": "mask_rcnn", "training": __file__, "parameters": {"heads": ["flow"]}}
    with pytest.raises(ConfigError, match=r"parameters\.heads: this is for the method network"):
        check(config(**own))
    with pytest.raises(ConfigError, match=r"backbone: this is for the method mask_rcnn"):
        check(config(training=__file__, parameters={"backbone": "small"}))


def test_generation_0_is_what_training_starts_from():
    networks = network_settings(config(start="other", generation=0))
    assert weights_file(Results("results"), networks["mine"]) == "resources/weights/other"
    trained = replace(networks["mine"], generation=2)
    path = weights_file(Results("results"), trained)
    assert path == "results/networks/mine/generation_2/weights.safetensors"
    assert list(trained.earlier) == [1]


def test_wrong_keys_of_a_network_are_named(schemas):
    part = {"networks.yaml": schemas["networks"]}
    rule = {"properties": {"networks": {"additionalProperties": {"$ref": "networks.yaml"}}}}
    good = {"training": "x.csv", "test_groups": ["a"], "parameters": {"steps": 3}}
    check_config({"networks": {"mine": good}}, rule, "my.yaml", part)
    with pytest.raises(ConfigError, match=r"networks\.mine\.parameters: the key 'step' is not"):
        check_config({"networks": {"mine": {"parameters": {"step": 3}}}}, rule, "my.yaml", part)


def test_review_sheets_of_plates_may_be_missing_but_named_ones_may_not(tmp_path):
    (tmp_path / "B.csv").touch()
    pattern = str(tmp_path / "{plate}.csv")
    assert review_files([pattern, "all.csv"], ["A", "B"]) == [tmp_path / "B.csv", Path("all.csv")]
