"""The verdict of plates and screens as the workflow makes it: from tables on disk to tables."""

import pandas as pd
import pytest
from qc_plates import (
    CALIBRATED,
    PLATE,
    SET,
    all_within,
    design_of,
    opinions_of,
    scored_plate,
    wells_of,
)

from levelfield.config.settings import Science
from levelfield.io.tables import read_csv, write_csv
from levelfield.qc.plate import judge_plate
from levelfield.segmentation import METHODS
from levelfield.steps import qc_evidence
from levelfield.steps.qc_plate import assess_screen, verdict_rules

SCIENCE = {
    "channels": {"DNA": {"stain": "DNA"}},
    "objects": {SET: {"method": "classical", "channel": "DNA"}},
    "qc": {
        "margins": {
            "split_merge": {"class": 15, "difference": 10},
            "threshold": {"class": 1.0, "difference": 0.5},
            "agreement": {"class": 90, "difference": 10},
            "found": {"class": 95, "difference": 5},
        },
        "threshold_level": 0.4,
        "review_per_class": 100,
        "excluded_sites_percent": 5,
    },
}
GOOD, BAD = wells_of("A") | wells_of("B"), wells_of("A") | wells_of("B", missed=0.8)


def written(folder, wells, name, seed=0):
    """Write the tables of an invented plate and read them again, as the workflow does."""
    scored = scored_plate(wells, seed=seed)
    design = design_of(scored, plate=name)
    quality = judge_plate(scored, opinions_of(scored), all_within(scored), design, CALIBRATED)
    tables = {}
    for table in ("estimates", "reviewed", "answers"):
        write_csv(getattr(quality, table), folder / f"{name}_{table}.csv")
        tables[table] = read_csv(folder / f"{name}_{table}.csv")
    return tables


def facts(names, within=None, dates=None):
    within, dates = within or [True] * len(names), dates or [""] * len(names)
    return pd.DataFrame({"Metadata_Plate": names, "Metadata_Date": dates, "within_limit": within})


def screen_of(plates, names, science=SCIENCE, **options):
    columns = {name: [one[name] for one in plates] for name in ("estimates", "reviewed", "answers")}
    return assess_screen(plates=facts(names, **options), science=Science(science), **columns)


@pytest.fixture
def plates(tmp_path):
    return [written(tmp_path, wells, f"P{k}", k) for k, wells in enumerate((GOOD, GOOD, BAD))]


def test_a_screen_is_judged_from_the_written_tables_of_its_plates(plates):
    quality = screen_of(plates[:2], ["P0", "P1"])
    assert set(quality.verdict["plate"]) == {"screen"} and len(quality.verdict) == 21
    assert (quality.answers["plate"] == "screen").all()
    assert sorted(set(quality.drift["plate"])) == ["P0", "P1"]
    assert (quality.drift["basis"] == "evidence").all()


@pytest.mark.parametrize(
    ("dates", "order"),
    [
        (["2026-03-01", "2026-02-01", "2026-01-15T09:30"], ["P2", "P1", "P0"]),
        (["", "", ""], ["P0", "P1", "P2"]),
        (["2026-03-01", "2026-02-01", ""], ["P0", "P1", "P2"]),
    ],
)
def test_drift_follows_the_dates_of_the_plates_where_all_have_one(plates, dates, order):
    drift = screen_of(plates, ["P0", "P1", "P2"], dates=dates).drift
    assert list(dict.fromkeys(drift.sort_values("order")["plate"])) == order
    shown = dict(zip(drift["plate"], drift["date"], strict=True))
    assert [shown[name] for name in ("P0", "P1", "P2")] == dates


def test_plates_with_too_many_sites_left_out_do_not_count(plates):
    names = ["P0", "P1", "P2"]
    without = screen_of(plates, names, within=[True, True, False])
    pd.testing.assert_frame_equal(without.verdict, screen_of(plates[:2], names[:2]).verdict)


def test_a_screen_of_plates_that_do_not_count_has_no_verdict_and_says_so(plates):
    quality = screen_of(plates[:1], ["P0"], within=[False])
    assert set(quality.answers["verdict"]) == {"undecided"}
    assert set(quality.verdict["reason"]) == {"excluded_sites"}
    assert set(quality.verdict["next_step"]) == {"images"}


def test_planted_runs_say_so_before_every_advice_and_headline(plates):
    planted = {"method": "classical", "channel": "DNA"}
    planted["planted"] = {"control_type": "poscon", "grow_px": 1.5}
    quality = screen_of(plates[:1], ["P0"], SCIENCE | {"objects": {SET: planted}})
    assert quality.verdict["advice"].str.startswith("PLANTED").all()
    assert quality.answers["headline"].str.startswith("PLANTED").all()


def test_a_screen_without_plates_is_refused():
    with pytest.raises(ValueError, match="without plates"):
        assess_screen([], facts([]), Science(SCIENCE))


def test_at_another_threshold_level_what_depends_on_it_is_uncalibrated():
    other = SCIENCE | {"qc": SCIENCE["qc"] | {"threshold_level": 0.5}}
    calibrations = verdict_rules(Science(other)).calibrations
    assert not {key[0] for key in calibrations} & {"bias", "agreement"}


def test_a_plain_number_as_margin_is_refused_with_what_to_write():
    margins = SCIENCE["qc"]["margins"] | {"split_merge": 10}
    with pytest.raises(ValueError, match="class: 15, difference: 10"):
        verdict_rules(Science(SCIENCE | {"qc": SCIENCE["qc"] | {"margins": margins}}))


def test_the_plates_own_rows_are_named_after_it(tmp_path):
    assert set(written(tmp_path, GOOD, PLATE)["answers"]["plate"]) == {PLATE}


def test_sets_that_copy_the_outlines_of_others_are_not_judged(monkeypatch):
    copying = {"copied": METHODS["masked"], "own": METHODS["classical"]}
    monkeypatch.setattr(qc_evidence, "METHODS", copying)
    objects = {name: {"method": name} for name in copying}
    judged = qc_evidence.judged_sets(Science({**SCIENCE, "objects": objects}))
    assert [made.name for made in judged] == ["own"]
