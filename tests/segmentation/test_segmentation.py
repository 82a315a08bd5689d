"""The registry, the classical method and the objects that come from others, on real images."""

import inspect
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from jsonschema import Draft202012Validator
from PIL import Image
from real_images import BBBC013, BBBC038
from scipy import ndimage
from skimage.segmentation import watershed as flood

from levelfield.config.parameters import parameter_names
from levelfield.labels import objects
from levelfield.segmentation import METHODS, load_model, segment_objects
from levelfield.segmentation.declump import declump, distance_to_background
from levelfield.segmentation.options import DeclumpOptions
from levelfield.segmentation.pixel_classifier import train_pixel_classifier
from levelfield.segmentation.propagate import propagate
from levelfield.segmentation.reference import with_tables
from levelfield.segmentation.schema import method_schema

REPOSITORY = Path(__file__).parents[2]
PAGES = ("docs/segmentation.md", "docs/segmenters.md", "config/README.md")
CONFIG = yaml.safe_load((REPOSITORY / "levelfield/config/schemas/config.yaml").read_text())
SCHEMA = method_schema()["$defs"]["parameters"]


def read(path):
    return np.asarray(Image.open(path)).astype(np.float32) / 255


def well(name, channel):
    row, column = ord(name[0]) - ord("A"), int(name[1:])
    number = row * 12 + column
    folder = BBBC013
    return read(folder / f"Channel{channel}-{number:02d}-{name[0]}-{column:02d}.tif")


def nuclei_image(name):
    return read(BBBC038 / "images" / f"{name}.png")


def reference(name):
    return np.asarray(Image.open(BBBC038 / "labels" / f"{name}.png"))


@pytest.fixture(scope="module")
def index():
    return pd.read_csv(BBBC038 / "index.csv")


@pytest.fixture(scope="module")
def dna():
    return well("A01", 2)


@pytest.fixture(scope="module")
def nuclei(dna):
    return segment_objects(dna[None], "classical", {}).labels


def matched_fraction(labels, truth):
    """Objects of the truth that one label covers with an IoU above 0.5, over all objects."""
    table = np.zeros((int(labels.max()) + 1, int(truth.max()) + 1))
    np.add.at(table, (labels.ravel(), truth.ravel()), 1)
    union = table.sum(0, keepdims=True) + table.sum(1, keepdims=True) - table
    matched = (table / np.maximum(union, 1) > 0.5)[1:, 1:].sum()
    present = (table.sum(0)[1:] > 0).sum() + (table.sum(1)[1:] > 0).sum()
    return matched / (present - matched)


def test_labels_follow_the_conventions(nuclei):
    assert nuclei.dtype == np.int32
    np.testing.assert_array_equal(nuclei, objects.renumber(nuclei))
    assert nuclei.max() == len(np.unique(nuclei)) - 1


@pytest.mark.parametrize("group", ["256x256_0", "256x256_3", "360x360_0", "520x696_1"])
def test_nuclei_of_every_size_are_found_with_the_same_parameters(index, group):
    names = index.loc[index["group"] == group, "name"].iloc[::12]
    scores = [
        matched_fraction(
            segment_objects(nuclei_image(name)[None], "classical", {}).labels, reference(name)
        )
        for name in names
    ]
    assert np.mean(scores) > 0.8


def test_the_camera_offset_changes_nothing(dna, nuclei):
    shifted = segment_objects(dna[None] + np.float32(0.125), "classical", {}).labels
    assert (shifted != nuclei).mean() < 1e-4


def test_the_exposure_changes_nothing(dna, nuclei):
    dimmed = segment_objects(dna[None] / np.float32(16), "classical", {}).labels
    assert (dimmed != nuclei).mean() < 1e-4


def empty_tiles(index, size=80):
    """Cut one tile without any object, and nothing near, out of each image that has one."""
    for name in index.loc[index["group"] == "520x696_0", "name"]:
        occupied = ndimage.binary_dilation(reference(name) > 0, iterations=10)
        counts = ndimage.uniform_filter(occupied.astype(np.float64), size)
        centres = np.argwhere(counts[size:-size, size:-size] < 1e-9) + size
        if len(centres):
            row, column = centres[0] - size // 2
            yield nuclei_image(name)[row : row + size, column : column + size]


