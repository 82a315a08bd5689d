"""Pictures of the QC on the plate's page: image thresholds, funnels, worst crops, truth."""

import io
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from report_cases import layout_of, real_field, report_of

from levelfield.io.pictures import rgb
from levelfield.qc.evidence.features import field_features
from levelfield.qc.statistics.comparison import comparisons
from levelfield.report import plate_page
from levelfield.report.crops import OWN_COLOUR, choose_crops, draw_crops
from levelfield.report.distributions import control_groups, draw_image_thresholds
from levelfield.report.funnel import draw_funnel

LAYOUT = layout_of(96)
GROUPS = control_groups(comparisons(LAYOUT))
WELLS = {"A01": "negcon", "B01": "negcon", "A02": "poscon", "B02": "poscon"}


def sites_of(biases: dict[str, list[float]]) -> pd.DataFrame:
    rows = [
        (well, site, bias, "low" if bias > 0.5 else "high" if bias < -0.5 else "ok")
        for well, own in biases.items()
        for site, bias in enumerate(own, start=1)
    ]
    names = ["Metadata_Well", "Metadata_Site", "threshold_bias_px", "threshold_call"]
    return pd.DataFrame(rows, columns=names)


def test_every_control_image_is_a_dot_and_is_counted_by_its_call():
    sites = sites_of({"A01": [0.1, 0.9, np.nan], "B01": [-0.2], "A02": [-0.8, -0.7], "A05": [3.0]})
    picture = draw_image_thresholds(sites, GROUPS)
    dots = re.findall(r"<title>(\w\d\d), site (\d): (\S+) px</title>", picture)
    assert set(dots) == {
        ("A01", "1", "+0.10"),
        ("A01", "2", "+0.90"),
        ("B01", "1", "−0.20"),
        ("A02", "1", "−0.80"),
        ("A02", "2", "−0.70"),
    }
    assert "<title>0 too high · 2 ok · 1 too low, of 3 images</title>" in picture
    assert "<title>2 too high · 0 ok · 0 too low, of 2 images</title>" in picture


def test_dots_of_images_stand_where_their_bias_is_and_the_dead_zone_around_zero():
    picture = draw_image_thresholds(sites_of({"A01": [-0.5, 0.5], "A02": [0.0]}), GROUPS)
    left, width = map(float, re.search(r'<rect x="(\S+)" width="(\S+)" y', picture).groups())
    dots = sorted(float(x) for x in re.findall(r'<circle cx="(\S+)" cy="\S+" r="2.6"', picture))
    assert dots == pytest.approx([left, left + width], abs=0.02)


def test_a_control_without_a_measured_edge_says_so():
    picture = draw_image_thresholds(sites_of({"A01": [0.1]}), GROUPS)
    assert picture.count("no values") == 1


def wells_of(balances: dict[str, float], n_objects: int = 100) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Metadata_Well": list(balances),
            "n_objects": n_objects,
            "balance": list(balances.values()),
        }
    )


def test_the_funnel_names_wells_beyond_the_limits_of_the_negative_ones():
    near = {f"{row}01": 0.01 * place for place, row in enumerate("ABCDEFGH")}
    picture = draw_funnel(wells_of(near | {"A02": 0.035, "B02": -0.6, "A05": 0.03}), GROUPS)
    named = re.findall(r'class="tick">([A-H]\d\d)</text>', picture)
    assert named == ["B02"]
    said = dict(re.findall(r"<title>(\w\d\d): (\S+) pp, 100 objects</title>", picture))
    assert len(said) == 11
    assert said["B02"] == "−60.0"
    assert picture.count("<polyline") == 4


def test_the_funnel_of_few_negative_wells_has_no_limits_and_one_without_values_is_no_error():
    picture = draw_funnel(wells_of({"A01": 0.1, "B01": 0.0, "A02": 0.2}), GROUPS)
    assert "<polyline" not in picture
    assert picture.count("objects</title>") == 3
    assert "no values" in draw_funnel(wells_of({"A01": np.nan}), GROUPS)


