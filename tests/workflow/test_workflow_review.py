"""A review in the real workflow: its coming and its changing do the QC again, and nothing else.

The sites are numbered from 0, as some microscopes do.
"""

import re

import pandas as pd
import pytest
from workflow_runs import VERDICT

pytestmark = pytest.mark.workflow
QC_RULES = {"check_review", "qc_plate", "qc_screen", "report_plate", "report_screen", "provenance"}
JUDGED = ["object_set", "measure", "scope", "perturbation", "estimate", "basis", "verdict"]


@pytest.fixture(scope="module")
def reviewed(from_zero, tmp_path_factory):
    """A small screen whose only site is number 0, before its review."""
    screen = from_zero.copy_to(tmp_path_factory.mktemp("reviewed") / "copy")
    return screen, screen.folder / "review.csv", screen.table("qc/verdict.csv")


def answered(screen):
    rows = screen.table("qc/review_list.csv").astype(str)
    whole_field = rows["object_number"] == "0"
    rows["answer"] = whole_field.map({True: "missed", False: "correct"})
    rows["m"] = whole_field.map({True: "1", False: ""})
    return rows.assign(reviewer="A")


def test_before_the_review_there_is_a_list_of_site_0_and_nothing_is_reviewed(reviewed):
    screen, _, verdict = reviewed
    assert (verdict["n_reviewed"] == 0).all() and set(verdict["basis"]) == {"evidence"}
    assert set(screen.table("qc/reviewed.csv")["state"]) == {"unreviewed"}
    listed = screen.table("qc/review_list.csv")
    assert (listed["object_number"] > 0).sum() == 60
    assert (listed["checksum"].str.len() == 64).all()
    assert set(listed["site"]) == {0}


def test_one_answered_object_changes_no_verdict(reviewed):
    screen, sheet, before = reviewed
    answers = screen.table("qc/answers.csv")
    answered(screen).head(1).to_csv(sheet, index=False)
    screen.run_well(*VERDICT)
    assert set(screen.table("qc/reviewed.csv")["state"]) == {"unreviewed", "partial"}
    pd.testing.assert_frame_equal(screen.table("qc/verdict.csv")[JUDGED], before[JUDGED])
    kept = ["verdict", "unreviewed"]
    pd.testing.assert_frame_equal(screen.table("qc/answers.csv")[kept], answers[kept])


def test_a_review_does_the_qc_again_and_nothing_else(reviewed):
    screen, sheet, before = reviewed
    answered(screen).to_csv(sheet, index=False)
    planned = screen.run_well("--dry-run")
    assert (
        set(re.findall(r"^(?:local)?rule (\w+):", planned, re.M)) - {"all", "whole_screen"}
        <= QC_RULES
    )
    screen.run_well()
    table = screen.table("qc/reviewed.csv")
    assert set(table["state"]) == {"complete"} and set(table["notes"]) == {""}
    verdict = screen.table("qc/verdict.csv")
    decided = verdict[verdict["measure"] != "bias"]
    assert set(decided["basis"]) == {"review"}
    own = table[(table["measure"] == "balance") & (table["scope"] == "difference")].iloc[0]
    assert own["n_reviewed"] == 60
    assert own["reviewed_ci_low"] <= own["these_wells_ci_low"] <= own["these_wells_ci_high"]
    found = verdict[(verdict["measure"] == "missed") & (verdict["scope"] == "poscon")].iloc[0]
    assert found["n_reviewed"] == 3
    assert (before["estimate"] != verdict["estimate"]).any()
    assert "Nothing to be done" in screen.run_well()


def test_a_change_of_the_review_is_seen_and_a_wrong_line_is_named(reviewed):
    screen, sheet, _ = reviewed
    rows = answered(screen)
    rows.loc[2, "answer"] = "merged"
    rows.to_csv(sheet, index=False)
    failed = screen.run(*VERDICT)
    assert failed.returncode != 0
    assert "line 4" in failed.stdout and "needs m" in failed.stdout
    rows.loc[2, "answer"] = "perhaps"
    rows.to_csv(sheet, index=False)
    assert "holds 'perhaps'" in screen.run(*VERDICT).stdout
    assert len(screen.table("qc/verdict.csv")), "a wrong line must not cost the verdict"


def test_a_review_without_the_second_class_counts_as_unfinished(reviewed):
    screen, sheet, _ = reviewed
    rows = answered(screen)
    rows[rows["well"].str.endswith("01")].to_csv(sheet, index=False)
    screen.run_well("--", "results/screen/verdict.csv")
    table = screen.table("qc/reviewed.csv")
    assert set(table.loc[table["scope"] == "difference", "state"]) == {"partial"}
    assert set(table.loc[table["scope"] == "negcon", "state"]) == {"complete"}
    screen_verdict = pd.read_csv(screen.folder / "results" / "screen" / "verdict.csv")
    assert set(screen_verdict.loc[screen_verdict["scope"] == "difference", "basis"]) == {"evidence"}
