"""Errors planted on purpose: labels move by so much, and whatever holds them says so."""

import numpy as np
import pandas as pd
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from report_cases import answers_of, layout_of, plate_facts, report_of, tables_of
from scipy.spatial.distance import cdist
from skimage.draw import disk
from workflow_runs import LAYOUT, ONE_PACK

from levelfield.config.checks import checked_sets
from levelfield.config.planted import COLUMN, mark_layout, mark_verdict, planted_note, planted_notes
from levelfield.config.sheets import ConfigError
from levelfield.evaluation import evaluate_image
from levelfield.io.store import read_labels
from levelfield.labels.objects import object_numbers
from levelfield.report import plate_page, verdict_text
from levelfield.segmentation import METHODS
from levelfield.segmentation.planting import plant_error, plant_growth

OBJECTS = {
    "Nuclei": {"method": "classical", "planted": {"control_type": "poscon", "grow_px": 1.5}},
    "Cells": {"method": "propagation", "parent": "Nuclei"},
    "Cytoplasm": {"method": "subtraction", "parent": "Cells", "minus": "Nuclei"},
    "Spots": {"method": "classical"},
}
NOTE = "PLANTED: Nuclei of the poscon wells grown by 1.5 px."
POSITIVE = [line[:3] for line in LAYOUT.splitlines() if ",poscon," in line]


def discs(radius: int, *centres: tuple[int, int], side: int = 60) -> np.ndarray:
    labels = np.zeros((side, side), np.int32)
    for number, centre in enumerate(centres, start=1):
        labels[disk(centre, radius + 0.5, shape=labels.shape)] = number
    return labels


