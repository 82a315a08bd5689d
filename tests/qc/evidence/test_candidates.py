"""Candidates: places where an object may be missing, and how each is described."""

import numpy as np
import pytest
from qc_fields import SHAPE, discs, grid, opinion_of, picture

from levelfield.qc.evidence.candidates import (
    CANDIDATE,
    CANDIDATE_COLUMNS,
    PARENT,
    RESIDUAL,
    SECOND_OPINION,
    childless_parents,
    find_candidates,
    no_candidates,
)

NUCLEI = grid()
IMAGE = picture(NUCLEI)


def candidates_of(labels, image=IMAGE, seen=NUCLEI):
    return find_candidates(labels.astype(np.int32), image, opinion_of(seen))


def test_an_object_without_a_label_is_one_candidate_and_the_others_are_none():
    places, table = candidates_of(np.where(NUCLEI == 5, 0, NUCLEI))
    assert len(table) == 1
    one = table.iloc[0]
    assert one["found_by"] == SECOND_OPINION and not one["touches_border"]
    assert (one["centre_y_px"], one["centre_x_px"]) == pytest.approx((60, 60))
    assert one["area_px"] == np.count_nonzero(NUCLEI == 5)
    assert one["typical_diameter_px"] == pytest.approx(16, abs=1.5)
    assert (places > 0).sum() == one["area_px"]
    assert one["jury_agreement"] == one["jury_finding"] == 1
    assert one["contrast_to_noise"] > 10 and one["contrast_to_rim"] > 5
    assert one["covered"] == 0 and one["distance_to_label_px"] == pytest.approx(20, abs=2)


def test_what_is_labelled_is_no_candidate():
    places, table = candidates_of(NUCLEI)
    assert not places.any() and table.empty
    assert tuple(table) == CANDIDATE_COLUMNS


@pytest.mark.parametrize(("shift", "found"), [(2, 0), (14, 1)])
def test_a_label_must_cover_some_of_an_object_to_count_as_its_label(shift, found):
    labels = np.where(NUCLEI == 5, 0, NUCLEI)
    labels[np.roll(NUCLEI == 5, shift, axis=1)] = 5
    assert len(candidates_of(labels)[1]) == found


def test_a_bright_blob_that_the_second_opinion_overlooks_is_a_residual_candidate():
    seen = np.where(NUCLEI == 5, 0, NUCLEI)
    places, table = candidates_of(seen, seen=seen)
    assert table["found_by"].tolist() == [RESIDUAL]
    assert table["centre_y_px"].iloc[0] == pytest.approx(60, abs=1)
    assert table["jury_finding"].iloc[0] == 0
    assert (places[NUCLEI == 5] > 0).mean() > 0.8


def test_dust_is_no_residual_candidate():
    dust = discs([(42, 42)], radius=1)
    assert candidates_of(NUCLEI, np.where(dust, 0.6, IMAGE).astype(np.float32))[1].empty


def test_candidates_of_both_kinds_are_numbered_through():
    labels = np.where((NUCLEI == 5) | (NUCLEI == 1), 0, NUCLEI)
    places, table = candidates_of(labels, seen=np.where(NUCLEI == 5, 0, NUCLEI))
    assert table["found_by"].tolist() == [SECOND_OPINION, RESIDUAL]
    assert table[CANDIDATE].tolist() == [1, 2]
    assert set(np.unique(places)) == {0, 1, 2}


def test_in_a_field_without_labels_all_objects_are_candidates():
    _, table = candidates_of(np.zeros(SHAPE, np.int32))
    assert (table["found_by"] == SECOND_OPINION).sum() == 9
    assert np.isinf(table["distance_to_label_px"]).all()
    assert table.drop(columns="distance_to_label_px").notna().all(axis=None)


def test_an_empty_field_and_nothing_seen_has_no_candidates():
    empty = np.zeros(SHAPE, np.int32)
    _, table = candidates_of(empty, picture(empty), seen=empty)
    assert table.empty and tuple(table) == CANDIDATE_COLUMNS


def test_every_cell_without_a_nucleus_is_a_candidate_and_parents_with_children_are_none():
    children = np.where((NUCLEI == 2) | (NUCLEI == 7), 0, NUCLEI)
    table = childless_parents(children, NUCLEI)
    assert table["found_by"].tolist() == [PARENT] * 2
    assert table["centre_y_px"].tolist() == pytest.approx([24, 96])
    assert table["area_px"].tolist() == [np.count_nonzero(number == NUCLEI) for number in (2, 7)]
    assert table["jury_agreement"].isna().all()
    assert childless_parents(NUCLEI, NUCLEI).empty
    assert len(childless_parents(np.zeros(SHAPE, np.int32), NUCLEI)) == 9


def test_tables_of_all_origins_have_the_same_columns_and_types():
    filled = candidates_of(np.where(NUCLEI == 5, 0, NUCLEI))[1]
    parents = childless_parents(np.zeros(SHAPE, np.int32), NUCLEI)
    for table in (no_candidates(), filled, parents):
        assert tuple(table) == CANDIDATE_COLUMNS
        assert (table.dtypes == no_candidates().dtypes).all()
