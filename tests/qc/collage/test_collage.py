"""Collages: emptied fields, donors, and the images that are made of them."""

import numpy as np
import pytest
from qc_fields import discs, opinion_of, picture
from qc_images import nuclei_by_group
from scipy import ndimage

from levelfield.evaluation.image import evaluate_image
from levelfield.labels.contacts import contacts
from levelfield.labels.labelwise import areas
from levelfield.labels.overlap import count_overlap, number_labels
from levelfield.qc.collage.background import empty_field
from levelfield.qc.collage.compose import compose, worth_arranging
from levelfield.qc.collage.donors import donor_yield, find_donors
from levelfield.qc.collage.seen_field import see_field
from levelfield.qc.evidence.second_opinion import ask_second_opinion
from levelfield.segmentation.registry import segment_objects

SINGLE, CLUMP, NEAR = (30, 30), [(70, 30), (70, 44)], [(30, 80), (30, 98)]
GROUPS = ("256x256_1", "256x256_3")


def seen(labels, image=None):
    return see_field((picture(labels) if image is None else image)[None], opinion_of(labels))


@pytest.fixture(scope="module", params=GROUPS)
def nuclei(request):
    """Real fields as the second opinion sees them, with what people drew of them."""
    fields = dict(nuclei_by_group())[request.param]
    return [see_field(image[None], ask_second_opinion(image, drawn)) for image, drawn in fields], [
        drawn for _, drawn in fields
    ]


def test_a_field_is_emptied_of_what_stands_out_and_of_nothing_else():
    labels = discs([SINGLE, *CLUMP])
    image = picture(labels, brightness=0.6)
    occupied = ndimage.binary_dilation(labels > 0, iterations=3)
    smooth, noise = empty_field(image[None], occupied, 16)
    emptied = (smooth + noise)[0]
    away = ~ndimage.binary_dilation(occupied, iterations=6)
    assert np.allclose(emptied[away], image[away], atol=1e-6)
    assert emptied.max() < 0.2 < 0.6 < image.max()
    # The noise under an object is as strong as elsewhere.
    assert np.std(noise[0][labels > 0]) == pytest.approx(np.std(noise[0][away]), rel=0.25)


