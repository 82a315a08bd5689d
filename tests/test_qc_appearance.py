"""Classes that look different: what is named, and what is not."""

import pandas as pd
import pytest
from levelfield.qc.evidence.looks import different_looks
from qc_plates import invented_objects


def objects(**changes):
    table = invented_objects({"A01": {}, "A02": {}})
    return table.assign(**{name: table[name] * factor for name, factor in changes.items()})


def names(positive, negative):
    return [look.name for look in different_looks(positive, negative)]


def test_classes_that_look_alike_have_no_differences():
    assert names(objects(), objects()) == []
    assert names(objects(area_px=1.2, grain=1.3, edge_sharpness=0.8), objects()) == []


@pytest.mark.parametrize(
    ("column", "factor", "name"),
    [
        ("area_px", 1.4, "size"),
        ("area_px", 0.7, "size"),
        ("edge_sharpness", 0.6, "sharpness"),
        ("contrast_to_noise", 1.6, "contrast over noise"),
        ("grain", 2.0, "fine texture"),
    ],
)
def test_each_difference_is_named_with_its_size(column, factor, name):
    (look,) = different_looks(objects(**{column: factor}), objects())
    assert look.name == name
    assert look.value == pytest.approx(factor, rel=0.05)
    assert str(look) == f"{name} ({look.value:.2f}×)"


def test_two_percent_of_saturated_objects_in_one_class_are_too_many():
    bright = objects()
    bright.loc[bright.index[:3], "saturated"] = 0.2
    (look,) = different_looks(bright, objects())
    assert str(look) == "saturation (+2.5 % of objects)"
    assert names(bright, bright) == []


def test_a_class_without_objects_looks_like_nothing():
    assert names(objects().head(0), objects()) == []
    assert names(objects(), objects().assign(grain=0.0)) == []
    assert different_looks(pd.DataFrame(), pd.DataFrame()) == []
