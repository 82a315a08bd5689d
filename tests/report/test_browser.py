"""The plate browser in headless Chromium, as somebody uses it who opens the page from a disk."""

import json
from urllib.parse import parse_qs

import pytest
from browser_cases import browser_report, write_report
from chromium import MISSING, chromium, find_chromium

pytestmark = pytest.mark.skipif(find_chromium() is None, reason=MISSING)

PAINTED = "document.querySelectorAll('#browser-panes canvas[data-painted]').length"
CONTROL = ".look[data-measure='{}'][data-set='{}'][data-scope='{}']"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A plate of 384 wells and nine sites, with the files of some columns beside the page."""
    folder = tmp_path_factory.mktemp("plate")
    return write_report(browser_report(384, 9), folder, columns=("01", "02", "05"))


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def shown(tab, page):
    """The page, newly opened; it may not have reported any error in the end."""
    tab.errors.clear()
    tab.window(1300, 1000)
    tab.open(page.as_uri())
    yield tab
    assert not tab.errors


def told(tab) -> dict[str, str]:
    """What the address says is looked at."""
    return {key: value[0] for key, value in parse_qs(tab.run("location.hash.slice(1)")).items()}


def text(tab, selector: str) -> str:
    return tab.run(f"document.querySelector({json.dumps(selector)}).textContent")


def listed(tab) -> list[str]:
    return tab.run("[...document.querySelectorAll('#browser-list b')].map(one => one.textContent)")


def values(tab) -> list[float]:
    words = tab.run("[...document.querySelectorAll('.list-value')].map(one => one.textContent)")
    return [float(word.split()[0].replace("−", "-")) for word in words]


def is_lit(tab, selector: str) -> bool:
    """Whether a canvas shows more than black."""
    return tab.run(
        f"(() => {{ const c = document.querySelector({json.dumps(selector)});"
        "const p = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "let sum = 0; for (let i = 0; i < p.length; i += 4) sum += p[i] + p[i + 1] + p[i + 2];"
        "return sum / p.length > 3; })()"
    )


def choose(tab, select: str, value: str) -> None:
    before = tab.run("location.hash")
    tab.run(
        f"(() => {{ const s = document.getElementById({json.dumps(select)});"
        f"s.value = {json.dumps(value)}; s.dispatchEvent(new Event('change')); }})()"
    )
    tab.wait(f"location.hash !== {json.dumps(before)}")


def test_two_clicks_lead_from_the_verdict_to_the_worst_object(shown):
    shown.click(".overview " + CONTROL.format("missed", "Nuclei", "poscon"))
    shown.wait(PAINTED)
    where = told(shown)
    assert (where["show"], where["class"]) == ("Nuclei: missed objects", "poscon: Drug A")
    wells = listed(shown)
    assert len(wells) == 16 and all(well.endswith("02") for well in wells)
    assert values(shown) == sorted(values(shown), reverse=True)
    assert where["well"] == wells[0]
    assert "Drug A" in text(shown, "#browser-title")
    shown.wait("document.querySelector('#browser-objects button')")
    shown.click("#browser-objects button")
    shown.wait("document.querySelector('#browser-object-picture').dataset.painted")
    assert told(shown)["object"] == "missed-1"
    assert "possible missed object 1" in text(shown, "#browser-object-title")
    assert f"levelfield open P1 {where['well']} --site {where['site']}" == text(
        shown, "#browser-open"
    )


def test_the_picture_is_drawn_and_the_worst_site_comes_first(shown):
    shown.click(".overview " + CONTROL.format("balance", "Nuclei", "negcon"))
    shown.wait(PAINTED)
    assert is_lit(shown, "#browser-panes canvas")
    words = shown.run(
        "[...document.querySelectorAll('#browser-sites span')].map(s => s.textContent)"
    )
    assert len(words) == 9
    sizes = [abs(float(word.split(": ")[1].split()[0].replace("−", "-"))) for word in words]
    assert sizes[int(told(shown)["site"]) - 1] == max(sizes)
    strongest = shown.run(
        "[...document.querySelectorAll('#browser-objects span')].map(s => s.textContent)"
    )
    shares = [int(word.split()[-2]) for word in strongest]
    assert all(word.split()[0] in ("merged", "split") for word in strongest)
    assert shares == sorted(shares, reverse=True)


def test_a_click_on_the_picture_chooses_the_object_there(shown, page):
    shown.open(page.as_uri() + "#well=A05&site=1&set=Nuclei")
    shown.wait(PAINTED)
    sites = json.loads(
        "["
        + (page.parent / "browser" / "A05.js")
        .read_text()
        .removeprefix("levelfieldWell(")
        .rstrip()[:-2]
        + "]"
    )[1]
    objects, width = sites[0]["objects"]["Nuclei"], sites[0]["width"]
    number, x, y = (objects[name][100] for name in ("number", "x", "y"))
    shown.click("#browser-panes canvas", (x / width, y / width))
    shown.wait("location.hash.includes('object=')")
    assert told(shown)["object"] == str(number)
    assert f"--set Nuclei --object {number}" in text(shown, "#browser-open")


def test_a_link_that_was_sent_shows_the_same(shown, page):
    shown.click(".overview " + CONTROL.format("agreement", "Cells", "negcon"))
    shown.wait("document.querySelector('#browser-objects button')")
    shown.click("#browser-objects li:nth-child(3) button")
    shown.wait("location.hash.includes('object=')")
    address, title = shown.run("location.href"), text(shown, "#browser-object-title")
    assert address.startswith("file://")
    shown.open(address)
    shown.wait("document.querySelector('#browser-object-picture').dataset.painted")
    assert text(shown, "#browser-object-title") == title
    shown.wait("document.querySelector('#browser-title').getBoundingClientRect().top < 900")
    shown.click("#browser-next")
    shown.wait(f"location.href !== {json.dumps(address)}")
    shown.run("history.back()")
    shown.wait(f"location.href === {json.dumps(address)}")


def test_filters_by_class_flag_and_question_and_the_order(shown):
    choose(shown, "browser-flag", "not_covered")
    assert sorted(listed(shown)) == ["C05", "D07"]
    assert shown.run("document.querySelectorAll('#browser-map .filtered').length") == 382
    choose(shown, "browser-flag", "no_image")
    assert listed(shown) == ["P24"]
    choose(shown, "browser-flag", "margin")
    choose(shown, "browser-show", "Nuclei: agreement")
    low = values(shown)
    assert low and max(low) < 90
    choose(shown, "browser-flag", "")
    choose(shown, "browser-class", "pair: Drug A")
    wells = listed(shown)
    assert len(wells) == 32 and {well[1:] for well in wells} == {"01", "02"}
    choose(shown, "browser-order", "plate")
    assert listed(shown)[:4] == ["A01", "A02", "B01", "B02"]
    choose(shown, "browser-order", "typical")
    choose(shown, "browser-class", "negcon: DMSO")
    found = values(shown)
    middle = sorted(found)[(len(found) - 1) // 2]
    assert found[0] == middle
    assert [abs(value - middle) for value in found] == sorted(abs(v - middle) for v in found)


def test_keys_alone_lead_to_an_object_and_back(shown):
    link = ".overview " + CONTROL.format("missed", "Nuclei", "negcon")
    shown.run(f"document.querySelector({json.dumps(link)}).focus()")
    shown.press("Enter")
    shown.wait(PAINTED)
    first, second = listed(shown)[:2]
    assert shown.run("document.activeElement.id") in ("browser-title", "")
    shown.run("document.querySelector('#browser-list [aria-current]').focus()")
    for key, well in (("j", second), ("k", first)):
        shown.press(key)
        shown.wait(f"location.hash.includes('well={well}')")
        shown.wait("document.activeElement.closest('#browser-list')")
    site = int(told(shown)["site"])
    key, other = (".", site + 1) if site < 9 else (",", site - 1)
    shown.press(key)
    shown.wait(f"location.hash.includes('site={other}')")
    shown.wait("document.querySelector('#browser-objects button')")
    shown.run("document.querySelector('#browser-objects button').focus()")
    shown.press("Enter")
    shown.wait("location.hash.includes('object=')")
    said = "document.getElementById('browser-status').textContent"
    shown.wait(f"{said}.includes('possible missed object')")
    shown.press("o")
    assert shown.run("document.querySelectorAll('#browser-outlines :checked').length") == 0


def test_arrow_keys_walk_over_the_map_of_the_plate(shown):
    reached = shown.run("document.querySelectorAll('#browser-map [tabindex=\"0\"]').length")
    assert reached == 1
    shown.run("document.querySelector('#browser-map [data-well=A01]').focus()")
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp"):
        shown.press(key)
    assert shown.run("document.activeElement.dataset.well") == "B02"
    assert text(shown, "#browser-map-says").startswith("B02, positive control, Drug A: ")
    assert "images left out" in text(shown, "#browser-map-says")
    shown.press("End")
    assert shown.run("document.activeElement.dataset.well") == "B24"
    shown.press("Home")
    shown.press("Enter")
    shown.wait(f"location.hash.includes('well=B01') && {PAINTED}")


def test_drawn_maps_tell_their_wells_by_mouse_and_keys_and_lead_to_pictures(shown):
    figure = "figure[data-quantity='2']"
    shown.run(f'document.querySelector("{figure} svg").focus()')
    assert text(shown, f"{figure} .map-says").startswith("A01, negative control, DMSO: ")
    shown.press("ArrowRight")
    shown.press("ArrowDown")
    said = text(shown, f"{figure} .map-says")
    assert said.startswith("B02, positive control, Drug A: ")
    shown.run(
        f'document.querySelector("{figure} [data-well=C05]").dispatchEvent('
        "new MouseEvent('mouseover', {bubbles: true}))"
    )
    assert text(shown, f"{figure} .map-says").startswith("C05, compound 5: ")
    shown.press("Enter")
    shown.wait(PAINTED)
    assert told(shown)["well"] == "C05"
    caption = text(shown, f"{figure} figcaption")
    assert caption == told(shown)["show"]
    assert shown.run("document.querySelector('#browser-title').getBoundingClientRect().top >= 0")


def test_two_wells_stand_side_by_side_with_one_contrast(shown, page):
    shown.open(page.as_uri() + "#well=A01&site=1&order=plate")
    shown.wait(PAINTED)
    shown.click("#browser-beside")
    shown.wait("location.hash.includes('beside=A01')")
    shown.click("#browser-map [data-well='A05']")
    shown.wait(f"{PAINTED} === 2")
    assert told(shown)["beside"] == "A01:1"
    titles = shown.run("[...document.querySelectorAll('.pane h4')].map(h => h.textContent)")
    assert "A05" in titles[0] and "A01" in titles[1]
    # The same field lies in these two sites: the same pixels, then, at one contrast.
    shown.click("#browser-sites [data-site='3']")
    shown.wait(f"location.hash.includes('site=3') && {PAINTED} === 2")
    sums = "[...document.querySelectorAll('#browser-panes canvas')].map(c => c.toDataURL().length)"
    assert len(set(shown.run(sums))) == 1
    assert "DNA 2–60 %" in text(shown, "#browser-contrast")
    dark = shown.run(sums)
    shown.run(
        "(() => { const r = document.getElementById('browser-brightness'); r.value = 3;"
        "r.dispatchEvent(new Event('input')); })()"
    )
    shown.wait(f"{PAINTED} === 2 && String({sums}) !== '{','.join(map(str, dark))}'")
    assert len(set(shown.run(sums))) == 1


def test_both_classes_stand_side_by_side(shown):
    shown.click(
        ".overview "
        + CONTROL.format("merges", "Nuclei", "difference")
        + ", .overview "
        + CONTROL.format("balance", "Nuclei", "difference")
    )
    shown.wait(f"{PAINTED} >= 8")
    titles = shown.run("[...document.querySelectorAll('.pane h4')].map(h => h.textContent)")
    assert [title.split(",")[0] for title in titles] == [
        "negative control: DMSO",
        "positive control: Drug A",
    ]
    captions = shown.run(
        "[...document.querySelectorAll('.pane')].map("
        "p => [...p.querySelectorAll('figcaption')].map(c => c.textContent.slice(1, 3)))"
    )
    assert [set(own) for own in captions] == [{"01"}, {"02"}]


def test_what_is_missing_is_said_in_words(shown, page):
    shown.open(page.as_uri() + "#well=B02&site=1")
    shown.wait("document.querySelector('.pane .missing')")
    assert "Site 2 was left out: FKHR: 31 % saturated" in text(shown, "#browser-panes")
    (page.parent / "browser" / "B01.js").rename(page.parent / "browser" / "moved.js")
    shown.open(page.as_uri() + "#well=B01")
    shown.wait("document.querySelector('.pane [role=alert]')")
    (page.parent / "browser" / "moved.js").rename(page.parent / "browser" / "B01.js")
    said = text(shown, ".pane [role=alert]")
    assert "browser/B01.js is not beside this page" in said and "Copy the folder" in said
    shown.open(page.as_uri() + "#well=P24")
    shown.wait("document.querySelector('.pane .missing')")
    assert "No image: no image" in text(shown, ".pane .missing")
    shown.errors[:] = [error for error in shown.errors if "ERR_FILE_NOT_FOUND" not in error]


@pytest.mark.parametrize("width", [1300, 420])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_fits_its_window_and_its_text_stands_out(shown, page, width, theme):
    shown.window(width, 1000, theme)
    shown.open(page.as_uri() + "#well=A05&site=1&show=Nuclei:+agreement&set=Nuclei&object=17")
    shown.wait(PAINTED)
    assert shown.run("document.documentElement.scrollWidth") <= width
    ratio = """(() => {
      const light = (colour) => {
        const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
          .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
      };
      const ground = (e) => { for (; e; e = e.parentElement) {
        const own = getComputedStyle(e).backgroundColor;
        if (!/, 0\\)$/.test(own)) return light(own);
      } };
      return ['p', 'small', 'h2', 'h3', 'td', '.badge', '.look', '.map-says', '.note',
        '#browser-next', '[aria-current]', '[aria-pressed=true]', 'select', '#browser-title'
      ].flatMap((selector) => {
        const e = [...document.querySelectorAll(selector)]
          .find((one) => one.offsetHeight && one.textContent);
        if (!e) return [];
        const [a, b] = [light(getComputedStyle(e).color), ground(e)].sort((x, y) => y - x);
        return (a + 0.05) / (b + 0.05) < 4.5 ? [selector] : [];
      });
    })()"""
    assert shown.run(ratio) == []


def test_every_control_of_the_browser_has_a_name_and_shows_the_focus(shown, page):
    shown.open(page.as_uri() + "#well=A05&site=1&set=Nuclei&object=17")
    shown.wait("document.querySelector('#browser-object-picture').dataset.painted")
    unnamed = shown.run(
        "[...document.querySelectorAll('#browser button, #browser select, #browser input,"
        " #browser canvas[role=img]')].filter(e => !(e.disabled || e.ariaLabel || e.labels?.length"
        " || e.textContent.trim() || e.getAttribute('aria-labelledby'))).map(e => e.outerHTML)"
    )
    assert unnamed == []
    shown.run("document.querySelector('#browser-copy').focus()")
    shown.press("Tab")
    shown.run("document.querySelector('#browser-next').focus()")
    style = "getComputedStyle(document.activeElement).outlineStyle"
    assert shown.run(style) == "solid"


def test_the_page_prints_with_the_well_that_is_looked_at(shown, page, tmp_path):
    shown.window(1300, 1000, "dark")
    shown.open(page.as_uri() + "#well=A05&site=1")
    shown.wait(PAINTED)
    shown.call("Emulation.setEmulatedMedia", media="print")
    assert shown.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert shown.run("getComputedStyle(document.querySelector('.filters')).display") == "none"
    assert shown.run("document.querySelector('#browser-panes canvas').clientHeight") > 100
    shown.pdf(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