def test_a_field_without_objects_yields_none(index):
    noise = np.random.default_rng(1).normal(0.05, 0.01, (300, 300)).astype(np.float32)
    flat = np.full((300, 300), 0.1, np.float32)
    tiles = list(empty_tiles(index))
    assert len(tiles) > 10
    for field in (noise, flat, *tiles):
        result = segment_objects(field[None], "classical", {})
        assert result.labels.max() == 0
        assert result.record["ThresholdContrast"] < 5
    confetti = segment_objects(noise[None], "classical", {"threshold": {"minimum_contrast": 0}})
    assert (confetti.labels > 0).mean() > 0.2


def test_size_filter_border_filter_and_what_they_removed(dna, nuclei):
    no_small = segment_objects(dna[None], "classical", {"minimum_diameter": 12.0})
    n_smaller = (objects.equivalent_diameters(nuclei) < 12).sum()
    assert no_small.labels.max() == nuclei.max() - n_smaller
    no_large = segment_objects(dna[None], "classical", {"maximum_diameter": 14.0})
    assert objects.equivalent_diameters(no_large.labels).max() <= 14
    inside = segment_objects(dna[None], "classical", {"border": "discard"})
    assert not objects.touches_border(inside.labels).any()
    n_touching = objects.touches_border(nuclei).sum()
    assert inside.record["TouchingBorder"] == n_touching > 0
    assert inside.labels.max() == nuclei.max() - n_touching


def test_a_higher_outline_makes_smaller_objects_in_the_same_places(dna):
    high = segment_objects(dna[None], "classical", {"outline": 0.6}).labels
    low = segment_objects(dna[None], "classical", {"outline": 0.3}).labels
    assert (high > 0).sum() < 0.8 * (low > 0).sum()
    assert ((high > 0) & (low > 0)).sum() > 0.98 * (high > 0).sum()


def test_declumping_splits_less_with_greater_depth_and_not_at_all_with_none(dna):
    counts = [
        segment_objects(dna[None], "classical", {"declump": {"depth": depth}}).labels.max()
        for depth in (0.0, 0.1, 0.3, 0.9)
    ]
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[-1]
    undivided = segment_objects(dna[None], "classical", {"declump": {"lines": "none"}}).labels
    _, n_clumps = ndimage.label(undivided > 0, np.ones((3, 3)))
    assert undivided.max() == n_clumps


@pytest.mark.parametrize("centres", ["shape_intensity", "shape", "intensity", "log"])
@pytest.mark.parametrize("lines", ["shape_intensity", "shape", "intensity", "propagation"])
def test_every_way_of_declumping_divides_two_touching_disks(centres, lines):
    rows, columns = np.mgrid[:60, :80]
    distances = np.minimum(np.hypot(rows - 30, columns - 28), np.hypot(rows - 30, columns - 49))
    foreground = distances < 12
    image = np.where(foreground, 1 - (distances / 20) ** 2, 0.1).astype(np.float32)
    labels, record = declump(image, foreground, DeclumpOptions(centres=centres, lines=lines))
    assert labels.max() == 2
    assert labels[30, 28] != labels[30, 49]
    assert abs((labels == 1).sum() - (labels == 2).sum()) < 60
    assert 20 <= record["TypicalDiameter"] <= 26


def test_distances_are_those_of_scipy_and_defined_without_background(nuclei):
    expected = ndimage.distance_transform_edt(nuclei > 0).astype(np.float32)
    np.testing.assert_array_equal(distance_to_background(nuclei > 0), expected)
    assert distance_to_background(np.ones((5, 7), bool)).max() == 3


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 50), (64, 64)])
@pytest.mark.parametrize("fill", ["constant", "noise", "ramp"])
def test_degenerate_images_give_labels_and_no_warnings(shape, fill, recwarn):
    plane = {
        "constant": np.full(shape, 0.3),
        "noise": np.random.default_rng(0).random(shape),
        "ramp": np.linspace(0, 1, shape[0] * shape[1]).reshape(shape),
    }[fill].astype(np.float32)
    for threshold in (
        {},
        {"minimum_contrast": 0},
        {"method": "manual", "value": 0.0, "minimum_contrast": 0},
        {"method": "otsu", "log": True, "minimum_contrast": 0},
        {"window": 16, "minimum_contrast": 0},
    ):
        for outline in (None, 0.4):
            parameters = {"threshold": threshold, "outline": outline, "minimum_diameter": 0}
            labels = segment_objects(plane[None], "classical", parameters).labels
            assert labels.shape == shape
            for method in ("propagation", "watershed", "expansion"):
                segment_objects(plane[None], method, {}, {"parent": labels})
    assert not list(recwarn)


