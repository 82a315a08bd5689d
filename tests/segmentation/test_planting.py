"""Labels altered by a known amount: what is planted is there, and nothing else has changed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.draw import ellipse
from skimage.measure import label as label_parts

from levelfield.labels.objects import object_numbers
from levelfield.segmentation.planting import (
    dimness_order,
    plant_drops,
    plant_error,
    plant_merges,
    plant_splits,
    size_order,
)

SEEDS = st.integers(0, 300)
SHARES = st.sampled_from([0.0, 0.02, 0.1, 0.25, 0.4, 0.75, 1.0])


def nuclei(seed: int, step: int = 18, count: int = 6) -> np.ndarray:
    """Ellipses on a grid, some touching, with gaps in their numbers; some of them small."""
    random = np.random.default_rng(seed)
    labels = np.zeros((step * count,) * 2, np.int32)
    for place, number in enumerate(random.permutation(2 * count**2)[: count**2] + 1):
        centre = (np.array(divmod(place, count)) + 0.5) * step + random.uniform(-1, 1, 2)
        radii = random.uniform(1.5, 3, 2) if random.random() < 0.2 else random.uniform(5, 9, 2)
        region = ellipse(*centre, *radii, shape=labels.shape, rotation=random.uniform(0, 3))
        labels[region] = np.where(labels[region] == 0, number, labels[region])
    return labels


def counts(labels: np.ndarray) -> int:
    return len(object_numbers(labels))


def planted(function, labels, share, seed=1, **options):
    return function(labels, share, np.random.default_rng(seed), **options)


@given(SEEDS, SHARES, st.integers(0, 5))
def test_drops_remove_a_share_and_touch_no_other_object(seed, share, state):
    labels = nuclei(seed)
    dropped = planted(plant_drops, labels, share, state)
    assert dropped.dtype == np.int32
    left = object_numbers(dropped)
    assert np.array_equal(dropped, np.where(np.isin(labels, left), labels, 0))
    assert abs((1 - share) * counts(labels) - len(left)) < 1


@given(SEEDS, st.integers(0, 5))
def test_a_larger_share_drops_the_same_objects_and_more(seed, state):
    labels = nuclei(seed)
    left = [set(object_numbers(planted(plant_drops, labels, s, state))) for s in (0.1, 0.3, 0.6)]
    assert left[0] >= left[1] >= left[2]


def test_the_mean_share_is_exact_where_fields_have_few_objects():
    labels = np.zeros((8, 8), np.int32)
    labels[::3, ::3] = np.arange(1, 10).reshape(3, 3)
    rng = np.random.default_rng(0)
    gone = [9 - counts(plant_drops(labels, 0.05, rng)) for _ in range(4000)]
    assert set(gone) == {0, 1}
    assert np.mean(gone) == pytest.approx(0.45, abs=0.03)


@given(SEEDS, SHARES)
def test_the_smallest_and_the_dimmest_go_first(seed, share):
    labels = nuclei(seed)
    image = np.random.default_rng(seed).random(labels.shape)
    numbers = object_numbers(labels)
    for order in (size_order(labels), dimness_order(labels, image)):
        left = np.isin(numbers, object_numbers(planted(plant_drops, labels, share, order=order)))
        if left.any() and not left.all():
            assert order[~left].max() <= order[left].min()
    assert size_order(labels).sum() == (labels > 0).sum()
    first = labels == numbers[0]
    assert dimness_order(labels, image)[0] == pytest.approx(image[first].mean())


@given(SEEDS, SHARES)
def test_splits_cut_large_objects_in_two_and_keep_every_pixel(seed, share):
    labels = nuclei(seed)
    split = planted(plant_splits, labels, share)
    assert split.dtype == np.int32
    assert np.array_equal(split > 0, labels > 0)
    more = counts(split) - counts(labels)
    large = int((size_order(labels) >= 30).sum())
    assert min(share * counts(labels), large) - 1 < more < share * counts(labels) + 1
    whole = np.bincount(labels.ravel(), minlength=split.max() + 1)
    for number in object_numbers(split)[object_numbers(split) > labels.max()]:
        (parent,) = np.unique(labels[split == number])
        assert 0.25 <= (split == number).sum() / whole[parent] <= 0.75
        assert whole[parent] >= 30


def test_the_cut_is_across_the_long_axis():
    labels = np.zeros((40, 80), np.int32)
    labels[ellipse(20, 40, 6, 25)] = 1
    one, other = (np.argwhere(planted(plant_splits, labels, 1.0) == n).mean(axis=0) for n in (1, 2))
    assert abs(one[0] - other[0]) < 1
    assert abs(one[1] - other[1]) > 18


@given(SEEDS, SHARES)
def test_merges_join_neighbours_into_whole_objects(seed, share):
    labels = nuclei(seed)
    merged = planted(plant_merges, labels, share)
    assert merged.dtype == np.int32
    fewer = counts(labels) - counts(merged)
    assert fewer < share * counts(labels) + 1
    most = counts(labels) - counts(planted(plant_merges, labels, 1.0))
    assert fewer >= min(np.floor(share * counts(labels)), most)
    for number in object_numbers(merged):
        now = merged == number
        before = [old for old in np.unique(labels[now]) if old]
        assert all(now[labels == old].all() for old in before), "objects are joined as wholes"
        assert number == min(before)
        if len(before) == 1:
            assert np.array_equal(now, labels == number), "others stay as they are"
        elif all(label_parts(labels == old).max() == 1 for old in before):
            assert label_parts(now).max() == 1


def test_merges_bridge_a_gap_and_no_wider_one():
    labels = np.zeros((30, 60), np.int32)
    labels[10:20, 5:15], labels[10:20, 19:29], labels[10:20, 40:50] = 1, 2, 3
    merged = planted(plant_merges, labels, 1.0)
    assert list(object_numbers(merged)) == [1, 3]
    assert (merged[12:18, 5:29] == 1).all()


@pytest.mark.parametrize("error", ["drop_percent", "split_percent", "merge_percent"])
def test_the_names_of_a_field_decide_what_is_planted(error):
    labels = nuclei(3)
    one = plant_error(labels, error, 30, ("P", "A01", 1, "Nuclei"))
    assert np.array_equal(one, plant_error(labels, error, 30, ("P", "A01", 1, "Nuclei")))
    for names in (("Q", "A01", 1, "Nuclei"), ("P", "A02", 1, "Nuclei"), ("P", "A01", 0, "Nuclei")):
        assert not np.array_equal(one, plant_error(labels, error, 30, names))


def test_what_cannot_be_planted_is_refused_or_left_alone():
    empty = np.zeros((5, 5), np.int32)
    for function in (plant_drops, plant_splits, plant_merges):
        assert np.array_equal(planted(function, empty, 0.5), empty)
        assert np.array_equal(planted(function, nuclei(0), 0.0), nuclei(0))
        with pytest.raises(ValueError, match="a share of 25 cannot be planted"):
            planted(function, nuclei(0), 25)
    with pytest.raises(ValueError, match="needs one value for each"):
        planted(plant_drops, nuclei(0), 0.5, order=np.zeros(3))
