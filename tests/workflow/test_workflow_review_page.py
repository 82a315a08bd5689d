"""The review page from end to end: a person answers in a browser, and the verdict becomes true."""

import re
import shutil
from time import monotonic, sleep

import pandas as pd
import pytest
from chromium import MISSING, chromium, find_chromium
from workflow_runs import QC_RULES, VERDICT, small_screen

pytestmark = [pytest.mark.workflow, pytest.mark.skipif(find_chromium() is None, reason=MISSING)]
LACKING = 25
"""Percent of the nuclei of the positive wells that are taken away."""
# Where a place of the field lies in the window; null outside of the crop that is shown.
PLACE = """(async (y, x) => {
  const c = crop(), f = frame(await pictureOf(view.set, own().at));
  const box = canvas.getBoundingClientRect(), unit = box.width / f.side;
  const v = (y - c.origin[0]) * c.scale, u = (x - c.origin[1]) * c.scale;
  if (v < c.inside[0] || v >= c.inside[2] || u < c.inside[1] || u >= c.inside[3]) return null;
  return [box.left + (u - f.left) * unit, box.top + (v - f.top) * unit];
})"""


@pytest.fixture(scope="module")
def lacking(from_zero, tmp_path_factory):
    """A judged screen whose positive wells lack nuclei, and where these are."""
    screen = small_screen(tmp_path_factory.mktemp("lacking") / "screen")
    nuclei = screen.config["objects"]["Nuclei"]
    planted = {"control_type": "poscon", "drop_percent": LACKING}
    screen.change_config(
        objects={"Nuclei": nuclei | {"planted": planted}},
        readouts={},
        qc={"review_per_class": 60},
        packs_per_plate=1,
    )
    screen.run_well(*VERDICT)
    place = ["Metadata_Well", "centre_y_px", "centre_x_px"]
    whole, left = (
        pd.read_parquet(own.results / "qc" / "objects.parquet")[place].round(2)
        for own in (from_zero, screen)
    )
    both = whole.merge(left, on=place, how="left", indicator=True)
    return screen, both[both["_merge"] == "left_only"]


def rows_of(screen, measure):
    table = screen.table("qc/verdict.csv").query("measure == @measure")
    facts = zip(table["verdict"], table["basis"], strict=True)
    return dict(zip(table["scope"], facts, strict=True))


def open_page(browser, page):
    browser.open(page.as_uri())
    browser.run("document.getElementById('reviewer').value = 'AB'")
    browser.run("document.getElementById('begin').requestSubmit()")
    browser.wait("page.times().length > 0")


def answer_crop(browser, gone):
    """Click on what is missing in the crop that is shown, and confirm it."""
    well, at = browser.run("[crop().well, own().at]")
    n_marked = 0
    for one in gone[gone["Metadata_Well"] == well].itertuples():
        place = browser.run(f"{PLACE}({one.centre_y_px}, {one.centre_x_px})")
        if place is not None:
            browser.click_at(*place)
            n_marked += 1
            browser.wait(f"said().missed.length === {n_marked}")
    browser.press("Enter")
    browser.wait(f"own().at === {at + 1} && page.times().length > 0")


def saved(browser, folder):
    """The sheet that the page gives."""
    browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    browser.press("w")
    end, path = monotonic() + 60, folder / "review.csv"
    while not path.is_file() and monotonic() < end:
        sleep(0.1)
    return path


def test_a_person_at_the_page_brings_the_verdict_from_undecided_to_the_truth(lacking, tmp_path):
    screen, gone = lacking
    assert rows_of(screen, "missed")["negcon"] == ("undecided", "evidence")
    done = screen.levelfield("review", "P", "--configfile", "config.yaml")
    assert done.returncode == 0, done.stderr
    page = screen.results / "qc" / "review.html"
    with chromium(tmp_path / "profile") as browser:
        browser.window(1300, 900)
        open_page(browser, page)
        total = browser.run("shownSet().crops.length")
        for _ in range(4):
            answer_crop(browser, gone)
        browser.press("u")
        browser.wait("own().at === 3")
        browser.open("about:blank#closed")
        open_page(browser, page)
        assert browser.run("own().at") == 3, "it goes on where it was closed"
        # What was clicked before the undo is still there.
        browser.press("Enter")
        browser.wait("own().at === 4")
        for _ in range(4, total):
            answer_crop(browser, gone)
        browser.wait("!document.getElementById('enough').hidden")
        shown = {of["title"]: of["worst"]["verdict"] for of in browser.run("page.questions()")}
        sheet, errors = saved(browser, tmp_path), browser.errors
    assert errors == [] and "fail" in shown.values() and "pass" in shown.values()
    shutil.copy(sheet, screen.results / "review.csv")
    planned = screen.run_well("--dry-run", *VERDICT)
    assert set(re.findall(r"^(?:local)?rule (\w+):", planned, re.M)) <= QC_RULES
    screen.run_well(*VERDICT)
    after = rows_of(screen, "missed")
    assert after["negcon"] == ("pass", "review") and after["poscon"] == ("fail", "review")
    answers = screen.table("qc/answers.csv").set_index("question")
    assert answers.loc["found", "verdict"] == "fail"
    assert answers.loc["split_merge", "verdict"] == "pass"
    assert not answers.loc[["found", "split_merge"], "unreviewed"].any()
    rows = screen.table("qc/verdict.csv").set_index(["measure", "scope"])
    assert float(rows.loc[("missed", "poscon"), "estimate"]) == pytest.approx(LACKING, abs=5)
