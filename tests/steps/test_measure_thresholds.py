"""One threshold for a whole plate is the one that the method would find by itself."""

import numpy as np
import pytest
from conftest import DEMO_PATTERN

from levelfield.config.settings import Science, object_sets, planted_wells, threshold_wells
from levelfield.images.sites import sites_of
from levelfield.io.formats import index_plate
from levelfield.segmentation import METHODS, segment_objects, threshold_settings
from levelfield.steps.fields import plate_images
from levelfield.steps.fit_illumination import fit_plate
from levelfield.steps.measure_thresholds import measure_thresholds, with_plate_threshold

SCIENCE = {
    "images": {"format": "pattern", "pattern": DEMO_PATTERN, "time_point": 0, "bit_depth": None},
    "channels": {"DNA": {"match": 2}, "FKHR": {"match": 1}},
    "illumination": {"correct": False, "sample_sites": 300},
}
ALL = {
    "Nuclei": {"method": "classical", "threshold_from": "negcon"},
    "Cells": {
        "method": "propagation",
        "parent": "Nuclei",
        "channels": ["FKHR"],
        "threshold_from": "negcon",
    },
    "Floods": {
        "method": "watershed",
        "parent": "Nuclei",
        "channels": ["FKHR"],
        "threshold_from": "negcon",
    },
}


@pytest.fixture
def plate(small_plate, small_layout):
    """Index, layout and flat fields of a plate with one negative control."""
    layout = small_layout[small_layout["Metadata_Well"] != "B01"]
    index = index_plate(small_plate, "P", small_layout, SCIENCE["images"], SCIENCE["channels"])
    return index, layout, fit_plate(index, Science(SCIENCE), 1, "test")


def measure(plate, objects):
    index, layout, fields = plate
    science = Science(SCIENCE | {"objects": objects})
    kinds = dict(zip(layout["Metadata_Well"], layout["Metadata_ControlType"], strict=True))
    wells = threshold_wells(science.object_sets, kinds)
    table = measure_thresholds(index, wells, science, fields, 1, "test")
    return table.set_index("object_set"), science.object_sets


def test_the_level_is_that_of_the_methods_own_default_on_the_same_image(plate):
    index, _, fields = plate
    table, sets = measure(plate, ALL)
    assert [one.method for one in sets] == ["classical", "propagation", "watershed"]
    assert set(table["method"]) == {"otsu_three_low"}
    images = plate_images(Science(SCIENCE), np.dtype("uint8"), fields)
    dna, fkhr = images.corrected(images.read(sites_of(index, ["A01"])[0]))[:, None]
    nuclei = segment_objects(dna, "classical", {})
    # The table's level comes from a sample of the pixels.
    level = pytest.approx(nuclei.record["OrigThreshold"], rel=0.1)
    assert table.loc["Nuclei", "threshold"] == level
    for name, method in (("Cells", "propagation"), ("Floods", "watershed")):
        cells = segment_objects(fkhr, method, {}, {"parent": nuclei.labels})
        level = pytest.approx(cells.record["OrigThreshold"], rel=0.1)
        without_log = segment_objects(fkhr, method, {"threshold": {}}, {"parent": nuclei.labels})
        assert table.loc[name, "threshold"] == level != without_log.record["OrigThreshold"]


def test_what_the_config_sets_replaces_the_default_as_a_whole(plate):
    other = {"method": "li", "correction": 1.2}
    table, _ = measure(plate, {"Nuclei": ALL["Nuclei"] | {"parameters": {"threshold": other}}})
    assert table.loc["Nuclei", "method"] == "li"
    settings = threshold_settings("propagation", {"threshold": other})
    assert settings["log"] is False and settings["correction"] == 1.2
    assert threshold_settings("propagation", {})["log"] is True
    fixed = with_plate_threshold({"threshold": other}, 0.25)["threshold"]
    assert fixed == {"method": "manual", "value": 0.25, "correction": 1.2}


def test_the_methods_with_a_threshold_are_those_whose_default_measures_one():
    def has_threshold(method):
        try:
            return threshold_settings(method, {})["method"] not in ("manual", "sauvola")
        except ValueError:
            return False

    assert set(filter(has_threshold, METHODS)) == {
        name for name, method in METHODS.items() if method.threshold
    }


def test_a_layout_without_the_wells_is_refused(plate):
    index, layout, fields = plate
    trt = layout.assign(Metadata_ControlType="trt")
    with pytest.raises(ValueError, match="'negcon', but the layout has no well of type negcon"):
        measure((index, trt, fields), ALL)


def test_only_the_wells_that_matter_are_asked_for():
    kinds = {"A01": "negcon", "A02": "poscon", "A03": "trt"}
    for name, wells in {
        "negcon": ["A01"],
        "controls": ["A01", "A02"],
        "plate": ["A01", "A02", "A03"],
    }.items():
        rule = {"method": "classical", "threshold_from": name}
        sets = object_sets(SCIENCE | {"objects": {"Nuclei": rule, "Spots": ALL["Nuclei"]}})
        assert threshold_wells(sets, kinds) == {"Nuclei": wells, "Spots": ["A01"]}
    rule = {"method": "classical", "planted": {"control_type": "trt", "grow_px": 1}}
    assert threshold_wells(object_sets(SCIENCE | {"objects": {"Nuclei": rule}}), kinds) == {}
    assert planted_wells(object_sets(SCIENCE | {"objects": {"Nuclei": rule}}), kinds) == {
        "A03": "trt"
    }
    assert planted_wells(sets, kinds) == {}
