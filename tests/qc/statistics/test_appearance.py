"""Classes and wells that look different: how far, and which wells the controls say nothing of."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qc_plates import layout, scored_plate, sums_of, wells_of

from levelfield.qc.statistics.appearance import APPEARANCE, appearance_shift
from levelfield.qc.statistics.comparison import comparisons
from levelfield.qc.statistics.coverage import not_covered

TABLE = scored_plate(wells_of("A", 2)).objects


def changed(**factors):
    return TABLE.assign(**{name: TABLE[name] * factor for name, factor in factors.items()})


def test_classes_that_look_alike_have_no_shift():
    assert set(appearance_shift(TABLE, TABLE).values()) == {0.0}


@given(st.sampled_from(sorted(APPEARANCE)), st.floats(0.2, 5))
def test_shift_is_the_absolute_logarithm_of_the_ratio_whichever_way(name, factor):
    other = changed(**{APPEARANCE[name]: factor})
    for shift in (appearance_shift(other, TABLE), appearance_shift(TABLE, other)):
        assert shift[name] == pytest.approx(abs(np.log(factor)), abs=1e-9)
        assert sum(shift.values()) == pytest.approx(shift[name])


def test_saturation_is_the_difference_of_the_shares_of_saturated_objects():
    some = TABLE.assign(saturated=np.where(np.arange(len(TABLE)) % 4 == 0, 0.3, 0.0))
    assert appearance_shift(some, TABLE)["saturation"] == pytest.approx(0.25)


def test_a_class_without_objects_or_without_a_measure_has_no_shift():
    assert set(appearance_shift(TABLE.iloc[:0], TABLE).values()) == {0.0}
    assert appearance_shift(TABLE.assign(grain=np.nan), TABLE)["grain"] == 0


def uncovered(treated, positive=None):
    wells = wells_of("A") | wells_of("B", **(positive or {}))
    wells |= {f"C{k:02d}": planted for k, planted in enumerate(treated, start=1)}
    scored = scored_plate(wells)
    sheet = layout()
    return not_covered("P1", scored.objects, sums_of(scored), sheet, comparisons(sheet))


def test_treated_wells_that_look_like_a_control_are_covered():
    assert uncovered([{}] * 6) == []


def test_a_treated_well_that_looks_like_neither_class_is_listed_with_its_reason():
    found = uncovered([{}, {"size": 0.3}, {"sharpness": 0.4}])
    assert [(one.well, one.reason.split()[0]) for one in found] == [
        ("C02", "size"),
        ("C03", "sharpness"),
    ]
    assert float(found[0].reason.split()[1]) == pytest.approx(0.3, abs=0.03)
    assert found[0].perturbation == "compound" and found[0].distance > 4


def test_a_well_between_both_classes_is_covered_as_a_lower_dose_is():
    assert uncovered([{"size": 0.5}, {"size": 0.7}], {"size": 0.5}) == []
    assert len(uncovered([{"size": 0.2}], {"size": 0.5})) == 1


def test_a_treated_well_with_too_few_objects_is_not_covered():
    (found,) = uncovered([{"count": 3}])
    assert found.reason == "too few objects" and np.isnan(found.distance)


def test_without_any_control_nothing_can_be_said():
    scored = scored_plate({"C01": {}})
    sheet = layout()
    assert not_covered("P1", scored.objects, sums_of(scored), sheet, comparisons(sheet)) == []
