"""Which classes get collages, and which object sets cannot have any."""

import pandas as pd
import pytest

from levelfield.config.settings import ObjectSetSettings
from levelfield.steps.collages import cannot_be_made, sound_classes

NUCLEI = ObjectSetSettings("Nuclei", "classical", ("DNA",), {})
CELLS = ObjectSetSettings("Cells", "propagation", ("DNA",), {"parent": "Nuclei"})
LAYOUT = pd.DataFrame(
    {
        "Metadata_Well": ["A01", "A02", "A03", "A04"],
        "Metadata_ControlType": ["negcon", "poscon", "poscon", "trt"],
        "Metadata_Perturbation": ["DMSO", "Drug", "Drug", "Other"],
    }
)
SEGMENTED = pd.DataFrame(
    {
        "Metadata_Well": ["A01", "A01", "A02", "A03", "A04"],
        "Metadata_Site": [1, 2, 1, 1, 1],
        "fault": ["", "", "", "no such file", ""],
    }
)


def test_a_class_has_the_fields_that_could_be_segmented():
    found = sound_classes(LAYOUT, SEGMENTED, [NUCLEI, CELLS])
    assert [(own.made.name, own.scope, own.name) for own in found] == [
        ("Nuclei", "negcon", "DMSO"),
        ("Nuclei", "poscon", "Drug"),
        ("Cells", "negcon", "DMSO"),
        ("Cells", "poscon", "Drug"),
    ]
    assert [own.fields for own in found[:2]] == [(("A01", 1), ("A01", 2)), (("A02", 1),)]
    assert {own.n_classes for own in found} == {2}


def test_a_plate_without_positive_controls_has_one_class():
    only = LAYOUT[LAYOUT["Metadata_ControlType"] != "poscon"]
    (own,) = sound_classes(only, SEGMENTED, [NUCLEI])
    assert (own.scope, own.n_classes) == ("negcon", 1)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (NUCLEI, ""),
        (CELLS, "grown from others"),
        (ObjectSetSettings("Nuclei", "labels", ("DNA",), {}, files="x"), "made elsewhere"),
        (ObjectSetSettings("Split", "edited", ("DNA",), {"parent": "Nuclei"}), "made elsewhere"),
    ],
)
def test_what_cannot_be_segmented_again_says_so(made, why):
    assert why in cannot_be_made(made)
    assert bool(why) == bool(cannot_be_made(made))
