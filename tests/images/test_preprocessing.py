"""Every step does to real images what its documentation says, and nothing to the input."""

import inspect
from pathlib import Path

import numpy as np
import pytest
import yaml
from jsonschema import Draft202012Validator
from PIL import Image
from real_images import BBBC013
from scipy import ndimage

from levelfield.config.parameters import parameter_names
from levelfield.images.preprocessing import STEPS, apply_steps
from levelfield.segmentation import segment_objects

REPOSITORY = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((REPOSITORY / "levelfield/config/schemas/steps.yaml").read_text())["$defs"]
REQUIRED = {
    "morphology": {"operation": "open"},
    "match_template": {"template": [[0.0, 1.0], [1.0, 0.0]]},
}


@pytest.fixture(scope="module")
def dna():
    path = BBBC013 / "Channel2-12-A-12.tif"
    return np.asarray(Image.open(path))[None, 100:300, 100:300].astype(np.float32) / 255


def step(image, name, **parameters):
    return apply_steps(image, [{"step": name, "parameters": parameters}])


def blobs(diameters, spacing=60):
    """Draw bright disks, one per diameter, in a row."""
    image = np.zeros((1, spacing, spacing * len(diameters)), np.float32)
    rows, columns = np.mgrid[: image.shape[1], : image.shape[2]]
    for position, diameter in enumerate(diameters):
        centre = spacing * position + spacing // 2
        image[0, np.hypot(rows - spacing // 2, columns - centre) <= diameter / 2] = 1
    return image


@pytest.mark.parametrize("name", STEPS)
def test_a_step_keeps_height_and_width_and_leaves_its_input_alone(dna, name):
    image = np.concatenate([dna] * 3) if name == "unmix" else dna
    parameters = {"stains": ["hematoxylin", "eosin"]} if name == "unmix" else {}
    before = image.copy()
    result = step(image, name, **REQUIRED.get(name, {}), **parameters)
    assert result.shape[1:] == image.shape[1:] and result.dtype == np.float32
    assert np.isfinite(result).all() and result.flags.writeable
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(result, step(image, name, **REQUIRED.get(name, {}), **parameters))


def test_steps_change_what_is_segmented_and_never_the_image(dna):
    before = dna.copy()
    steps = [{"step": "morphology", "parameters": {"operation": "erode", "radius": 2}}]
    plain = segment_objects(dna, "classical", {})
    eroded = segment_objects(dna, "classical", {}, steps=steps)
    assert (eroded.labels > 0).sum() < 0.8 * (plain.labels > 0).sum()
    np.testing.assert_array_equal(dna, before)


def test_without_steps_the_segmenter_sees_the_image_itself(dna):
    assert apply_steps(dna, []) is dna


def test_steps_follow_one_another(dna):
    both = apply_steps(dna, [{"step": "gaussian", "parameters": {"sigma": 2}}, {"step": "rescale"}])
    np.testing.assert_array_equal(both, step(step(dna, "gaussian", sigma=2), "rescale"))


def test_smoothing_reduces_noise_and_the_bilateral_filter_keeps_edges(dna):
    rng = np.random.default_rng(0)
    clean = blobs([40])
    noisy = (clean + rng.normal(0, 0.05, clean.shape)).astype(np.float32)
    for name, parameters in (
        ("gaussian", {"sigma": 2}),
        ("median", {"size": 5}),
        ("bilateral", {"sigma": 2, "intensity": 0.2}),
    ):
        smooth = step(noisy, name, **parameters)
        assert np.std(smooth[0, 26:34, 26:34]) < 0.5 * np.std(noisy[0, 26:34, 26:34])
    sharp = np.abs(np.diff(step(noisy, "bilateral", sigma=2, intensity=0.2)[0, 30])).max()
    soft = np.abs(np.diff(step(noisy, "gaussian", sigma=2)[0, 30])).max()
    assert sharp > 2 * soft


@pytest.mark.parametrize("method", ["top_hat", "rolling_ball"])
@pytest.mark.parametrize("radius", [8, 30])
def test_background_subtraction_removes_a_ramp_and_keeps_the_nuclei(dna, method, radius):
    ramp = np.linspace(0, 0.2, dna.shape[2], dtype=np.float32)
    result = step(dna + ramp, "subtract_background", method=method, radius=radius)
    dark = dna < np.percentile(dna, 50)
    bright = dna > np.percentile(dna, 97)
    assert np.median(result[dark]) < 0.04
    assert np.median(result[bright]) > 0.6 * np.median(dna[bright])
    assert (result >= 0).all() and (result <= dna + ramp + 1e-6).all()


def test_speckles_are_enhanced_or_suppressed_by_their_size():
    image = blobs([4, 20])
    enhanced = step(image, "enhance_speckles", diameter=8)
    suppressed = step(image, "suppress_speckles", diameter=8)
    assert enhanced[0, 30, 30] == 1 and enhanced[0, 30, 90] == 0
    assert suppressed[0, 30, 30] == 0 and suppressed[0, 30, 90] == 1


def test_holes_become_bright_or_are_filled():
    image = 1 - blobs([6, 30])
    holes = step(image, "enhance_dark_holes", diameter=10)
    assert holes[0, 30, 30] == 1 and holes[0, 30, 90] == 0
    assert (step(image, "fill_holes") == 1).all()


def test_tubes_answer_more_than_blobs():
    image = blobs([30, 30])
    image[0, :, 58:61] = 1
    result = step(image, "enhance_neurites", width=3)
    assert result[0, 30, 59] > 3 * result[0, 30, 30]


def test_circles_of_the_right_size_answer_most():
    image = blobs([12, 20, 30])
    result = step(image, "enhance_circles", diameter=20)
    assert result[0, 30, 90] > 1.5 * max(result[0, 30, 30], result[0, 30, 150])
    assert np.unravel_index(result[0].argmax(), result[0].shape) == (30, 90)


def test_rough_regions_become_bright():
    image = np.full((1, 60, 120), 0.5, np.float32)
    image[0, :, 60:] += np.random.default_rng(0).normal(0, 0.1, (60, 60))
    result = step(image, "enhance_texture", sigma=3)
    assert np.median(result[0, :, 70:]) == pytest.approx(0.1, rel=0.15)
    assert result[0, :, :40].max() < 0.01


def test_a_template_answers_where_it_was_cut(dna):
    template = dna[0, 40:61, 50:71]
    result = step(dna, "match_template", template=template.tolist())
    assert np.unravel_index(result[0].argmax(), result[0].shape) == (50, 60)
    assert result.max() == pytest.approx(1, abs=1e-3)


def test_the_medial_axis_is_as_bright_as_the_structure_is_wide():
    image = np.zeros((1, 41, 120), np.float32)
    image[0, 10:31, 10:110] = 1
    distance = step(image, "medial_axis")
    assert distance[0, 20, 60] == pytest.approx(11, abs=0.5) and distance[0, 15, 60] == 0
    assert set(np.unique(step(image, "medial_axis", output="skeleton"))) == {0, 1}


def test_edges_lie_on_the_outline():
    image = ndimage.gaussian_filter(blobs([30]), (0, 1, 1))
    radius = np.hypot(*(np.mgrid[:60, :60] - 30))
    for method in ("sobel", "canny"):
        result = step(image, "edges", method=method)[0]
        assert abs(np.average(radius, weights=result) - 15) < 1
    assert step(image, "edges", method="log", sigma=10)[0].argmax() == 30 * 60 + 30


def test_crop_and_mask_blank_what_is_outside(dna):
    cropped = step(dna, "crop", top=10, left=20)
    assert (cropped[0, :10] == dna.min()).all() and (cropped[0, :, :20] == dna.min()).all()
    np.testing.assert_array_equal(cropped[0, 10:, 20:], dna[0, 10:, 20:])
    masked = step(dna, "mask", low=0.1, high=0.5)
    inside = (dna >= 0.1) & (dna <= 0.5)
    np.testing.assert_array_equal(masked, np.where(inside, dna, dna.min()))


@pytest.fixture(scope="module")
def dimmed():
    """A field of nuclei, and the same field getting dimmer towards its last corner (to 9 %)."""
    plane = np.asarray(Image.open(BBBC013 / "Channel2-12-A-12.tif")).astype(np.float32) / 255
    fall = np.linspace(1, 0.3, len(plane), dtype=np.float32)
    return plane[None], plane[None] * fall * fall[:, None]


def test_tiles_level_a_ramp(dimmed):
    plain, ramp = dimmed
    levelled, expected = step(ramp, "tile")[0], step(plain, "tile")[0]
    bright = plain[0] > 0.2
    corners = np.zeros((2, *bright.shape), bool)
    corners[0, :200, :200] = corners[1, -200:, -200:] = True
    first, last = (np.median(ramp[0, bright & corner]) for corner in corners)
    assert last < 0.3 * first
    for corner in corners:
        nuclei = bright & corner
        assert np.median(levelled[nuclei]) == pytest.approx(np.median(expected[nuclei]), rel=0.2)


def test_tiles_find_the_nuclei_of_a_dim_corner(dimmed):
    plain, ramp = dimmed
    one_level = {"outline": None, "threshold": {"method": "otsu"}}

    def n_in_the_corner(image, *steps):
        labels = segment_objects(image, "classical", one_level, steps=steps).labels
        return len(np.unique(labels[-200:, -200:])) - 1

    n_true = n_in_the_corner(plain)
    assert n_in_the_corner(ramp) < 0.6 * n_true
    assert n_in_the_corner(ramp, {"step": "tile"}) > 0.95 * n_true


def test_tiles_have_no_seams():
    rows, columns = np.mgrid[:256, :256] / 256
    waves = (np.sin(9 * rows) * np.cos(7 * columns) + 1) * (0.2 + rows * columns)
    result = step(waves[None].astype(np.float32), "tile", size=64, low=1)[0]
    for image in (result, result.T):
        jumps = np.abs(np.diff(image, axis=0)).max(axis=1)
        seams = jumps[[63, 127, 191]]
        assert (seams < 1.2 * np.maximum(jumps[[59, 123, 187]], jumps[[67, 131, 195]])).all()


def test_tiles_without_objects_do_not_get_any(dimmed):
    half, right = dimmed[0].copy(), (slice(None), slice(None), slice(320, None))
    background = half[half < np.percentile(half, 60)]
    half[right] = np.random.default_rng(0).choice(background, half[right].shape)
    labels = segment_objects(half, "classical", {}, steps=[{"step": "tile"}]).labels
    assert labels[:, :320].max() > 50 and not labels[:, 322:].any()
    limited, unlimited = (step(half, "tile", **more) for more in ({}, {"minimum_range": 0.0}))
    assert np.std(unlimited[right]) > 3 * np.std(limited[right])


def test_channels_are_weighted_and_repeated(dna):
    colour = step(dna, "repeat_channel", count=3)
    assert colour.shape[0] == 3
    np.testing.assert_allclose(step(colour, "combine_channels"), dna, atol=1e-6)
    pair = np.concatenate([dna, 0 * dna])
    weighted = step(pair, "combine_channels", weights=[3, 1])
    np.testing.assert_allclose(weighted, 0.75 * dna, atol=1e-6)


def test_unmixing_gives_back_known_amounts_of_stain_and_estimates_unknown_ones(dna):
    stains = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
    stains /= np.linalg.norm(stains, axis=1, keepdims=True)
    amounts = np.stack([2 * dna[0], np.roll(2 * dna[0], 60, axis=1)])
    slide = np.exp(-np.tensordot(stains.T, amounts, axes=1)).astype(np.float32)
    known = step(slide, "unmix", stains=["hematoxylin", "eosin"])
    np.testing.assert_allclose(known, amounts, atol=2e-3)
    estimated = step(slide, "unmix")
    for found, true in zip(estimated, amounts, strict=True):
        assert np.corrcoef(found.ravel(), true.ravel())[0, 1] > 0.95
    only = step(slide, "unmix", stains=["hematoxylin", "eosin"], keep=1)
    np.testing.assert_array_equal(only[0], known[1])


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"step": "gausian"}, ["step 1", "'gausian'", "gaussian"]),
        ({"step": "gaussian", "parameters": {"sigmma": 1}}, ["step 1 (gaussian)", "sigmma"]),
        ({"step": "gaussian", "sigma": 1}, ["step 1", "'sigma'", "parameters"]),
        ({"step": "gaussian", "parameters": {"sigma": -1}}, ["sigma", "-1"]),
        ({"step": "morphology"}, ["operation", "required"]),
        ({"step": "unmix"}, ["3 channels", "1"]),
        ({"step": "tile", "parameters": {"low": 60, "high": 40}}, ["high is 40", "60"]),
        ({"step": "combine_channels", "parameters": {"weights": [1, 2]}}, ["2 numbers for 1"]),
        ({"step": "match_template", "parameters": {"template": [[1, 1], [1, 1]]}}, ["template"]),
    ],
)
def test_errors_name_the_step_the_value_and_what_is_allowed(dna, item, words):
    with pytest.raises(ValueError) as error:
        apply_steps(dna, [item])
    assert all(word in str(error.value) for word in words)


@pytest.mark.parametrize("name", STEPS)
def test_the_schema_names_the_parameters_of_the_step_and_accepts_its_defaults(name):
    properties = SCHEMA[f"step_{name}"]["properties"]
    assert set(properties) == set(parameter_names(STEPS[name]))
    signature = inspect.signature(STEPS[name])
    defaults = {key: signature.parameters[key].default for key in properties}
    defaults = {k: v for k, v in defaults.items() if v is not inspect.Parameter.empty}
    validator = Draft202012Validator(SCHEMA["steps"] | {"$defs": SCHEMA})
    parameters = defaults | REQUIRED.get(name, {})
    validator.validate([{"step": name, "parameters": parameters}])
    wrong = [{"step": name, "parameters": parameters | {"nonsense": 1}}]
    assert list(validator.iter_errors(wrong))


def test_the_schema_knows_the_same_steps_as_the_code():
    assert SCHEMA["steps"]["items"]["properties"]["step"]["enum"] == list(STEPS)
