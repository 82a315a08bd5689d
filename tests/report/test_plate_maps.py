"""Plate maps and distributions of control wells."""

import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_cases import OBJECT_SETS, layout_of, report_of

from levelfield.config.wells import PLATE_SHAPES
from levelfield.qc.statistics.comparison import comparisons
from levelfield.qc.wording.numbers import plain
from levelfield.report.distributions import _RADIUS, control_groups, draw_distribution, spread
from levelfield.report.heatmaps import colours_of, draw_plate_map
from levelfield.report.quantities import Quantity, quantities


@pytest.mark.parametrize("n_wells", list(PLATE_SHAPES))
def test_map_shows_every_well_of_every_format(n_wells):
    layout = layout_of(n_wells)
    values = pd.DataFrame({"Metadata_Well": layout["Metadata_Well"], "value": range(len(layout))})
    picture = draw_plate_map(Quantity("Counts", "", values), n_wells, layout)
    rows, columns = PLATE_SHAPES[n_wells]
    named = re.findall(r"<title>(\w+)[,:]", picture)
    assert named == list(layout["Metadata_Well"])
    assert picture.count("<circle") == rows  # column 1 is the negative control
    assert picture.count("<polygon") == rows  # column 2 the positive one
    width = float(re.search(r'viewBox="0 0 (\S+) ', picture)[1])
    right = max(float(x) for x in re.findall(r'<rect x="([\d.]+)"', picture))
    assert 0 < width - right < 70
    assert f">{columns - (1 - columns % 2) * (n_wells == 1536)}</text>" in picture


def test_map_puts_a_value_on_its_well_and_leaves_others_hatched():
    layout = layout_of(96)
    table = pd.DataFrame({"Metadata_Well": ["C05"], "value": [123.4]})
    picture = draw_plate_map(Quantity("Counts", "cells", table), 96, layout)
    assert "<title>C05, compound 5: 123 cells</title>" in picture
    assert "<title>A01, negative control, DMSO: no value</title>" in picture
    assert picture.count("url(#hatching)") == 95
    filled = re.search(r'<rect x="(\S+)" y="(\S+)"[^>]*fill="#\w+"[^>]*><title>C05', picture)
    corner = re.search(r'<rect x="(\S+)" y="(\S+)"[^>]*><title>A01', picture)
    ground = re.search(r'<rect x="(\S+)" y="(\S+)" class="plate-ground"', picture)
    assert all(float(corner[i]) - float(ground[i]) == 0.5 for i in (1, 2))
    assert float(filled[1]) - float(corner[1]) == 4 * 26
    assert float(filled[2]) - float(corner[2]) == 2 * 26


def test_map_of_several_sites_shows_their_mean():
    table = pd.DataFrame(
        {"Metadata_Well": ["A01", "A01"], "Metadata_Site": [1, 2], "value": [1, 4]}
    )
    picture = draw_plate_map(Quantity("Counts", "", table), 6, layout_of(6))
    assert "A01, negative control, DMSO: 2.5</title>" in picture


def test_map_of_one_value_says_so_in_place_of_a_colour_bar():
    layout = layout_of(96)
    table = pd.DataFrame({"Metadata_Well": layout["Metadata_Well"], "value": 2.0})
    picture = draw_plate_map(Quantity("Threshold", "% of full scale", table), 96, layout)
    assert ">2 % of full scale in every well</text>" in picture
    assert "url(#colours" not in picture


def test_colours_are_centred_on_zero_where_zero_is_the_ideal():
    table = pd.DataFrame({"Metadata_Well": list("abcd"), "value": [-0.1, 0.0, 0.1, 0.3]})
    colours = colours_of(Quantity("Bias", "px", table, margin=0.5))
    assert (colours.low, colours.high) == (-0.5, 0.5)  # harmless values stay pale
    assert min(colours.rgb(0.0)) > 235
    far = colours_of(Quantity("Bias", "px", table.assign(value=[-9.0, 0, 0, 0]), margin=0.5))
    assert far.low == -far.high < -8


def test_one_odd_well_does_not_pale_all_others():
    table = pd.DataFrame({"Metadata_Well": map(str, range(384)), "value": [*range(383), 1e9]})
    assert colours_of(Quantity("Counts", "", table)).high < 400
    few = table.iloc[-6:]
    assert colours_of(Quantity("Counts", "", few)).high == 1e9


def test_distribution_shows_every_control_well_and_its_mean():
    layout = layout_of(96, positives=("Drug A",))
    values = np.arange(96.0)
    table = pd.DataFrame({"Metadata_Well": layout["Metadata_Well"], "value": values})
    table.loc[table["Metadata_Well"] == "B01", "value"] = np.nan
    picture = draw_distribution(Quantity("Counts", "", table), control_groups(comparisons(layout)))
    dots = dict(re.findall(r"<title>(\w\d\d): ([\d.]+)</title>", picture))
    known = table.dropna()
    controls = known[known["Metadata_Well"].str.endswith(("01", "02"))]
    assert dots == {row.Metadata_Well: plain(row.value) for row in controls.itertuples()}
    negative = known.loc[known["Metadata_Well"].str.endswith("01"), "value"].mean()
    assert f"DMSO: mean of 7 wells {plain(negative)}," in picture


@given(st.lists(st.floats(0, 300), max_size=60))
def test_dots_hide_one_another_only_when_there_is_no_room(places):
    reach = 12.0
    offsets = spread(places, reach)
    assert len(offsets) == len(places)
    assert all(abs(offset) <= reach for offset in offsets)
    assert all(b - a > 1.8 * _RADIUS for a, b in pairwise(sorted(set(offsets))))
    for level in set(offsets) - {0.0}:  # the middle takes those for which there is no room
        own = sorted(x for x, offset in zip(places, offsets, strict=True) if offset == level)
        assert all(b - a >= 2 * _RADIUS for a, b in pairwise(own))
    if len(places) <= 5:
        assert len(set(zip(places, offsets, strict=True))) == len(places)


def test_sets_that_count_the_same_share_a_map():
    data = report_of(layout_of(96), 96)
    names = [one.name for one in _quantities(data)]
    assert names.count("Nuclei and Cells per well") == 1
    apart = report_of(data.layout, 96, wells=data.wells.assign(Count_Cells=5))
    assert "Cells per well" in [one.name for one in _quantities(apart)]


def _quantities(data):
    return quantities(data.wells, data.sites, data.qc_wells, OBJECT_SETS, {"bias": 1.0})
