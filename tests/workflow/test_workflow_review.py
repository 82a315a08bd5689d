"""A review in the real workflow: its coming and its changing do the QC again, and nothing else.

The sites are numbered from 0, as some microscopes do.
"""

import json
import re

import pandas as pd
import pytest
from workflow_runs import QC_RULES, VERDICT

pytestmark = pytest.mark.workflow
JUDGED = ["object_set", "measure", "scope", "perturbation", "estimate", "basis", "verdict"]


@pytest.fixture(scope="module")
def reviewed(from_zero, tmp_path_factory):
    """A small screen whose only site is number 0, before its review."""
    screen = from_zero.copy_to(tmp_path_factory.mktemp("reviewed") / "copy")
    return screen, screen.folder / "review.csv", screen.table("qc/verdict.csv")


def crops_of(screen):
    """The crops of the review page, with what it must know of each to write review.csv."""
    done = screen.levelfield("review", "P", "--configfile", "config.yaml")
    assert done.returncode == 0, done.stderr
    html = (screen.results / "qc" / "review.html").read_text()
    data = json.loads(re.search(r'type="application/json">(.*?)</script>', html, re.S)[1])
    return [(data["plate"], own, crop) for own in data["sets"] for crop in own["crops"]]


def answered(screen, missed=0):
    """A review as the page writes it."""
    rows = []
    for plate, own, crop in crops_of(screen):
        head = {"plate": plate, "object_set": own["name"], "sample": own["sample"]}
        head |= {name: str(crop[name]) for name in ("well", "site", "crop", "checksum")}
        said = [(str(number), "correct", "") for number in crop["numbers"]]
        for number, answer, m in [*said, ("0", "missed", str(missed))]:
            rows.append(head | {"object_number": number, "answer": answer, "f": "", "m": m})
    return pd.DataFrame(rows).assign(reviewer="A")


def test_before_the_review_there_is_a_list_of_site_0_and_nothing_is_reviewed(reviewed):
    screen, _, verdict = reviewed
    assert (verdict["n_reviewed"] == 0).all() and set(verdict["basis"]) == {"evidence"}
    assert set(screen.table("qc/reviewed.csv")["state"]) == {"unreviewed"}
    listed = screen.table("qc/review_list.csv")
    assert len(listed) == len(crops_of(screen)) > 4
    assert (listed["checksum"].str.len() == 64).all()
    assert set(listed["site"]) == {0}


def test_one_answered_crop_changes_no_verdict(reviewed):
    screen, sheet, before = reviewed
    answers = screen.table("qc/answers.csv")
    rows = answered(screen)
    crop = rows["crop"].ne(rows["crop"].shift()) | rows["well"].ne(rows["well"].shift())
    rows[crop.cumsum() == 1].to_csv(sheet, index=False)
    screen.run_well(*VERDICT)
    assert set(screen.table("qc/reviewed.csv")["state"]) == {"unreviewed", "partial"}
    pd.testing.assert_frame_equal(screen.table("qc/verdict.csv")[JUDGED], before[JUDGED])
    kept = ["verdict", "unreviewed"]
    pd.testing.assert_frame_equal(screen.table("qc/answers.csv")[kept], answers[kept])


def test_a_review_does_the_qc_again_and_nothing_else(reviewed):
    screen, sheet, before = reviewed
    answered(screen, missed=1).to_csv(sheet, index=False)
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
    assert own["n_reviewed"] == own["n_drawn"] > 4
    assert own["reviewed_ci_low"] <= own["these_wells_ci_low"] <= own["these_wells_ci_high"]
    found = verdict[(verdict["measure"] == "missed") & (verdict["scope"] == "poscon")].iloc[0]
    assert found["estimate"] > 5 and found["n_reviewed"] == found["n_drawn"]
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
