"""The shipped configs are right, and wrong ones are refused with the key and a remedy."""

import copy

import pytest
import yaml
from conftest import REPOSITORY

from levelfield.pipeline.settings import object_sets
from levelfield.sheets import ConfigError, check_config, with_defaults


def load(name: str) -> dict:
    return yaml.safe_load((REPOSITORY / "config" / name).read_text())


def check(config: dict, schemas: dict) -> None:
    parts = {"segmentation.yaml": schemas["segmentation"]}
    check_config(config, schemas["config"], "my.yaml", parts)


@pytest.mark.parametrize("name", ["config.yaml", "bbbc013.yaml", "demo_planted.yaml"])
def test_the_shipped_configs_are_right(name, schemas):
    check(load(name), schemas)


def test_the_demo_and_the_whole_plate_share_their_science():
    demo, whole = load("config.yaml"), load("bbbc013.yaml")
    for key in ("images", "channels", "objects", "readouts"):
        assert demo[key] == whole[key]


def test_the_planted_demo_differs_from_the_demo_by_its_error_and_its_folder_alone():
    demo, planted = load("config.yaml"), load("demo_planted.yaml")
    assert planted["objects"]["Nuclei"].pop("planted") == {"control_type": "poscon", "grow_px": 1.5}
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
        ("channels.DNA", {"color": "0000FF"}, ["channels.DNA", "'match' is missing"]),
        ("objects.Nuclei.planted", {"grow": 1}, ["Nuclei.planted", "'grow'", "grow_px"]),
        ("objects.Nuclei.planted", {"grow_px": 1}, ["'control_type' is missing"]),
        (
            "objects.Nuclei.planted",
            {"control_type": "poscons", "grow_px": 1},
            ["planted.control_type", "poscons", "poscon"],
        ),
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
        object_sets(config)


def test_a_set_with_more_channels_than_its_method_sees_is_refused():
    wrong = changed("objects.Nuclei.channels", ["DNA", "FKHR"])
    with pytest.raises(ConfigError, match=r"classical sees one channel, and these are 2 \(DNA"):
        object_sets(wrong)
    wrong["objects"]["Nuclei"]["steps"] = [{"step": "combine_channels"}]
    object_sets(wrong)


def test_a_set_that_sees_an_unknown_channel_is_refused():
    with pytest.raises(ConfigError, match=r"'GFP' is no channel\. Allowed: DNA, FKHR"):
        object_sets(changed("objects.Nuclei.channels", ["GFP"]))


def test_defaults_fill_what_is_left_out_and_nothing_else(schemas):
    filled = with_defaults({"qc": {"margins": {"threshold": 1.0}}}, schemas["config"])
    assert filled["qc"]["margins"] == {"split_merge": 10, "threshold": 1.0, "agreement": 90}
    assert filled["packs_per_plate"] == 4
    assert "objects" not in filled