@pytest.fixture(scope="module")
def judged() -> pd.DataFrame:
    """Real nuclei of four wells with invented evidence."""
    tables = []
    for well, kind in WELLS.items():
        image, labels = real_field(well)
        found = field_features(labels["Nuclei"], image[0]).objects
        head = {"Metadata_Plate": "P1", "Metadata_Well": well, "Metadata_ControlType": kind}
        tables.append(found.assign(**head, Metadata_Site=1, object_set="Nuclei"))
    objects = pd.concat(tables, ignore_index=True)
    kinds = ("merge_evidence", "fragment_evidence", "invented_evidence", "threshold_bias_px")
    return objects.assign(**dict.fromkeys(kinds, 0.0))


def whole(judged: pd.DataFrame, well: str) -> pd.Index:
    inside = (judged["Metadata_Well"] == well) & ~judged["touches_border"].astype(bool)
    return judged.index[inside]


def test_the_worst_object_of_every_field_is_shown_by_error_and_control(judged):
    objects = judged.copy()
    first, second = whole(objects, "A01")[:2]
    objects.loc[[first, second], "merge_evidence"] = [0.6, 0.9]
    objects.loc[whole(objects, "B01")[0], "merge_evidence"] = 0.7
    objects.loc[whole(objects, "A02")[0], "threshold_bias_px"] = -2.0
    objects.loc[whole(objects, "A02")[1], "threshold_bias_px"] = 0.4
    border = objects.index[objects["touches_border"].astype(bool)]
    objects.loc[border, "fragment_evidence"] = 1.0
    chosen = choose_crops(objects, LAYOUT)
    assert [(one.error, one.scope, one.well, one.number, one.says) for one in chosen] == [
        ("Merged", "negcon", "A01", objects.loc[second, "Metadata_ObjectNumber"], "90 %"),
        ("Merged", "negcon", "B01", objects.loc[whole(objects, "B01")[0], NUMBER], "70 %"),
        ("Too small", "poscon", "A02", objects.loc[whole(objects, "A02")[0], NUMBER], "−2.00 px"),
    ]
    assert [one.well for one in choose_crops(objects, LAYOUT, per_control=1)] == ["A01", "A02"]


NUMBER = "Metadata_ObjectNumber"


def test_crops_show_their_object_in_its_colour_and_stay_inside_the_image(judged):
    objects = judged.assign(merge_evidence=0.5)
    reads = []

    def read(well, site):
        reads.append(well)
        return real_field(well)

    choices = choose_crops(objects, LAYOUT)
    again = [replace(choices[0], error="Split"), *choices]
    crops = draw_crops(again, read, {"Nuclei": 0})
    assert [crop.choice for crop in crops] == again
    assert sorted(reads) == sorted(set(reads)), "every field is read once"
    for crop in crops:
        side = crop.choice.side
        picture, outlines = (
            Image.open(io.BytesIO(content)) for content in (crop.picture, crop.outlines)
        )
        assert picture.size == outlines.size == (side, side)
        inks = np.asarray(outlines.convert("RGBA"))
        own = (inks[..., :3] == np.rint(255 * rgb(OWN_COLOUR))).all(-1) & (inks[..., 3] > 0)
        _, labels = real_field(crop.choice.well)
        outline = (labels["Nuclei"] == crop.choice.number).sum()
        assert 0 < own.sum() < outline


def candidates_of(well: str, centre: tuple[float, float], evidence: float) -> pd.DataFrame:
    place = {"Metadata_Plate": "P1", "Metadata_Well": well, "Metadata_Site": 1, "candidate": 7}
    seen = {"area_px": 200.0, "missed_evidence": evidence, "found_by": "second opinion"}
    y, x = centre
    row = place | seen | {"object_set": "Nuclei", "centre_y_px": y, "centre_x_px": x}
    return pd.DataFrame([row])


