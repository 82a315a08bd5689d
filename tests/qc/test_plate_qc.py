"""The whole QC of one plate: from scored objects to all tables, and on plates with gaps."""

import numpy as np
import pandas as pd
import pytest
from qc_plates import (
    CALIBRATED,
    PLATE,
    SET,
    all_within,
    design_of,
    layout,
    opinions_of,
    scored_plate,
    wells_of,
)

from levelfield.qc.columns import FIELD
from levelfield.qc.evidence.candidates import no_candidates
from levelfield.qc.evidence.scores import Scored
from levelfield.qc.plate import PlateDesign, PlateFeatures, assess_plate, judge_plate

GOOD = wells_of("A") | wells_of("B") | wells_of("C", 3)


def judged(wells, rules=CALIBRATED, **options):
    scored = scored_plate(wells, **options)
    return judge_plate(scored, opinions_of(scored), all_within(scored), design_of(scored), rules)


def test_a_good_plate_has_all_its_tables():
    quality = judged(GOOD)
    assert set(quality.answers["verdict"]) == {"pass"}
    assert len(quality.verdict) == 21 and quality.verdict["is_worst"].sum() == 4
    assert (quality.verdict["plate"] == PLATE).all()
    assert quality.verdict["advice"].str.len().min() > 0
    assert quality.answers["headline"].str.len().min() > 0
    assert set(quality.others["counts"]["scope"]) == {"negcon", "poscon"}
    assert (quality.answers["n_treated"] == 3).all()
    assert len(quality.wells) == 19 and len(quality.sites) == 38
    assert quality.not_covered.empty and quality.others["trend"].empty


def test_wells_that_look_like_no_control_are_listed_flagged_and_counted():
    quality = judged(GOOD | {"C02": {"size": 0.2}})
    assert quality.not_covered["well"].tolist() == ["C02"]
    assert (quality.answers["n_not_covered"] == 1).all()
    assert quality.wells.loc[quality.wells["not_covered"], "Metadata_Well"].tolist() == ["C02"]


def test_a_class_that_lost_its_nuclei_fails_in_the_written_answer():
    quality = judged(wells_of("A") | wells_of("B", missed=0.9))
    answer = quality.answers.set_index("question").loc["found"]
    assert (answer["verdict"], answer["worst_measure"]) == ("fail", "missed")
    counts = quality.others["counts"].set_index("scope")
    assert counts.loc["poscon", "n_labels"] < 0.2 * counts.loc["poscon", "n_second_opinion"]


def test_an_object_set_without_any_object_is_undecided():
    scored = scored_plate(wells_of("A") | wells_of("B"))
    design = design_of(scored, object_sets=(SET, "Cells"))
    quality = judge_plate(scored, opinions_of(scored), all_within(scored), design, CALIBRATED)
    cells = quality.verdict[quality.verdict["object_set"] == "Cells"]
    assert (cells["verdict"] == "undecided").all()
    assert set(cells["reason"]) == {"nothing_measured"}
    assert set(quality.answers.loc[quality.answers["object_set"] == SET, "verdict"]) == {"pass"}


def test_object_sets_share_one_family_of_rows():
    nuclei, cells = scored_plate(GOOD), scored_plate(GOOD, object_set="Cells", seed=1)
    both = Scored(*(pd.concat(pair, ignore_index=True) for pair in zip(nuclei, cells, strict=True)))
    opinions = pd.concat([opinions_of(nuclei), opinions_of(cells)])
    design = design_of(both, object_sets=(SET, "Cells"))
    quality = judge_plate(both, opinions, all_within(both), design, CALIBRATED)
    alone = judged(GOOD)
    own = quality.verdict[quality.verdict["object_set"] == SET].reset_index(drop=True)
    assert own["estimate"].tolist() == alone.verdict["estimate"].tolist()
    assert len(quality.answers) == 2 * len(alone.answers)


@pytest.mark.parametrize("kind", ["no tables", "no objects"])
def test_a_plate_without_any_object_gets_tables_and_an_undecided_verdict(kind):
    fields = pd.DataFrame(columns=["Metadata_Plate", "Metadata_Well", "Metadata_Site"])
    features = PlateFeatures(*(pd.DataFrame(),) * 4)
    if kind == "no objects":
        fields = pd.DataFrame([[PLATE, "A01", 1]], columns=fields.columns)
        seen = fields.assign(object_set=SET, n_labels=0, n_second_opinion=0)
        features = features._replace(fields=seen)
    design = PlateDesign(PLATE, fields, layout(columns=2), (3, 2), [SET])
    quality = assess_plate(features, design, CALIBRATED)
    assert (quality.verdict["verdict"] == "undecided").all()
    assert set(quality.verdict["reason"]) <= {"no_wells", "nothing_measured"}
    assert len(quality.sites) == len(fields)


def test_the_same_input_gives_the_same_tables():
    wells = wells_of("A", 3) | wells_of("B", 3, merge=0.2)
    first, second = judged(wells).files(), judged(wells).files()
    assert list(first) == list(second) and len(first) > 12
    for name, table in first.items():
        pd.testing.assert_frame_equal(table, second[name], check_exact=True)


def test_tables_without_candidates_are_read_as_no_missed_objects():
    scored = scored_plate(wells_of("A") | wells_of("B"))
    bare = scored._replace(candidates=scored.candidates.iloc[:0])
    quality = judge_plate(bare, opinions_of(bare), all_within(bare), design_of(bare), CALIBRATED)
    missed = quality.verdict[quality.verdict["measure"] == "missed"]
    assert (missed["estimate"] == 0).all() and (missed["verdict"] == "pass").all()
    assert np.isfinite(missed["ci_high"]).all()
    assert set(no_candidates().columns) and FIELD[0] in bare.candidates