def test_a_greater_suppression_distance_merges_centres(dna):
    few = segment_objects(dna[None], "classical", {"declump": {"suppression_distance": 20}})
    many = segment_objects(dna[None], "classical", {"declump": {"suppression_distance": 0}})
    assert few.labels.max() < many.labels.max()


@pytest.mark.parametrize("weight", [0.0, 0.05, 1.0])
def test_propagation_equals_centrosome(nuclei, weight):
    from centrosome.propagate import propagate as reference_propagate

    image = well("A01", 1)[:200, :220]
    seeds = nuclei[:200, :220]
    mask = image > 0.05
    labels, distances = propagate(image, seeds, mask, weight)
    expected_labels, expected_distances = reference_propagate(image, seeds, mask, weight)
    reached = expected_labels > 0
    np.testing.assert_array_equal(labels > 0, reached)
    np.testing.assert_allclose(distances[reached], expected_distances[reached], rtol=1e-12)
    # Where two seeds are equally far either answer is right, and there alone they may differ.
    assert (labels != expected_labels).mean() < 0.002


def test_a_cell_covers_its_nucleus_has_its_number_and_is_one_piece(nuclei):
    image = well("A01", 1)
    for method in ("propagation", "watershed"):
        cells = segment_objects(image[None], method, {}, {"parent": nuclei}).labels
        assert (cells[nuclei > 0] == nuclei[nuclei > 0]).all()
        assert (objects.areas(cells) > objects.areas(nuclei)).mean() > 0.8


@pytest.mark.parametrize("surface", ["image", "gradient"])
def test_the_flood_from_the_rims_of_nuclei_is_that_from_whole_nuclei(nuclei, surface):
    image, manual = well("A01", 1), {"method": "manual", "value": 0.03}
    parameters = {"surface": surface, "threshold": manual, "fill_holes": False}
    cells = segment_objects(image[None], "watershed", parameters, {"parent": nuclei}).labels
    smoothed = ndimage.gaussian_filter(image, 1.0)
    slopes = np.hypot(ndimage.sobel(smoothed, 0), ndimage.sobel(smoothed, 1))
    height = slopes if surface == "gradient" else -smoothed
    mask = (smoothed > 0.03) | (nuclei > 0)
    expected = flood(height, nuclei, mask=mask, connectivity=2)
    assert (cells > 0).sum() > 1.5 * (nuclei > 0).sum()
    np.testing.assert_array_equal(cells, expected)


def test_cells_that_are_discarded_at_the_border_leave_the_numbers_of_the_others(nuclei):
    image = well("A01", 1)
    keep = segment_objects(image[None], "propagation", {}, {"parent": nuclei}).labels
    result = segment_objects(image[None], "propagation", {"border": "discard"}, {"parent": nuclei})
    touching = objects.touches_border(keep)
    expected = np.flatnonzero(~touching) + 1
    assert objects.object_numbers(result.labels).tolist() == expected.tolist()


def test_maximum_distance_bounds_every_cell(nuclei):
    image = well("A01", 1)
    parameters = {"maximum_distance": 5, "fill_holes": False}
    cells = segment_objects(image[None], "propagation", parameters, {"parent": nuclei}).labels
    assert ndimage.distance_transform_edt(nuclei == 0)[cells > 0].max() <= 5


def test_expansion_is_everywhere_or_over_the_foreground_only(nuclei):
    image = well("A01", 1)
    everywhere = segment_objects(image[None], "expansion", {"distance": 6}, {"parent": nuclei})
    parameters = {"distance": 6, "threshold": {"method": "otsu"}}
    masked = segment_objects(image[None], "expansion", parameters, {"parent": nuclei})
    assert (masked.labels > 0).sum() < (everywhere.labels > 0).sum()
    assert ndimage.distance_transform_edt(nuclei == 0)[everywhere.labels > 0].max() <= 6