def test_what_is_missed_is_shown_in_a_ring_at_its_place(judged):
    candidates = candidates_of("A02", (200.0, 300.0), 0.8)
    choices = choose_crops(judged, LAYOUT, candidates)
    assert [(one.error, one.scope, one.well, one.number) for one in choices] == [
        ("Missed", "poscon", "A02", 7)
    ]
    (crop,) = draw_crops(choices, lambda well, site: real_field(well), {"Nuclei": 0})
    inks = np.asarray(Image.open(io.BytesIO(crop.outlines)).convert("RGBA"))
    ring = (inks[..., :3] == np.rint(255 * rgb(OWN_COLOUR))).all(-1) & (inks[..., 3] > 0)
    y, x = np.nonzero(ring)
    start = [round(middle) - crop.choice.side // 2 for middle in crop.choice.centre]
    distance = np.hypot(y - (200 - start[0]), x - (300 - start[1]))
    assert len(y) > 30
    assert np.allclose(distance, crop.choice.ring, atol=1)
    assert crop.choice.ring > np.sqrt(200 / np.pi)  # the object stays visible inside
    assert "in the ring" in plate_page(report_of(LAYOUT, 96, crops=(crop,)))


def test_weak_candidates_and_plates_without_objects_show_nothing_missed(judged):
    assert choose_crops(judged, LAYOUT, candidates_of("A02", (200.0, 300.0), 0.2)) == []
    assert choose_crops(judged, LAYOUT, candidates_of("A02", (9.0, 9.0), 0.9).iloc[:0]) == []
    only = choose_crops(judged.iloc[:0], LAYOUT, candidates_of("A01", (9.0, 9.0), 0.9))
    assert [one.error for one in only] == ["Missed"]


def test_an_invented_object_is_shown_with_its_outline(judged):
    objects = judged.copy()
    objects.loc[whole(objects, "A01")[0], "invented_evidence"] = 0.9
    (choice,) = choose_crops(objects, LAYOUT)
    assert (choice.error, choice.says, choice.ring) == ("Invented", "90 %", 0.0)


def test_the_page_shows_crops_thresholds_and_funnels(judged):
    data = report_of(LAYOUT, 96)
    assert "Worst objects" not in plate_page(data)
    crops = draw_crops(
        choose_crops(judged.assign(merge_evidence=0.5), LAYOUT),
        lambda well, site: real_field(well),
        {"Nuclei": 0},
    )
    page = plate_page(replace(data, crops=crops))
    assert page.count('class="crop"') == len(crops) == 4
    assert "Merged: one outline around several objects" in page
    assert "Threshold of every control image" in page
    assert page.count("objects in the well</text>") == 2


def truth_of(verdict: pd.DataFrame) -> pd.DataFrame:
    rows = verdict[verdict["object_set"] == "Nuclei"]
    figures = {
        f"{name}{part}": value
        for name, value in (("same_sites_", 1.25), ("truth_", -2.75))
        for part, value in (("ci_low", value - 1), ("ci_high", value + 1))
    }
    found = rows.assign(truth=-2.75, same_sites_estimate=1.25, truth_verdict="pass", **figures)
    convention = rows["scope"].map({"negcon": 0.42, "poscon": -0.3, "difference": -0.72})
    found["annotators_convention_px"] = convention.where(rows["measure"] == "bias")
    return found.assign(fraction_low=0.25, fraction_high=0.5)


def test_estimate_and_truth_stand_beside_each_other():
    data = report_of(LAYOUT, 96)
    assert "Estimate and truth" not in plate_page(data)
    truth = truth_of(data.verdict)
    page = plate_page(replace(data, truth=truth))
    section = page[page.index('<section id="truth"') : page.index('<section id="readouts"')]
    assert "Nuclei · splits and merges" in section
    assert "Cells · " not in section
    for words in ("−2.8 pp", "+1.2 pp", "−2.75 px", "90 % interval −3.8 to −1.8 pp"):
        assert words in section, words
    assert "too low in 25 %, too high in 50 % of images" in section
    for words in (
        "of images; annotators draw 0.4 px outside of the visible edge<",
        "annotators draw 0.3 px inside of the visible edge",
        "annotators draw 0.7 px farther inside than in the negative wells",
    ):
        assert words in section, words
    alike = truth.assign(annotators_convention_px=truth["annotators_convention_px"] * 0.05)
    page = plate_page(replace(data, truth=alike))
    assert "; annotators draw on the visible edge<" in page
    assert "; annotators draw alike in both classes<" in page
    unknown = plate_page(replace(data, truth=truth.assign(annotators_convention_px=np.nan)))
    assert "; annotators draw" not in unknown and "<br>annotators draw" not in unknown
    truth.loc[truth["scope"] == "poscon", ["truth", "truth_ci_low", "truth_verdict"]] = [
        np.nan,
        np.nan,
        "",
    ]
    assert (
        plate_page(replace(data, truth=truth)).count(
            '<td><span class="only-phone label">By the references'
        )
        == 14  # seven measures, without the positive class
    )