def random_labels(seed: int) -> np.ndarray:
    """Blobs that touch one another, with gaps in their numbers."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 5, (6, 7)) * (random.random((6, 7)) < 0.6)
    return np.kron(2 * coarse, np.ones((3, 4), int)).astype(np.int32)


@given(st.integers(0, 200), st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.3]))
def test_growth_takes_all_background_within_reach_and_nothing_else(seed, grow):
    labels = random_labels(seed)
    grown = plant_growth(labels, grow)
    assert grown.dtype == np.int32
    assert np.array_equal(grown[labels > 0], labels[labels > 0])
    places, background = np.argwhere(labels > 0), np.argwhere(labels == 0)
    if not len(places) or not len(background):
        assert np.array_equal(grown, labels)
        return
    distance = cdist(background, places)
    taken = grown[tuple(background.T)]
    assert np.array_equal(taken > 0, distance.min(axis=1) <= grow)
    for row, number in zip(distance, taken, strict=True):
        if number:
            nearest = labels[tuple(places[np.isclose(row, row.min())].T)]
            assert number in nearest


@given(st.integers(0, 200), st.sampled_from([0.5, 1.0, 1.5, 2.0]))
def test_shrinking_takes_the_rim_towards_background_and_leaves_seams(seed, shrink):
    labels = random_labels(seed)
    shrunk = plant_growth(labels, -shrink)
    background, places = np.argwhere(labels == 0), np.argwhere(labels > 0)
    if not len(background) or not len(places):
        assert np.array_equal(shrunk, labels)
        return
    near = cdist(places, background).min(axis=1) <= shrink
    expected = np.where(near, 0, labels[tuple(places.T)])
    assert np.array_equal(shrunk[tuple(places.T)], expected)
    assert not shrunk[labels == 0].any()


@pytest.mark.parametrize("radius", [6, 8, 12])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_outline_of_a_disc_moves_by_four_over_pi(radius, sign):
    labels = discs(radius, (29, 29))
    moved = evaluate_image(plant_growth(labels, sign * 1.5), labels).scores["boundary_bias_px"]
    assert moved == pytest.approx(sign * 4 / np.pi, abs=0.2)


def test_objects_that_touch_keep_their_seam_and_their_numbers():
    labels = discs(8, (20, 15), (20, 31), (45, 30))
    grown = plant_growth(labels, 1.5)
    assert set(np.unique(grown)) == {0, 1, 2, 3}
    assert np.array_equal(grown, plant_growth(labels, 1.5))
    middle = grown[20, 15:32]
    assert list(np.unique(middle)) == [1, 2]
    assert np.abs(np.diff(middle)).sum() == 1, "one seam, and no pixel of one in the other"


def test_all_that_is_made_from_planted_objects_is_marked():
    notes = planted_notes(OBJECTS)
    assert notes == dict.fromkeys(("Nuclei", "Cells", "Cytoplasm"), NOTE)
    assert planted_note(OBJECTS).startswith(NOTE.rstrip("."))
    unplanted = {name: {"method": rule["method"]} for name, rule in OBJECTS.items()}
    assert planted_notes(unplanted) == {}
    assert planted_note(unplanted) == ""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ({"grow_px": -0.5}, "Nuclei of the trt wells shrunk by 0.5 px"),
        ({"drop_percent": 25}, "25 % of Nuclei of the trt wells dropped"),
        ({"split_percent": 2.5}, "2.5 % of Nuclei of the trt wells cut in two"),
        ({"merge_percent": 10}, "10 % of Nuclei of the trt wells joined to neighbours"),
    ],
)
def test_every_error_is_called_by_its_amount(error, words):
    note = planted_note({"Nuclei": {"planted": {"control_type": "trt"} | error}})
    assert note == f"PLANTED: {words} after segmentation, on purpose."


def test_layout_and_verdict_say_what_was_planted():
    layout = layout_of(96)
    assert mark_layout(layout, {"Nuclei": {}}) is layout
    marked = mark_layout(layout, OBJECTS)
    concerned = marked[COLUMN] != ""
    assert set(layout.loc[concerned, "Metadata_ControlType"]) == {"poscon"}
    assert concerned.sum() == 8
    answers, verdict = tables_of(answers_of(layout))
    assert mark_verdict(verdict, {"Nuclei": {}}) is verdict
    others = {"object_set": {"Cells": "Spots"}}
    said = mark_verdict(verdict.replace(others), OBJECTS)
    nuclei = said["object_set"] == "Nuclei"
    assert said.loc[nuclei, "advice"].str.startswith(f"{NOTE} ").all()
    assert not said.loc[~nuclei, "advice"].str.contains("PLANTED").any()
    assert said.loc[~nuclei, "planted"].eq("").all()
    facts = plate_facts(96)
    assert verdict_text(answers.replace(others), said, facts).splitlines()[2] == NOTE
    assert "PLANTED" not in verdict_text(answers, verdict, facts)


def test_the_page_says_it_at_its_head_and_nowhere_without_need():
    layout = layout_of(96)
    plain = plate_page(report_of(layout, 96))
    body = plain[plain.index("<body>") :]
    assert "PLANTED" not in body
    assert '<main class="planted">' not in body
    data = report_of(mark_layout(layout, OBJECTS), 96, config={"objects": OBJECTS})
    page = plate_page(data)
    assert "<title>PLANTED · P1" in page
    assert "<h1>P1 · PLANTED</h1>" in page
    assert '<main class="planted">' in page
    assert planted_note(OBJECTS) in page[: page.index('<section id="verdict"')]
    assert "A02, positive control, Drug A, PLANTED:" in page
    assert "A01, negative control, DMSO:" in page


@pytest.mark.parametrize(
    ("name", "planted", "says"),
    [
        ("Cytoplasm", {"control_type": "poscon", "grow_px": 1}, ["Cytoplasm.planted", "Cells"]),
        ("Cells", {"control_type": "poscon", "grow_px": -1}, ["no longer hold", "shrink Nuclei"]),
        ("Cells", {"control_type": "trt", "merge_percent": 5}, ["numbers", "it into Nuclei"]),
        ("Cells", {"control_type": "trt", "split_percent": 5}, ["numbers", "it into Nuclei"]),
    ],
)
def test_errors_that_no_longer_fit_other_sets_are_refused(name, planted, says):
    objects = OBJECTS | {name: OBJECTS[name] | {"planted": planted}}
    with pytest.raises(ConfigError) as error:
        checked_sets({"channels": {"DNA": {}}, "objects": objects}, METHODS)
    assert all(part in str(error.value) for part in says)


def plant(screen, **error):
    objects = screen.config["objects"]
    objects["Nuclei"]["planted"] = {"control_type": "poscon"} | error
    screen.change_config(objects=objects)


@pytest.fixture(scope="module")
def planted_run(finished, tmp_path_factory):
    """The finished screen, a copy of it with an error, and what the run of the copy printed."""
    screen = finished.copy_to(tmp_path_factory.mktemp("planted") / "copy")
    screen.change_config(packs_per_plate=1)
    plant(screen, grow_px=1.5)
    return finished, screen, screen.run_well()


def stores(plain, screen):
    return plain.results / "P.zarr", screen.results / "P.zarr"


@pytest.mark.workflow
def test_only_the_wells_of_the_control_type_are_altered_and_by_so_much(planted_run):
    plain_screen, screen, _ = planted_run
    before, after = stores(plain_screen, screen)
    for line in LAYOUT.splitlines():
        well = line.split(",")[0]
        plain, planted = (read_labels(store, well, 1, "Nuclei") for store in (before, after))
        expected = plant_growth(plain, 1.5) if well in POSITIVE else plain
        assert np.array_equal(planted, expected), well
        cells, cytoplasm = (read_labels(after, well, 1, name) for name in ("Cells", "Cytoplasm"))
        assert np.array_equal(cells[planted > 0], planted[planted > 0])
        assert not cytoplasm[planted > 0].any()


@pytest.mark.workflow
def test_the_estimate_moves_by_what_was_planted(planted_run):
    plain_screen, screen, _ = planted_run
    bias = {}
    for name, results in (("plain", plain_screen.results), ("planted", screen.results)):
        wells = pd.read_csv(results / "qc" / "wells.csv").query("object_set == 'Nuclei'")
        bias[name] = wells.groupby("Metadata_ControlType")["threshold_bias_px"].mean()
    moved = bias["planted"] - bias["plain"]
    assert moved["poscon"] == pytest.approx(4 / np.pi, abs=0.3)
    assert abs(moved[["negcon", "trt"]]).max() < 1e-9


@pytest.mark.workflow
def test_whatever_holds_the_error_says_so(planted_run):
    _, screen, printed = planted_run
    assert printed.count(planted_note({"Nuclei": OBJECTS["Nuclei"]})) == 1, "at the end"
    logs = [path.read_text() for path in (screen.results / "logs").glob("segment_*.log")]
    assert any(f"{NOTE} Here in " in text for text in logs)
    for table in ("sites.csv", "wells.csv", "qc/sites.csv", "qc/wells.csv"):
        marked = screen.table(table).groupby("Metadata_Well")[COLUMN].first()
        assert sorted(marked.index[marked != ""]) == sorted(POSITIVE), table
    objects = pd.read_parquet(screen.results / "objects" / "Cells.parquet")
    assert set(objects.loc[objects[COLUMN] != "", "Metadata_Well"]) == set(POSITIVE)
    for table in (screen.results / "qc", screen.results.parent / "screen"):
        verdict = pd.read_csv(table / "verdict.csv")
        assert verdict["advice"].str.startswith(NOTE).all()
        assert verdict["planted"].eq(NOTE).all()
    for page in (screen.results / "report.html", screen.folder / "results/screen/report.html"):
        assert " · PLANTED</h1>" in page.read_text()
    assert "PLANTED" in (screen.results / "ro-crate-metadata.json").read_text()
    after = screen.results / "P.zarr"
    for well, attributes in {
        well: zarr.open_group(after / well[0] / well[1:] / "1/labels/Cells", mode="r").attrs
        for well in ("A01", "A12")
    }.items():
        title = attributes["ome"]["multiscales"][0]["name"]
        assert (title, attributes.get("levelfield", {}).get("planted")) == (
            ("Cells PLANTED", NOTE) if well in POSITIVE else ("Cells", None)
        )


@pytest.mark.workflow
def test_nuclei_can_be_dropped_and_what_is_made_of_them_follows(planted_run):
    plain_screen, screen, _ = planted_run
    plant(screen, drop_percent=25)
    screen.run_well(*ONE_PACK)
    before, after = stores(plain_screen, screen)
    left, were = 0, 0
    for line in LAYOUT.splitlines():
        well = line.split(",")[0]
        plain, planted = (read_labels(store, well, 1, "Nuclei") for store in (before, after))
        names = ("P", well, 1, "Nuclei")
        expected = plant_error(plain, "drop_percent", 25, names) if well in POSITIVE else plain
        assert np.array_equal(planted, expected), well
        for name in ("Cells", "Cytoplasm"):
            made = read_labels(after, well, 1, name)
            assert set(object_numbers(made)) <= set(object_numbers(planted))
        if well in POSITIVE:
            left, were = left + len(object_numbers(planted)), were + len(object_numbers(plain))
    assert left / were == pytest.approx(0.75, abs=0.02)


@pytest.mark.workflow
def test_another_error_makes_again_only_the_wells_that_get_it(planted_run):
    _, screen, _ = planted_run
    plant(screen, grow_px=-1)
    screen.run_well(*ONE_PACK)
    log = (screen.results / "logs" / "segment_pack1.log").read_text()
    made = [int(part.rsplit(" ", 1)[1]) for part in log.split(" fields made")[:-1]]
    assert sum(made) == len(POSITIVE)
