"""Fields cut into crops."""

import numpy as np
import pandas as pd
import pytest
from review_cases import SIDE, candidates, plate

from levelfield.qc.columns import FIELD
from levelfield.qc.review.crops import (
    CENTRE,
    CROP,
    MOST_OBJECTS,
    WINDOW,
    Frame,
    cut_into_crops,
    frame_of,
)


def test_every_object_and_candidate_lies_in_one_crop_and_crops_tile_the_field():
    objects, found = plate(), candidates()
    frame = frame_of(objects, found)
    crops = cut_into_crops(objects, found, frame)
    for table, places in ((objects, crops.of_objects), (found, crops.of_candidates)):
        rows = crops.table.iloc[places]
        assert (rows[FIELD].to_numpy() == table[FIELD].to_numpy()).all()
        centres, windows = table[CENTRE].to_numpy(), rows[WINDOW].to_numpy(float)
        assert (windows[:, :2] <= centres).all() and (centres < windows[:, 2:]).all()
    counts = np.bincount(crops.of_objects, minlength=len(crops.table))
    assert (counts == crops.table["n_objects"]).all() and counts.max() <= MOST_OBJECTS
    assert 6 < counts.mean() < 8.5
    sides = crops.table[["bottom_px", "right_px"]].to_numpy() - crops.table[WINDOW[:2]].to_numpy()
    area = pd.Series(sides.prod(1)).groupby(crops.table[FIELD].agg(tuple, axis=1)).sum()
    assert area.to_numpy() == pytest.approx(frame.height * frame.width)
    assert frame.height >= SIDE * 0.99


def test_few_objects_far_apart_are_cut_until_a_crop_can_be_looked_at():
    objects = plate().head(3).assign(centre_y_px=[5.0, 900.0, 905.0], centre_x_px=[5.0, 900, 910])
    objects["Metadata_Site"] = 1
    crops = cut_into_crops(objects, candidates().head(0), Frame(1000, 1000, 300))
    sides = crops.table[["bottom_px", "right_px"]].to_numpy() - crops.table[WINDOW[:2]].to_numpy()
    assert sides.max() <= 300 and (crops.table["n_objects"] == 0).any()
    assert crops.of_objects[1] == crops.of_objects[2] != crops.of_objects[0]


def test_a_field_is_cut_the_same_whatever_other_fields_hold():
    objects, found = plate(), candidates()
    frame = frame_of(objects, found)
    own = [table[table["Metadata_Well"] == "B02"] for table in (objects, found)]
    alone = cut_into_crops(*own, frame).table
    whole = cut_into_crops(objects, found, frame).table
    kept = whole[whole["Metadata_Well"] == "B02"].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, alone)
    assert kept[CROP].min() == 1


def test_a_plate_without_objects_has_no_crops():
    none, nothing = plate().head(0), candidates().head(0)
    assert len(cut_into_crops(none, nothing, frame_of(none, nothing)).table) == 0


def test_objects_on_one_spot_do_not_cut_for_ever():
    objects = plate().head(30).assign(centre_y_px=7.0, centre_x_px=7.0, Metadata_Site=1)
    crops = cut_into_crops(objects, candidates().head(0), Frame(64, 64, 300))
    assert crops.table["n_objects"].max() == 30
