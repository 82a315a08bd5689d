"""The shipped configs are right, and wrong ones are refused with the key and a remedy."""

import copy

import pytest
import yaml
from conftest import REPOSITORY

from levelfield.config.checks import checked_sets
from levelfield.config.sheets import ConfigError, check_config, with_defaults
from levelfield.segmentation import METHODS
from levelfield.segmentation.schema import config_parts

SHIPPED = ["config.yaml", "bbbc013.yaml", "demo_planted.yaml", "demo_missed.yaml"]


def load(name: str) -> dict:
    return yaml.safe_load((REPOSITORY / "config" / name).read_text())


def check(config: dict, schemas: dict) -> None:
    check_config(config, schemas["config"], "my.yaml", config_parts())


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_configs_are_right(name, schemas):
    check(load(name), schemas)


def test_the_demo_and_the_whole_plate_share_their_science():
    demo, whole = load("config.yaml"), load("bbbc013.yaml")
    for key in ("images", "channels", "objects", "readouts"):
        assert demo[key] == whole[key]


@pytest.mark.parametrize(
    ("name", "error"),
    [("demo_planted.yaml", {"grow_px": 1.5}), ("demo_missed.yaml", {"drop_percent": 25})],
)
def test_the_planted_demos_differ_from_the_demo_by_error_and_folder_alone(name, error):
    demo, planted = load("config.yaml"), load(name)
    assert planted["objects"]["Nuclei"].pop("planted") == {"control_type": "poscon"} | error
    assert planted.pop("results") != demo.pop("results")
    assert planted == demo


def changed(path: str, value) -> dict:
    config = copy.deepcopy(load("config.yaml"))
    *above, last = path.split(".")
    section = config
    for key in above:
        section = section.setdefault(key, {})
    section[last] = value
    return config


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("objcts", {}, ["'objcts' is not known", "Did you mean 'objects'"]),
        ("qc.margins.split_merges", 3, ["qc.margins", "'split_merges'", "split_merge"]),
        ("qc.threshold_level", 2, ["qc.threshold_level", "2", "less than"]),
        ("packs_per_plate", 0, ["packs_per_plate", "0", "at least 1"]),
        ("objects.Nuclei.method", "magic", ["objects.Nuclei.method", "magic", "classical"]),
        ("objects.Nuclei.parameters", {"smothing": 1}, ["objects.Nuclei.parameters", "smoothing"]),
        ("channels.DNA.projection", "median", ["channels.DNA.projection", "best_focus"]),
        ("objects.Nuclei.planted", {"grow": 1}, ["Nuclei.planted", "'grow'", "grow_px"]),
        ("objects.Nuclei.planted", {"grow_px": 1}, ["'control_type' is missing"]),
        (
            "objects.Nuclei.planted",
            {"control_type": "poscons", "grow_px": 1},
            ["planted.control_type", "poscons", "poscon"],
        ),
        (
            "objects.Nuclei.planted",
            {"control_type": "poscon", "drop_percent": 101},
            ["planted.drop_percent", "101", "at most 100"],
        ),
        (
            "qc.margins.split_merge",
            10,
            ["qc.margins.split_merge: 10", "class, difference", "{class: 15, difference: 10}"],
        ),
        ("qc.margins.found", {"class": 101}, ["qc.margins.found.class", "101", "at most 100"]),
        ("qc.margins.agreement", {"klass": 80}, ["'klass' is not known", "'class'"]),
        ("qc.margins.threshold.difference", 0, ["threshold.difference", "0", "more than 0"]),
        ("images.bit_depth", "twelve", ["images.bit_depth", "twelve"]),
    ],
)
def test_a_wrong_config_is_refused_with_key_value_and_remedy(schemas, path, value, says):
    with pytest.raises(ConfigError) as error:
        check(changed(path, value), schemas)
    assert all(part in str(error.value) for part in ["my.yaml", *says])


def test_every_error_is_reported_at_once(schemas):
    config = changed("packs_per_plate", 0) | {"objcts": {}}
    with pytest.raises(ConfigError) as error:
        check(config, schemas)
    assert len(str(error.value).splitlines()) == 2


def test_a_set_that_builds_on_one_below_it_is_refused():
    config = load("config.yaml")
    config["objects"] = dict(reversed(config["objects"].items()))
    with pytest.raises(ConfigError, match=r"objects.Cytoplasm.parent: 'Cells'"):
        checked_sets(config, METHODS)


def test_a_set_with_more_channels_than_its_method_sees_is_refused():
    wrong = changed("objects.Nuclei.channels", ["DNA", "FKHR"])
    with pytest.raises(ConfigError, match=r"classical sees one channel, and these are 2 \(DNA"):
        checked_sets(wrong, METHODS)
    wrong["objects"]["Nuclei"]["steps"] = [{"step": "combine_channels"}]
    checked_sets(wrong, METHODS)


def test_a_set_that_sees_an_unknown_channel_is_refused():
    with pytest.raises(ConfigError, match=r"'GFP' is no channel\. Allowed: DNA, FKHR"):
        checked_sets(changed("objects.Nuclei.channels", ["GFP"]), METHODS)


@pytest.mark.parametrize(
    ("planted", "named"),
    [({}, "no error"), ({"grow_px": 1, "drop_percent": 5}, "grow_px and drop_percent")],
)
def test_exactly_one_error_can_be_planted_into_a_set(planted, named):
    config = changed("objects.Nuclei.planted", {"control_type": "poscon"} | planted)
    with pytest.raises(ConfigError, match=rf"Nuclei\.planted: names {named}. Name exactly one of"):
        checked_sets(config, METHODS)


MARGINS = {
    "split_merge": {"class": 15, "difference": 10},
    "threshold": {"class": 1.0, "difference": 0.5},
    "agreement": {"class": 90, "difference": 10},
    "found": {"class": 95, "difference": 5},
}


def test_defaults_fill_what_is_left_out_and_nothing_else(schemas):
    filled = with_defaults(load("config.yaml"), schemas["config"])
    assert filled["qc"]["margins"] == MARGINS
    filled = with_defaults({"qc": {"margins": {"threshold": {"class": 2}}}}, schemas["config"])
    assert filled["qc"]["margins"] == MARGINS | {"threshold": {"class": 2, "difference": 0.5}}
    assert filled["packs_per_plate"] == 4
    assert "objects" not in filled
