"""A review in the real workflow: its coming and its changing do the QC again, and nothing else."""

import re

import pandas as pd
import pytest
import yaml
from workflow_runs import small_screen

pytestmark = pytest.mark.workflow
QC_RULES = {"check_review", "qc_plate", "qc_screen", "report_plate", "report_screen", "provenance"}


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory):
    """A small screen, run, then reviewed: everything is correct."""
    screen = small_screen(tmp_path_factory.mktemp("reviewed"))
    config = yaml.safe_load((screen.folder / "config.yaml").read_text())
    objects = {"Nuclei": config["objects"]["Nuclei"]}
    sheet = screen.folder / "review.csv"
    screen.change_config(
        objects=objects, readouts={}, qc={"review": str(sheet), "review_per_class": 30}
    )
    screen.run_well()
    return screen, sheet, screen.table("qc/verdict.csv"), screen.table("qc/reviewed.csv")


def answered(screen):
    rows = screen.table("qc/review_list.csv").astype(str)
    whole_field = rows["object_number"] == "0"
    rows["answer"] = whole_field.map({True: "missed", False: "correct"})
    rows["m"] = whole_field.map({True: "1", False: ""})
    return rows.assign(reviewer="A")


def test_before_the_review_there_is_a_list_and_nothing_is_reviewed(reviewed):
    screen, _, verdict, table = reviewed
    assert (verdict["n_reviewed"] == 0).all()
    assert set(table["review"]) == {"unreviewed"}
    listed = screen.table("qc/review_list.csv")
    assert (listed["object_number"] > 0).sum() == 60
    assert (listed["checksum"].str.len() == 64).all()


def test_a_review_does_the_qc_again_and_nothing_else(reviewed):
    screen, sheet, before, _ = reviewed
    answered(screen).to_csv(sheet, index=False)
    planned = screen.run_well("--dry-run")
    assert (
        set(re.findall(r"^(?:local)?rule (\w+):", planned, re.M)) - {"all", "whole_screen"}
        <= QC_RULES
    )
    screen.run_well()
    verdict = screen.table("qc/verdict.csv")
    worst = verdict[verdict["perturbation"] == "worst"].set_index("question")
    assert (worst["n_reviewed"] == 60).all()
    assert worst.loc["split_merge", "advice"].count("60 of 60 drawn objects are reviewed")
    assert (before["estimate"] != verdict["estimate"]).any()
    own = verdict[(verdict["scope"] == "poscon") & (verdict["question"] == "agreement")].iloc[0]
    assert "missed, as counted on 3 fields" in own["advice"]
    assert "by the evidence alone" in (screen.results / "report.html").read_text()
    assert "Nothing to be done" in screen.run_well()


def test_a_change_of_the_review_is_seen_and_a_wrong_line_is_named(reviewed):
    screen, sheet, _, _ = reviewed
    rows = answered(screen)
    rows.loc[2, "answer"] = "merged"
    rows.to_csv(sheet, index=False)
    failed = screen.run()
    assert failed.returncode != 0
    assert "line 4" in failed.stdout and "needs m" in failed.stdout
    rows.loc[2, "answer"] = "perhaps"
    rows.to_csv(sheet, index=False)
    assert "holds 'perhaps'" in screen.run().stdout
    assert len(screen.table("qc/verdict.csv")), "a wrong line must not cost the verdict"


def test_a_review_without_the_second_class_counts_as_unfinished(reviewed):
    screen, sheet, _, _ = reviewed
    rows = answered(screen)
    rows[rows["well"].str.endswith("01")].to_csv(sheet, index=False)
    screen.run_well()
    table = screen.table("qc/reviewed.csv")
    assert set(table.loc[table["scope"] == "difference", "review"]) == {"partial"}
    assert set(table.loc[table["scope"] == "negcon", "review"]) == {"complete"}
    screen_verdict = pd.read_csv(screen.folder / "results" / "screen" / "verdict.csv")
    assert (screen_verdict["n_reviewed"] >= 0).all()
