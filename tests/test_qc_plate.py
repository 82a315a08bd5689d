"""The whole QC of one plate, on real images and on plates with gaps."""

import numpy as np
import pandas as pd
import pytest
from qc_images import dilated, load_bbbc013
from qc_plates import features_of_wells, fields_of, group_images, layout, with_field

from levelfield.qc.evidence.features import empty_features
from levelfield.qc.plate import assess_plate
from levelfield.segmentation.registry import segment_objects

NEGATIVE, POSITIVE = ("A01", "B01", "C01"), ("A12", "B12", "C12")


def bbbc013_sheet():
    wells = [*NEGATIVE, *POSITIVE]
    return pd.DataFrame(
        {
            "Metadata_Well": wells,
            "Metadata_ControlType": ["negcon"] * 3 + ["poscon"] * 3,
            "Metadata_Perturbation": ["DMSO"] * 3 + ["Wortmannin"] * 3,
            "Metadata_ControlGroup": "",
        }
    )


def bbbc013_wells(alter=lambda labels: labels):
    wells = {}
    for well in (*NEGATIVE, *POSITIVE):
        dna, _ = load_bbbc013(well)
        nuclei = segment_objects(dna[None], "classical", {}).labels
        wells[well] = [(dna, alter(nuclei) if well in POSITIVE else nuclei)]
    return wells


def threshold_difference(wells):
    tables = features_of_wells(wells)
    quality = assess_plate("P1", *tables, fields_of(wells), bbbc013_sheet(), (8, 12), ["Nuclei"])
    verdict = quality.verdict.set_index(["question", "scope", "perturbation"])
    return verdict.loc[("threshold", "difference", "Wortmannin"), "estimate"]


def test_masks_of_one_class_dilated_by_1_5_px_move_the_threshold_difference_by_that():
    before = threshold_difference(bbbc013_wells())
    after = threshold_difference(bbbc013_wells(lambda labels: dilated(labels, 1.5)))
    assert abs(before) < 0.3
    assert after - before == pytest.approx(1.5, abs=0.4)


def small_plate():
    images = group_images("256x256_3", 4)
    return {"A01": images[:1], "A02": images[1:2], "B01": images[2:3], "B02": images[3:4]}


def assess(objects, pairs, fields, sets=("Nuclei",)):
    return assess_plate("P1", objects, pairs, fields, layout(columns=2), (3, 2), list(sets))


def test_features_of_excluded_fields_do_not_count():
    wells = small_plate()
    tables, fields = features_of_wells(wells), fields_of(wells)
    kept = fields[fields["Metadata_Well"] != "B02"]
    quality = assess(*tables, kept)
    assert "B02" not in set(quality.objects["Metadata_Well"])
    assert "B02" not in set(quality.wells["Metadata_Well"])
    found = quality.verdict.query("scope == 'poscon' and question == 'threshold'").iloc[0]
    assert found["n_wells"] == 1 and found["n_sites"] == 1


def test_object_sets_are_scored_apart():
    wells = small_plate()
    objects, pairs = features_of_wells(wells)
    larger = objects.assign(object_set="Cells", area_px=objects["area_px"] * 9)
    both = assess(
        pd.concat([objects, larger]),
        pd.concat([pairs, pairs.assign(object_set="Cells")]),
        fields_of(wells),
        ("Nuclei", "Cells"),
    )
    alone = assess(objects, pairs, fields_of(wells))
    nuclei = both.objects[both.objects["object_set"] == "Nuclei"]
    assert np.array_equal(nuclei["merge_evidence"], alone.objects["merge_evidence"])
    assert len(both.verdict) == 2 * len(alone.verdict)


@pytest.mark.parametrize("kind", ["no tables", "no objects"])
def test_a_plate_without_any_object_gets_tables_and_an_undecided_verdict(kind):
    objects = pairs = pd.DataFrame()
    fields = pd.DataFrame(columns=["Metadata_Plate", "Metadata_Well", "Metadata_Site"])
    if kind == "no objects":
        objects, pairs = (with_field(table, "A01", 1) for table in empty_features())
        fields = fields_of({"A01": [None]})
    quality = assess(objects, pairs, fields)
    assert (quality.verdict["verdict"] == "undecided").all()
    assert quality.verdict["advice"].str.contains("no wells").all()
    assert len(quality.sites) == len(fields)


def test_the_same_input_gives_the_same_tables():
    wells = small_plate()
    tables, fields = features_of_wells(wells), fields_of(wells)
    one, other = assess(*tables, fields), assess(*tables, fields[::-1])
    for first, second in zip(one, other, strict=True):
        pd.testing.assert_frame_equal(first, second, check_exact=True)
