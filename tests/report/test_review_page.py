"""The review page in a browser: what a person does with it, and the intervals that it shows."""

import re

import numpy as np
import pytest
from chromium import MISSING, chromium, find_chromium
from conftest import SCHEMAS
from review_cases import PLATE, SET, SIDE, controls, draws_of, plate

from levelfield.config.sheets import read_sheet
from levelfield.qc.review.answers import read_answers
from levelfield.qc.review.estimates import review_estimates
from levelfield.qc.review.page_data import set_numbers
from levelfield.qc.verdict.cases import Constants
from levelfield.qc.verdict.rules import UNCALIBRATED, Rules
from levelfield.qc.verdict.steps import review_step
from levelfield.questions import MEASURES
from levelfield.report.review_page import MOST_BYTES, ShownSet, review_page
from levelfield.steps.review_page import crops_of

needs_chromium = pytest.mark.skipif(find_chromium() is None, reason=MISSING)
RULES = Rules(constants={name: Constants(True, between_wells=0.02) for name in UNCALIBRATED})


def objects_on_a_plate():
    """Objects that are well apart, so that labels can be drawn; merges only in the controls."""
    objects = plate()
    number = objects.groupby(["Metadata_Well", "Metadata_Site"]).cumcount().to_numpy()
    objects = objects.assign(
        centre_y_px=20.0 + 40 * (number // 9), centre_x_px=20.0 + 42 * (number % 9)
    )
    return objects


def labels_of(objects, well, site):
    labels = np.zeros((SIDE, SIDE), np.int32)
    y, x = np.ogrid[:SIDE, :SIDE]
    own = objects[(objects["Metadata_Well"] == well) & (objects["Metadata_Site"] == site)]
    for one in own.itertuples():
        inside = (y - one.centre_y_px) ** 2 + (x - one.centre_x_px) ** 2 < 100
        labels[inside] = one.Metadata_ObjectNumber
    return labels


@pytest.fixture(scope="module")
def objects():
    return objects_on_a_plate()


@pytest.fixture(scope="module")
def page(objects, tmp_path_factory):
    draws = draws_of(objects)
    answers = read_answers(None, PLATE, {}, objects)
    rows = review_estimates(PLATE, draws, controls(), answers, RULES)
    numbers = set_numbers(draws[SET], answers, controls(), rows, RULES)
    random = np.random.default_rng(0)

    def read(well, site):
        labels = labels_of(objects, well, site)
        noise = random.normal(0, 0.02, (2, *labels.shape))
        return (0.1 + 0.5 * (labels > 0) + noise).astype(np.float32), {SET: labels}

    shown = ShownSet(SET, numbers, crops_of(draws[SET], {}), 0, 20.0)
    html = review_page(PLATE, [shown], read, ["DNA", "ER"], "results/P1/review.csv")
    path = tmp_path_factory.mktemp("page") / "review.html"
    path.write_text(html)
    return path


@pytest.fixture(scope="module")
def one_browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("browser") / "profile") as browser:
        yield browser


@pytest.fixture
def browser(one_browser, page):
    """The browser as if nobody had answered yet."""
    one_browser.window(1300, 900)
    one_browser.open(page.as_uri())
    one_browser.run("localStorage.clear()")
    yield one_browser
    assert one_browser.errors == []


def begin(browser, page, name="AB"):
    browser.open(page.as_uri())
    browser.run(f"document.getElementById('reviewer').value = '{name}'")
    browser.run("document.getElementById('begin').requestSubmit()")
    browser.wait("!document.getElementById('review').hidden && page.times().length > 0")


def at(browser):
    return browser.run("page.state().sets[0].at")


def answer(browser, key):
    before = at(browser)
    browser.press(key)
    browser.wait(f"page.state().sets[0].at !== {before} || {key != 'Enter'}")


def said_truly(objects, number):
    """JavaScript that answers the first crops as the truth has it."""
    merged = objects.loc[objects["is_merged"], ["Metadata_Well", "Metadata_Site"]].astype(str)
    numbers = objects.loc[objects["is_merged"], "Metadata_ObjectNumber"].astype(str)
    wrong = list(merged["Metadata_Well"] + " " + merged["Metadata_Site"] + " " + numbers)
    return f"""(() => {{
      const wrong = new Set({wrong}), own = page.state().sets[0];
      const crops = JSON.parse(document.getElementById("data").textContent).sets[0].crops;
      crops.slice(0, {number}).forEach((c, i) => {{
        own.crops[i].done = true; own.crops[i].seconds = 5; own.at = i + 1;
        own.crops[i].marks = c.numbers.map((n) => wrong.has(`${{c.well}} ${{c.site}} ${{n}}`)
          ? {{ answer: "merged", count: 2 }} : {{ answer: "correct", count: 0 }});
      }});
    }})()"""


def sheet_of(browser, tmp_path):
    text = browser.run("page.sheet()")
    path = tmp_path / "review.csv"
    path.write_text(text)
    return read_sheet(path, SCHEMAS / "review.yaml")