def test_cytoplasm_is_the_cell_without_the_nucleus(nuclei):
    image = well("A01", 1)
    cells = segment_objects(image[None], "propagation", {}, {"parent": nuclei}).labels
    result = segment_objects(image[None], "subtraction", {}, {"parent": cells, "minus": nuclei})
    assert not result.labels[nuclei > 0].any()
    area = np.bincount(result.labels.ravel(), minlength=cells.max() + 1)[1:]
    np.testing.assert_array_equal(area, objects.areas(cells) - objects.areas(nuclei))
    assert result.record["Empty"] == (area == 0).sum()


def test_objects_are_cut_to_others_and_keep_their_numbers(nuclei):
    image = np.zeros((1, *nuclei.shape), np.float32)
    inner = objects.inner_part(nuclei, 4)
    given = {"parent": nuclei, "within": inner}
    cut = segment_objects(image, "masked", {}, given)
    np.testing.assert_array_equal(cut.labels, inner)
    fraction = np.bincount(inner.ravel(), minlength=nuclei.max() + 1)[1:] / objects.areas(nuclei)
    limit = float(np.median(fraction))
    some = segment_objects(image, "masked", {"minimum_fraction": limit}, given).labels
    kept = objects.object_numbers(some)
    expected = np.flatnonzero(fraction >= limit) + 1
    assert kept.tolist() == expected.tolist() and 0 < len(kept) < nuclei.max()


def test_objects_are_merged_and_split_by_rule_and_filtered(nuclei):
    image = np.zeros((1, *nuclei.shape), np.float32)
    merged = segment_objects(image, "edited", {"merge_distance": 4}, {"parent": nuclei})
    assert merged.record["Merged"] == nuclei.max() - merged.labels.max() > 0
    np.testing.assert_array_equal(merged.labels > 0, nuclei > 0)
    table = objects.relate(nuclei, merged.labels)
    assert (table["fraction"] == 1).all() and table["parent"].nunique() == merged.labels.max()
    parameters = {"split_parts": True, "minimum_diameter": 10}
    again = segment_objects(image, "edited", parameters, {"parent": merged.labels}).labels
    assert objects.equivalent_diameters(again).min() >= 10


def test_the_ratio_of_a_translocation_screen_is_below_one_and_above_one():
    ratios = {}
    for name in ("D02", "D12"):
        fkhr = well(name, 1)
        found = segment_objects(well(name, 2)[None], "classical", {}).labels
        cells = segment_objects(fkhr[None], "propagation", {}, {"parent": found}).labels
        cytoplasm = objects.subtract(cells, found)
        numbers = objects.object_numbers(cytoplasm)
        ratio = ndimage.mean(fkhr, found, numbers) / ndimage.mean(fkhr, cytoplasm, numbers)
        ratios[name] = np.median(ratio)
    assert ratios["D02"] < 1 < 3 < ratios["D12"]


@pytest.mark.parametrize(
    ("method", "parameters", "words"),
    [
        ("clasical", {}, ["'clasical'", "classical"]),
        ("classical", {"treshold": {}}, ["'treshold'", "threshold"]),
        ("classical", {"threshold": {"metod": "otsu"}}, ["'metod'", "method"]),
        ("classical", {"threshold": {"method": "ots"}}, ["'ots'", "otsu"]),
        ("classical", {"threshold": {"correction": -1}}, ["correction", "-1"]),
        ("classical", {"threshold": {"method": "manual"}}, ["value"]),
        ("classical", {"threshold": {"method": "sauvola"}}, ["window"]),
        ("classical", {"declump": {"centres": "blob"}}, ["'blob'", "shape"]),
        ("classical", {"declump": {"depth": 2}}, ["depth", "2"]),
        ("classical", {"smoothing": "much"}, ["smoothing", "much"]),
        ("classical", {"border": "cut"}, ["'cut'", "discard"]),
        ("classical", {"fill_holes": 1}, ["fill_holes", "1"]),
        ("classical", {"minimum_diameter": 9, "maximum_diameter": 5}, ["maximum_diameter", "5"]),
    ],
)
def test_an_unknown_name_or_value_says_what_is_allowed(dna, method, parameters, words):
    with pytest.raises(ValueError) as error:
        segment_objects(dna[None], method, parameters)
    assert all(word in str(error.value) for word in words)