def test_isolated_objects_are_donors_and_clumps_and_close_neighbours_are_not():
    centres = [SINGLE, (100, 64), (100, 100)]
    labels = discs([*centres, *CLUMP, *NEAR])
    donors = find_donors([seen(labels)])
    assert len(donors) == len(centres)
    assert donor_yield(donors, [seen(labels)]) == pytest.approx(3 / 7)
    for donor in donors:
        assert donor.area == pytest.approx(np.pi * 8**2, rel=0.15)
        middle = [length // 2 for length in donor.mask.shape]
        assert ndimage.center_of_mass(donor.mask) == pytest.approx(middle, abs=0.6)
        assert donor.weight[donor.mask].min() == 1
        assert donor.weight[0].max() < 1


def test_an_object_that_the_border_cuts_is_no_donor():
    assert not find_donors([seen(discs([(4, 60), (124, 30)]))])


def test_real_donors_are_single_objects(nuclei):
    fields, drawn = nuclei
    single = []
    for field, reference in zip(fields, drawn, strict=True):
        donors = find_donors([field])
        assert len(donors) >= 5
        # What people drew where the donor was cut from.
        for donor in donors:
            place = place_in(field.image[0] - field.emptied.smooth[0], donor)
            inside = areas(reference[place])
            held = inside[inside > 0.1 * donor.area]
            single.append(len(held) == 1)
    assert np.mean(single) >= 0.9


def place_in(plane, donor):
    """Pixels of a field that a donor was cut from, found by its own brightest row of pixels."""
    y, x = np.argwhere(donor.mask)[0]
    values = donor.signal[0][donor.mask]
    first = np.argwhere(np.isclose(plane, values[0], atol=1e-7))
    offsets = np.argwhere(donor.mask) - (y, x)
    for start in first:
        at = start + offsets
        if (at >= 0).all() and (at < plane.shape).all():
            found = plane[tuple(at.T)]
            if np.allclose(found, values, atol=1e-6):
                return tuple(at.T)
    raise AssertionError("a donor that is not of the field")


def test_a_collage_has_an_object_wherever_another_field_has_one(nuclei):
    fields, _ = nuclei
    made = compose(fields, find_donors(fields), 4, [3])
    for number, collage in enumerate(made):
        plan = fields[number % 2].arrangement
        n_objects = int(collage.truth.max())
        small = np.count_nonzero(areas(plan) < 0.1 * fields[number % 2].diameter ** 2)
        assert n_objects + collage.n_lost + small == plan.max()
        assert collage.n_lost <= 0.1 * plan.max()
        turned = np.rot90(plan, 2 * (number // 2))
        overlap = count_overlap(
            number_labels(collage.truth, "truth"), number_labels(np.ascontiguousarray(turned), "p")
        )
        assert len(np.unique(overlap.reference)) >= 0.9 * (plan.max() - small)
        inside = collage.image[0][collage.truth > 0]
        assert np.median(inside) > 3 * np.median(collage.image[0][collage.truth == 0])


def test_what_touches_in_the_plate_touches_in_the_collage():
    pairs = [(24 + 40 * i, 24 + 50 * j + d) for i in range(3) for j in range(2) for d in (0, 15)]
    singles = [(24 + 36 * i, 24 + 36 * j) for i in range(3) for j in range(3)]
    fields = [seen(discs(pairs)), seen(discs(singles))]
    paired, _ = compose(fields, find_donors(fields), 2, [0])
    assert paired.truth.max() == len(pairs)
    assert len(contacts(paired.truth).pairs) >= 5


def test_the_same_numbers_give_the_same_collages(nuclei):
    fields, _ = nuclei
    donors = find_donors(fields)
    first, again, other = (compose(fields, donors, 2, names) for names in ([1], [1], [2]))
    for one, same, another in zip(first, again, other, strict=True):
        assert np.array_equal(one.image, same.image)
        assert np.array_equal(one.truth, same.truth)
        assert not np.array_equal(one.truth, another.truth)


def test_all_channels_of_an_object_move_together():
    labels = discs([SINGLE, (90, 40), (60, 90)])
    plane = picture(labels)
    field = see_field(np.stack([plane, 1 - 0.5 * plane]), opinion_of(labels))
    (collage,) = compose([field], find_donors([field]), 1, [0])
    first, second = collage.image
    inside = ndimage.binary_erosion(collage.truth > 0, iterations=2)
    outside = ~ndimage.binary_dilation(collage.truth > 0, iterations=8)
    assert first[inside].min() > 0.4 > 0.2 > first[outside].max()
    assert second[inside].max() < 0.8 < 0.9 < second[outside].min()


def test_a_good_segmenter_errs_little_and_a_bad_one_as_it_should(nuclei):
    fields, _ = nuclei
    made = compose(fields, find_donors(fields), 4, [5])

    def rates(parameters):
        scores = [
            evaluate_image(
                segment_objects(collage.image, "classical", parameters).labels, collage.truth
            ).scores
            for collage in made
        ]
        n = sum(score["n_reference"] for score in scores)
        return [
            sum(score[name] for score in scores) / n
            for name in ("n_splits", "n_lacking_objects", "n_missed")
        ]

    good = rates({})
    assert good[0] < 0.05
    assert max(good) < 0.12
    assert rates({"declump": {"centres": "none"}})[1] > good[1] + 0.03


def test_nearly_empty_fields_are_not_arranged():
    full = seen(discs([(24 + 36 * i, 24 + 36 * j) for i in range(3) for j in range(3)]))
    sparse = seen(discs([SINGLE, (90, 90)]))
    assert worth_arranging([full, sparse, full]) == [full, full]
    assert worth_arranging([sparse]) == worth_arranging([]) == []


def test_nothing_to_compose_is_an_error():
    with pytest.raises(ValueError, match="0 and 0"):
        compose([], [], 1, [0])


def test_a_field_in_which_nobody_sees_an_object_says_nothing():
    labels = np.zeros((64, 64), np.int32)
    assert see_field(picture(labels)[None], opinion_of(labels)) is None