def python_rows(objects, sheet):
    draws = draws_of(objects)
    answers = read_answers(sheet, PLATE, {SET: draws[SET].sample}, objects)
    assert answers.notes == ()
    return {row.key[1:]: row for row in review_estimates(PLATE, draws, controls(), answers, RULES)}


def test_the_page_is_one_small_file_that_needs_nothing_and_tells_no_class(page):
    html = page.read_text()
    assert len(html) < MOST_BYTES + 400_000
    assert not re.search(r'(src|href)="(?!data:)', html) and "://" not in html
    shown = re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
    assert not re.search("negcon|poscon|DMSO|drug 80 uM", shown)
    assert "80 crops, about 8 minutes" in html


def test_the_page_promises_what_the_verdict_asks_for(page, objects):
    draws = draws_of(objects)
    answers = read_answers(None, PLATE, {}, objects)
    rows = review_estimates(PLATE, draws, controls(), answers, RULES)
    html = page.read_text()
    for question in ("agreement", "found", "split_merge"):
        measures = {name for name, own in MEASURES.items() if own.question == question}
        step = review_step([row.reviews_needed for row in rows if row.measure in measures], 2)
        promised = f"about {step.amount} crops per class ({2 * step.amount} in all"
        assert (promised in html) == (step.kind == "review")


@needs_chromium
def test_keys_mark_confirm_and_undo_and_the_page_goes_on_after_closing(browser, page, tmp_path):
    begin(browser, page)
    browser.press("2")
    browser.press("m")
    browser.press("m")
    browser.press("1")
    browser.press("n")
    marks = browser.run("page.state().sets[0].crops[0].marks")
    assert marks[1] == {"answer": "merged", "count": 3}
    assert marks[0]["answer"] == "not_an_object"
    browser.press("u")
    assert browser.run("page.state().sets[0].crops[0].marks[0].answer") == "correct"
    answer(browser, "Enter")
    answer(browser, "Enter")
    assert at(browser) == 2
    browser.press("u")
    browser.wait("page.state().sets[0].at === 1")
    browser.open("about:blank#closed")
    begin(browser, page)
    assert at(browser) == 1
    assert browser.run("page.state().sets[0].crops[0].marks[1].count") == 3
    sheet = sheet_of(browser, tmp_path)
    assert sheet["answer"].tolist().count("merged") == 1 and (sheet["reviewer"] == "AB").all()
    begin(browser, page, "CD")
    assert at(browser) == 0, "another person begins anew"


@needs_chromium
def test_a_click_marks_what_is_missed_and_another_takes_it_back(browser, page, tmp_path, objects):
    begin(browser, page)
    box = browser.run(
        "(() => { const b = document.getElementById('crop').getBoundingClientRect();"
        " return [b.left, b.top, b.width]; })()"
    )
    for _ in range(40):  # a place without an object, inside of the crop
        spot = np.random.default_rng(_).uniform(0.2, 0.8, 2)
        browser.click_at(*(np.array(box[:2]) + spot * box[2]))
        browser.run("new Promise((done) => setTimeout(done, 30))")
        if browser.run("page.state().sets[0].crops[0].missed.length"):
            break
    else:
        pytest.fail("no click marked anything")
    answer(browser, "Enter")
    row = sheet_of(browser, tmp_path).query("answer == 'missed'").iloc[0]
    assert row["m"] == "1"
    y, x = map(float, row["places"].split())
    assert labels_of(objects, row["well"], int(row["site"]))[int(y), int(x)] == 0
    browser.press("u")
    browser.wait("page.state().sets[0].at === 0")
    browser.click_at(*(np.array(box[:2]) + spot * box[2]))
    browser.wait("page.state().sets[0].crops[0].missed.length === 0")


@needs_chromium
@pytest.mark.parametrize("number", [3, 24, 80])
def test_the_intervals_of_the_page_are_those_of_the_package(
    browser, page, objects, tmp_path, number
):
    begin(browser, page)
    browser.run(said_truly(objects, number))
    if number == 24:  # what nobody can tell, pieces, missed objects
        browser.run(
            """page.state().sets[0].crops.slice(0, 20).forEach((crop, i) => {
              if (i % 4 === 0) crop.marks[0] = { answer: "cannot_tell", count: 0 };
              if (i % 5 === 0) crop.marks[1] = { answer: "split", count: 3 };
              if (i % 3 === 0) crop.missed = [[5, 5]];
            })"""
        )
    found = browser.run("page.judge()")
    expected = python_rows(objects, sheet_of(browser, tmp_path))
    assert len(found) == 18
    names = {"negcon": "DMSO", "poscon": "drug 80 uM", "difference": "drug 80 uM"}
    for row in found:
        own = expected[row["measure"], row["scope"], names[row["scope"]]]
        assert row["value"] == pytest.approx(own.estimate.value, abs=1e-8)
        for ends, estimate in (
            (row["wells"], own.these_wells),
            ([row["low"], row["high"]], own.estimate),
        ):
            assert ends == pytest.approx(list(estimate.interval(0.9)), rel=1e-5, abs=1e-6)
        assert row["needed"] == own.reviews_needed, (row["measure"], row["scope"])