def test_wrong_inputs_are_refused(dna, nuclei):
    with pytest.raises(ValueError, match=r"builds on \[parent"):
        segment_objects(dna[None], "propagation", {})
    with pytest.raises(ValueError, match="builds on"):
        segment_objects(dna[None], "classical", {}, {"parent": nuclei})
    with pytest.raises(ValueError, match="1 pixels of the image are not finite"):
        broken = dna.copy()
        broken[3, 4] = np.nan
        segment_objects(broken[None], "classical", {})
    with pytest.raises(ValueError, match="segments 1 channel but was given 2"):
        segment_objects(np.stack([dna, dna]), "classical", {})
    with pytest.raises(ValueError, match="labels are"):
        segment_objects(dna[None], "expansion", {}, {"parent": nuclei[:5]})


def test_inputs_are_what_the_method_says():
    assert METHODS["classical"].inputs == ()
    assert METHODS["subtraction"].inputs == ("parent", "minus")
    assert METHODS["segment_anything_cells"].inputs == ("parent", "model")
    assert METHODS["labels"].inputs == ("imported",)
    assert METHODS["pixel_classifier"].inputs == ("classifier",)


@pytest.mark.parametrize("name", METHODS)
def test_a_file_defines_the_method_of_its_name(name):
    assert METHODS[name].name == name
    function = METHODS[name].run
    if function is not None:
        named = list(inspect.signature(function).parameters)
        assert named == ["image", "options", *METHODS[name].inputs]


@pytest.mark.parametrize("name", METHODS)
def test_the_schema_names_the_options_of_the_method(name):
    assert set(SCHEMA[name]["properties"]) == set(METHODS[name].options.model_fields)
    assert SCHEMA[name]["additionalProperties"] is False
    for rule in SCHEMA[name]["properties"].values():
        assert rule["description"].endswith(".")


@pytest.mark.parametrize("name", METHODS)
def test_the_schema_accepts_every_default(name):
    Draft202012Validator.check_schema(SCHEMA[name])
    defaults = METHODS[name].options.model_validate({}).model_dump(mode="json")
    Draft202012Validator(SCHEMA[name]).validate(defaults)


def test_the_schema_of_the_classifier_is_that_of_its_training():
    rule = CONFIG["$defs"]["train_pixel_classifier"]
    assert set(rule["properties"]) == set(parameter_names(train_pixel_classifier))
    assert rule["additionalProperties"] is False
    values = train_pixel_classifier.__kwdefaults__
    defaults = {
        key: list(value) if isinstance(value, tuple) else value for key, value in values.items()
    }
    Draft202012Validator(rule).validate(defaults)


def test_methods_are_known_without_loading_what_they_run_with():
    script = (
        "import sys; from levelfield.segmentation.schema import method_schema; method_schema();"
        "assert not {'torch', 'cellpose', 'skimage'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_method_whose_library_is_missing_says_what_to_install(monkeypatch, tmp_path):
    def load(path, rule):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    method = replace(METHODS["stardist"], load=load)
    monkeypatch.setattr("levelfield.segmentation.registry.find_method", lambda name: method)
    with pytest.raises(ValueError, match=r"stardist needs torch.*pip install 'levelfield\[gpu\]'"):
        load_model("stardist", tmp_path, "cpu")


def test_the_tables_of_the_documentation_are_up_to_date():
    pages = [(REPOSITORY / name).read_text() for name in PAGES]
    unmarked = [name for name in METHODS if f"<!-- options of {name} -->" not in "".join(pages)]
    assert not unmarked, "give these a heading with the marks: docs/add_a_segmenter.md"
    command = f"run python -m levelfield.segmentation.reference {' '.join(map(str, PAGES))}"
    assert [with_tables(page) for page in pages] == pages, command
    assert all(f"| `{name}` |" in page for name in METHODS for page in pages[::2]), command
