"""The real workflow on an export whose sites are numbered from 0, one of which is bad."""

import re

import pandas as pd
import pytest

from levelfield.io.store import read_labels

pytestmark = pytest.mark.workflow


def test_all_tables_have_the_number_of_the_export(from_zero):
    for table in ("sites.csv", "qc/sites.csv", "qc/review_list.csv"):
        sites = from_zero.table(table)
        column = "site" if "site" in sites else "Metadata_Site"
        assert set(sites[column]) == {0}, table
    assert set(pd.read_parquet(from_zero.results / "objects/Nuclei.parquet")["Metadata_Site"]) == {
        0
    }
    assert read_labels(from_zero.results / "P.zarr", "A01", 0, "Nuclei").any()


def test_a_site_0_that_is_left_out_is_a_site_and_no_job(from_zero):
    excluded = from_zero.table("excluded_sites.csv").set_index("Metadata_Well")
    assert list(excluded.index) == ["", "C07"]  # A99 is no well of the plate
    assert int(excluded.loc["C07", "Metadata_Site"]) == 0
    failures = from_zero.table("failures.csv").query("well == 'C07'")
    assert list(failures["site"].astype(int)) == [0]
    assert failures["log"].str.contains("segment_").all()
    page = (from_zero.results / "report.html").read_text()
    assert '<td>C07</td><td class="number">0</td>' in page


def test_one_bad_site_within_the_limit_keeps_the_verdict(from_zero):
    assert int(from_zero.table("plate.csv").loc[0, "n_excluded"]) == 1
    assert from_zero.table("plate.csv").loc[0, "within_limit"] in (True, "True")
    assert "excluded_sites" not in set(from_zero.table("qc/verdict.csv")["reason"])


def test_the_commands_take_sites_from_0(from_zero, tmp_path):
    screen = from_zero.copy_to(tmp_path / "copy")
    assert screen.levelfield("verify", "P").returncode == 0
    assert screen.levelfield("verdict", "P").returncode == 0
    told = screen.levelfield("status", "--configfile", "config.yaml")
    assert told.returncode == 0, told.stderr
    labels = screen.results / "P.zarr" / "A" / "12" / "0" / "labels" / "Nuclei"
    for path in sorted(labels.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    told = screen.levelfield("verify", "P")
    assert told.returncode == 1
    assert re.search(r"A12 +0 +Nuclei missing", told.stdout)