@needs_chromium
def test_the_verdict_goes_from_undecided_to_the_true_answer(browser, page, objects, tmp_path):
    begin(browser, page)
    assert {row["verdict"] for row in browser.run("page.judge()")} == {"undecided"}
    assert browser.run("document.getElementById('enough').hidden")
    browser.run(said_truly(objects, 79))
    answer(browser, "Enter")
    rows = {(row["measure"], row["scope"]): row for row in browser.run("page.judge()")}
    truth = objects.groupby(objects["Metadata_Well"].str[0])["is_merged"].mean()
    assert rows["splits", "difference"]["verdict"] == rows["missed", "poscon"]["verdict"] == "pass"
    low, high = rows["merges", "difference"]["wells"]
    assert low < truth["B"] - truth["A"] < high and high - low < 0.07
    browser.wait("!document.getElementById('enough').hidden")
    counted = python_rows(objects, sheet_of(browser, tmp_path))
    assert counted["merges", "negcon", "DMSO"].counts.state == "complete"


@needs_chromium
def test_many_merges_in_the_positive_wells_go_from_undecided_to_fail(browser, page, objects):
    is_positive = objects["Metadata_Well"].str.startswith("B")
    third = is_positive & (objects["Metadata_ObjectNumber"] % 3 == 0)
    worse = objects.assign(is_merged=objects["is_merged"] | third)
    begin(browser, page)
    assert {row["verdict"] for row in browser.run("page.judge()")} == {"undecided"}
    browser.run(said_truly(worse, 80))
    rows = {(row["measure"], row["scope"]): row for row in browser.run("page.judge()")}
    assert rows["merges", "poscon"]["verdict"] == "fail"
    assert rows["merges", "difference"]["verdict"] == "fail"
    truth = worse.groupby(worse["Metadata_Well"].str[0])["is_merged"].mean()
    low, high = rows["merges", "poscon"]["wells"]
    assert low < truth["B"] < high


@needs_chromium
def test_100_crops_at_a_persons_pace_take_less_than_10_minutes_by_the_pages_clock(browser, page):
    begin(browser, page)
    browser.run(
        """page.state().sets[0].crops.forEach((crop, i) => {
          if (i >= 79) return;
          crop.done = true; crop.seconds = 4 + (i % 5) / 2; page.state().sets[0].at = i + 1;
        })"""
    )
    answer(browser, "Enter")
    words = browser.run("document.getElementById('progress').textContent")
    minutes = float(re.search(r"([\d.]+) min so far", words)[1])
    assert minutes / 80 * 100 < 10


@needs_chromium
@pytest.mark.parametrize(("width", "dark"), [(1300, False), (420, True)])
def test_everything_can_be_reached_by_keyboard_and_fits(browser, page, width, dark):
    browser.window(width, 900, "dark" if dark else "light")
    begin(browser, page)
    assert browser.run("document.documentElement.scrollWidth") <= width
    unnamed = browser.run(
        """[...document.querySelectorAll("button, input, select, canvas, progress, svg")]
          .filter((e) => !(e.textContent.trim() || e.getAttribute("aria-label")
            || (e.labels || []).length)).length"""
    )
    assert unnamed == 0
    browser.press("ArrowDown")
    browser.press("a")
    browser.wait("document.getElementById('said').textContent !== ''")
    label = browser.run("document.getElementById('crop').getAttribute('aria-label')")
    assert label.startswith("Crop 1:")


@needs_chromium
def test_fingers_choose_mark_and_confirm(browser, page):
    browser.window(420, 900)
    begin(browser, page)
    small = browser.run(
        """[...document.querySelectorAll(".answers button, .confirm button")]
          .filter((e) => e.getBoundingClientRect().height < 44).length"""
    )
    assert small == 0, "a finger needs 44 px"
    browser.tap("#objects button:nth-child(2)")
    browser.wait("view.selected === 1")
    browser.tap("[data-answer=merged]")
    browser.wait("said().marks[1].answer === 'merged'")
    middle = browser.run(
        """(async () => {
          canvas.scrollIntoView({ block: "center", behavior: "instant" });
          const f = frame(await pictureOf(0, 0)), box = canvas.getBoundingClientRect();
          const [y, x] = crop().centres[0], unit = box.width / f.side;
          return [box.left + (x - f.left) * unit, box.top + (y - f.top) * unit];
        })()"""
    )
    browser.tap_at(*middle)
    browser.wait("view.selected === 0")
    browser.tap("[data-answer=too_large]")
    browser.wait("said().marks[0].answer === 'too_large'")
    browser.tap("[data-key=Enter]")
    browser.wait("own().at === 1")
    browser.tap("[data-key=u]")
    browser.wait("own().at === 0 && said().marks[0].answer === 'too_large'")


@needs_chromium
def test_the_next_crop_is_there_in_less_than_100_ms(browser, page):
    begin(browser, page)
    for _ in range(8):
        answer(browser, "Enter")
    browser.wait("page.times().length === 9")
    # The first waits for its pictures; of the others the least, as the machine may be busy.
    assert min(browser.run("page.times()")[1:]) < 100
