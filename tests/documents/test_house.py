"""The pictures of the house show the imports as they are."""

import importlib.util

import pytest
from conftest import REPOSITORY

PICTURES = REPOSITORY / "docs" / "pictures"


def load():
    spec = importlib.util.spec_from_file_location("house", PICTURES / "house.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


house = load()


@pytest.mark.parametrize("name", house.PICTURES)
def test_the_picture_is_that_of_the_imports(name):
    drawn = house.draw(house.PICTURES[name])
    assert (PICTURES / name).read_text() == drawn, "run `python docs/pictures/house.py`"


def test_an_arrow_that_follows_from_others_is_left_out():
    edges = {"a": {"b", "c"}, "b": {"c"}, "c": set()}
    assert house.needed(edges) == {"a": ["b"], "b": ["c"], "c": []}
    assert [house.floor_of(room, edges) for room in "abc"] == [2, 1, 0]


def test_an_arrow_over_several_floors_runs_through_passages():
    edges = {"a": {"b", "d"}, "b": {"c"}, "c": set(), "d": set()}
    assert ["a", "a>d>1", "d"] in house.routes(edges)
    floors = house.floors(edges, house.routes(edges))
    assert [sorted(floor) for floor in floors] == [["c", "d"], ["a>d>1", "b"], ["a"]]
