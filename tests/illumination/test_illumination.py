"""Flat fields: shading planted on real images must be found, and doubtful fields left off."""

import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.figure import Figure
from PIL import Image
from real_images import BBBC013, BBBC038

from levelfield.illumination import (
    CameraOffset,
    FlatField,
    camera_offset_from_config,
    camera_offset_from_dark_frame,
    correct,
    downsample,
    edge_falloff,
    estimate_camera_offset,
    fit_flat_field,
    from_arrays,
    summary,
    to_arrays,
)
from levelfield.illumination.picture import draw_flat_field

SIZE, TILE = 360, 120
OFFSET = 200
MAXIMUM = 65535
KNOWN = camera_offset_from_config(OFFSET)


@pytest.fixture(scope="module")
def tiles():
    """Real nuclei of BBBC038, 360 px images shrunk to 120 px."""
    index = pd.read_csv(BBBC038 / "index.csv")
    names = index.loc[index.group == "360x360_0", "name"].sort_values()[:40]
    paths = [BBBC038 / "images" / f"{name}.png" for name in names]
    return [downsample(np.asarray(Image.open(path)), TILE) for path in paths]


@pytest.fixture(scope="module")
def shading():
    """An off-centre lamp with a third of falloff."""
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    field = 0.5 + np.exp(-((x - 0.25) ** 2 + (y + 0.15) ** 2) / 1.1) + 0.05 * x
    return (field / field.mean()).astype(np.float32)


def plant(tiles, shading, n_images, density, seed=0, centred=False, offset=OFFSET):
    """Raw images with the shading: empty medium and real nuclei, more of them if dense."""
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(n_images):
        scene = np.full((SIZE + TILE, SIZE + TILE), 6.0, np.float32)
        for row in range(4):
            for column in range(4):
                away = np.hypot(row - 1.5, column - 1.5) / 1.2
                if rng.random() < density * (np.exp(-(away**2)) if centred else 1):
                    tile = np.rot90(tiles[rng.integers(len(tiles))], rng.integers(4))
                    where = np.s_[row * TILE : (row + 1) * TILE, column * TILE :][:2]
                    scene[where][:, :TILE] = tile
        top, left = (60, 60) if centred else rng.integers(0, TILE, 2)
        light = scene[top : top + SIZE, left : left + SIZE] * 200 * np.exp(rng.normal(0, 0.15))
        counts = light * shading + offset
        counts += rng.standard_normal(counts.shape) * np.sqrt(counts)
        images.append(np.clip(counts, 0, MAXIMUM).astype(np.uint16))
    return images


def thumbnails_of(images):
    return np.stack([downsample(image) for image in images])


def fit(thumbnails, offset=KNOWN, **options):
    return fit_flat_field(thumbnails, (SIZE, SIZE), offset, maximum=MAXIMUM, **options)


def relative_error(field, truth):
    return float(np.sqrt(np.mean((field / truth - 1) ** 2)))


@pytest.fixture(scope="module")
def sparse(tiles, shading):
    return thumbnails_of(plant(tiles, shading, 100, density=0.25))


@pytest.fixture(scope="module")
def dense(tiles, shading):
    return thumbnails_of(plant(tiles, shading, 80, density=1.0, seed=1))


@pytest.fixture(scope="module")
def sparse_offset(sparse):
    return estimate_camera_offset(sparse, maximum=MAXIMUM)


class TestDownsample:
    @pytest.mark.parametrize(
        ("shape", "expected"),
        [
            ((2160, 2560), (101, 120)),
            ((520, 696), (90, 120)),
            ((1080, 1080), (120, 120)),
            ((640, 640), (120, 120)),
            ((121, 240), (60, 120)),
            ((100, 90), (100, 90)),
            ((1, 500), (1, 120)),
        ],
    )
    def test_any_image_size_gives_its_proportions_and_keeps_the_mean(self, shape, expected):
        image = np.random.default_rng(0).integers(0, 65535, shape, dtype=np.uint16)
        thumbnail = downsample(image)
        assert thumbnail.shape == expected
        assert thumbnail.dtype == np.float32
        assert thumbnail.mean(dtype=np.float64) == pytest.approx(image.mean(), rel=1e-6)

    @settings(max_examples=40, deadline=None)
    @given(
        image=arrays(np.uint16, st.tuples(st.integers(1, 23), st.integers(1, 23))),
        size=st.integers(1, 12),
    )
    def test_every_cell_is_the_mean_of_its_area_with_shared_pixels_by_share(self, image, size):
        thumbnail = downsample(image, size)
        rows, columns = thumbnail.shape
        # Each pixel cut into rows x columns equal parts makes the cells whole.
        parts = np.kron(image.astype(float), np.ones((rows, columns)))
        cells = parts.reshape(rows, image.shape[0], columns, image.shape[1]).mean(axis=(1, 3))
        np.testing.assert_allclose(thumbnail, cells, rtol=1e-6, atol=1e-3)

    def test_a_constant_image_stays_exactly_constant(self):
        assert np.unique(downsample(np.full((697, 521), 40001, np.uint16))).tolist() == [40001]

    def test_a_stack_is_refused(self):
        with pytest.raises(ValueError, match=r"shape \(2, 64, 64\).*one plane"):
            downsample(np.zeros((2, 64, 64)))


class TestPlantedShading:
    def test_sparse_scene(self, sparse, shading):
        found = fit(sparse)
        assert found.status == "ok"
        assert relative_error(found.field, shading) < 0.002

    def test_dense_scene(self, dense, shading):
        found = fit(dense)
        assert found.status in {"ok", "weak"}
        assert relative_error(found.field, shading) < 0.03

    def test_cells_that_gather_in_the_middle_are_not_taken_for_light(self, tiles, shading):
        images = plant(tiles, shading, 60, density=1.0, seed=2, centred=True)
        thumbnails = thumbnails_of(images)
        mean = thumbnails.mean(axis=0) - OFFSET
        assert relative_error(mean / mean.mean(), downsample(shading)) > 0.05
        assert relative_error(fit(thumbnails).field, shading) < 0.005

    def test_stated_error_covers_the_true_error(self, sparse, dense, shading):
        for thumbnails in (sparse, dense):
            found = fit(thumbnails)
            assert relative_error(found.field, shading) < 3 * found.field_error + 0.001
        assert fit(dense).field_error > 3 * fit(sparse).field_error

    def test_images_that_are_not_square(self, tiles, shading):
        images = [image[:250] for image in plant(tiles, shading, 60, density=0.25, seed=3)]
        found = fit_flat_field(thumbnails_of(images), (250, SIZE), KNOWN)
        truth = shading[:250] / shading[:250].mean()
        assert relative_error(found.field, truth) < 0.003

    def test_a_flat_scene_gives_a_flat_field(self, tiles):
        images = plant(tiles, np.ones((SIZE, SIZE), np.float32), 60, density=0.25, seed=4)
        assert fit(thumbnails_of(images)).field.std() < 0.002

    def test_nuclei_of_a_plate_on_a_camera_pedestal(self, shading):
        paths = sorted(BBBC013.glob("Channel2-*.tif"))
        light = [downsample(np.asarray(Image.open(path)), SIZE) + 15 for path in paths]
        raw = np.stack([downsample(100 * image * shading + 500) for image in light])
        found = fit(raw, camera_offset_from_config(500))
        assert relative_error(found.field, shading) < 0.02

    def test_a_wrong_offset_costs_more_than_the_method(self, sparse, shading):
        right = relative_error(fit(sparse).field, shading)
        wrong = relative_error(fit(sparse, camera_offset_from_config(0)).field, shading)
        assert wrong > 10 * right


class TestSample:
    def test_order_of_images_makes_no_difference_to_the_last_bit(self, dense):
        shuffled = dense[np.random.default_rng(1).permutation(len(dense))]
        first, second = fit(dense), fit(shuffled)
        assert first.field.tobytes() == second.field.tobytes()
        assert first.field_error == second.field_error
        assert estimate_camera_offset(dense[:25]) == estimate_camera_offset(dense[:25][::-1])

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda image: np.zeros_like(image),
            lambda image: np.full_like(image, 777.0),
            lambda image: np.full_like(image, MAXIMUM),
            lambda image: np.where(np.arange(len(image))[:, None] < 50, 0, image),
            lambda image: np.where(image > np.median(image), MAXIMUM, image),
            lambda image: np.full_like(image, np.nan),
        ],
        ids=["zeros", "constant", "saturated", "torn", "half saturated", "missing values"],
    )
    def test_one_bad_image_does_not_ruin_the_field(self, sparse, shading, spoil):
        spoilt = sparse.copy()
        spoilt[7] = spoil(sparse[7])
        assert relative_error(fit(spoilt).field, shading) < 0.003

    def test_images_without_structure_are_not_counted(self, sparse):
        spoilt = sparse.copy()
        spoilt[:3] = [[[0]], [[300]], [[MAXIMUM]]]
        assert fit(spoilt).n_images == len(sparse) - 3

    def test_few_images_leave_the_field_off(self, sparse):
        found = fit(sparse[:29])
        assert found.status == "off"
        assert (found.field == 1).all()
        assert "29 usable images" in found.reason
        assert found.camera_offset == KNOWN

    def test_a_field_that_is_off_takes_an_estimated_offset_with_it(self, sparse):
        found = fit(sparse[:5], CameraOffset(190.0, 5.0, "estimated"))
        assert found.camera_offset.counts == 0
        assert found.camera_offset.uncertainty >= 190

    def test_few_images_are_weak_when_forced(self, sparse, shading):
        found = fit(sparse[:20], force=True)
        assert found.status == "weak"
        assert relative_error(found.field, shading) < 0.01

    def test_fewer_than_advised_are_weak(self, sparse):
        found = fit(sparse[:99])
        assert found.status == "weak"
        assert "99 images" in found.reason

    @pytest.mark.parametrize("n_images", [0, 50])
    def test_nothing_usable_leaves_the_field_off(self, n_images):
        found = fit(np.full((n_images, 120, 120), 300, np.float32))
        assert (found.status, found.n_images) == ("off", 0)

    def test_an_offset_above_the_images_is_an_error_with_a_remedy(self, sparse):
        with pytest.raises(ValueError, match=r"above the typical level.*Correct `camera_offset`"):
            fit(sparse, camera_offset_from_config(5000))

    def test_an_unknown_offset_leaves_the_field_off(self, sparse):
        assert fit(sparse[:40], CameraOffset(0.0, np.inf, "estimated")).status == "off"

    def test_thumbnails_of_other_proportions_are_refused(self, sparse):
        with pytest.raises(ValueError, match="proportions"):
            fit_flat_field(sparse, (360, 720), KNOWN)

    def test_background_that_was_cut_off_at_zero_is_not_believed(self):
        # BBBC013 is 8-bit with a background of 1-2 counts, whose slope contradicts that of the
        # cells' own brightness: no correction is the honest answer.
        for channel in ("Channel1", "Channel2"):
            paths = sorted(BBBC013.glob(f"{channel}-*.tif"))
            images = [np.asarray(Image.open(path)) for path in paths]
            thumbnails = thumbnails_of(images)
            offset = estimate_camera_offset(thumbnails, maximum=255)
            assert offset.counts == 0
            found = fit_flat_field(thumbnails, images[0].shape, offset, maximum=255)
            assert found.status == "off"
            assert "uncertain" in found.reason
            np.testing.assert_array_equal(
                correct(images[0], found, 255), images[0].astype(np.float32) / np.float32(255)
            )


class TestCameraOffset:
    def test_estimate_in_sparse_scenes_is_sharp(self, sparse_offset):
        assert abs(sparse_offset.counts - OFFSET) < 15
        assert sparse_offset.uncertainty < 10

    def test_estimate_in_dense_scenes_knows_that_it_is_not(self, sparse_offset, dense):
        estimate = estimate_camera_offset(dense, maximum=MAXIMUM)
        assert abs(estimate.counts - OFFSET) < 3.5 * estimate.uncertainty
        assert estimate.uncertainty > sparse_offset.uncertainty

    def test_fit_with_the_estimate_is_as_good_as_with_the_truth(
        self, sparse, sparse_offset, shading
    ):
        found = fit(sparse, sparse_offset)
        assert relative_error(found.field, shading) < 0.004

    def test_background_at_zero_gives_zero(self, tiles, shading):
        images = plant(tiles, shading, 40, density=0.25, seed=5, offset=0)
        eight_bit = [np.clip(image / 100.0 - 15, 0, 255).astype(np.uint8) for image in images]
        assert estimate_camera_offset(thumbnails_of(eight_bit), maximum=255).counts == 0

    @settings(max_examples=25, deadline=None)
    @given(
        images=arrays(
            np.float32,
            st.tuples(st.integers(1, 25), st.just(9), st.just(10)),
            elements=st.floats(0.5, 1000, width=32),
        )
    )
    def test_never_above_the_darkest_pixel(self, images):
        estimate = estimate_camera_offset(images, maximum=MAXIMUM)
        usable = [image for image in images if np.ptp(image) > 1e-4 * image.max()]
        darkest = min((float(image.min()) for image in usable), default=0.0)
        assert 0 <= estimate.counts <= darkest

    def test_few_images_give_the_middle_of_the_possible_range(self, sparse):
        estimate = estimate_camera_offset(sparse[:5])
        darkest = float(sparse[:5].min())
        assert estimate.counts == pytest.approx(darkest / 2)
        assert estimate.uncertainty == pytest.approx(darkest / np.sqrt(12))

    def test_one_torn_image_does_not_pull_the_estimate_to_zero(self, sparse, sparse_offset):
        torn = sparse[:60].copy()
        torn[7, 60:] = 0
        estimate = estimate_camera_offset(torn, maximum=MAXIMUM)
        assert abs(estimate.counts - sparse_offset.counts) < 15

    def test_no_usable_image_says_that_nothing_is_known(self):
        assert estimate_camera_offset(np.zeros((4, 20, 20), np.float32)).uncertainty == np.inf

    def test_dark_frame_gives_its_level(self):
        dark = np.random.default_rng(0).normal(107, 3, (520, 696))
        offset = camera_offset_from_dark_frame(dark)
        assert offset.counts == pytest.approx(107, abs=0.2)
        assert 0 < offset.uncertainty < 1
        assert offset.source == "dark frame"

    def test_dark_frame_taken_with_light_is_refused(self, tiles, shading):
        lit = plant(tiles, shading, 1, density=0.3)[0]
        with pytest.raises(ValueError, match=r"taken with light.*shutter"):
            camera_offset_from_dark_frame(lit)

    @pytest.mark.parametrize("counts", [-1, np.nan, np.inf])
    def test_impossible_offset_is_refused(self, counts):
        with pytest.raises(ValueError, match="zero or more"):
            camera_offset_from_config(counts)


def flat_field(field, offset=KNOWN, status="ok"):
    return FlatField(np.asarray(field, np.float32), offset, status, "A reason.", 100, 6, 0.1, 0.01)


class TestCorrect:
    def test_planted_light_comes_back(self, shading):
        light = np.random.default_rng(0).uniform(0, 40000, shading.shape)
        corrected = correct(light * shading + OFFSET, flat_field(shading), MAXIMUM)
        assert corrected.dtype == np.float32
        np.testing.assert_allclose(corrected, light / MAXIMUM, rtol=1e-4, atol=1e-6)

    def test_pixels_below_the_offset_stay_negative(self):
        dark = np.full((4, 4), OFFSET - 10, np.uint16)
        corrected = correct(dark, flat_field(np.ones((4, 4))), MAXIMUM)
        np.testing.assert_allclose(corrected, -10 / MAXIMUM, rtol=1e-6)

    def test_image_of_another_size_is_refused(self):
        with pytest.raises(ValueError, match=r"\(4, 5\).*\(4, 4\)"):
            correct(np.zeros((4, 5)), flat_field(np.ones((4, 4))), MAXIMUM)

    def test_maximum_must_be_positive(self):
        with pytest.raises(ValueError, match="bit depth"):
            correct(np.zeros((4, 4)), flat_field(np.ones((4, 4))), 0)

    @pytest.mark.parametrize("bad", [0.0, -0.5, np.nan, np.inf])
    def test_a_field_with_one_bad_pixel_cannot_exist(self, bad):
        field = np.ones((20, 20), np.float32)
        field[3, 3] = bad
        with pytest.raises(ValueError, match="damaged"):
            flat_field(field)

    def test_a_field_of_another_mean_cannot_exist(self):
        with pytest.raises(ValueError, match="mean is not 1"):
            flat_field(np.full((4, 4), 1.1))


class TestTables:
    def test_arrays_survive_npz_without_pickle(self, sparse):
        fields = {"DNA": fit(sparse), "GFP / 488 µ": fit(sparse[:3])}
        file = io.BytesIO()
        np.savez(file, **to_arrays(fields))
        file.seek(0)
        with np.load(file, allow_pickle=False) as stored:
            back = from_arrays(stored)
        assert list(back) == list(fields)
        for channel, original in fields.items():
            np.testing.assert_array_equal(back[channel].field, original.field)
        assert summary(back)[0] == summary(fields)[0]
        assert pd.DataFrame(summary(back)).equals(pd.DataFrame(summary(fields)))

    def test_summary_has_a_row_per_channel(self, sparse):
        row, off = summary({"DNA": fit(sparse), "GFP": fit(sparse[:3])})
        assert (row["channel"], row["status"], row["n_images"]) == ("DNA", "ok", 100)
        assert row["camera_offset"] == OFFSET
        assert row["camera_offset_source"] == "config"
        assert 10 < row["edge_falloff_percent"] < 60
        assert (off["field_min"], off["field_max"], off["edge_falloff_percent"]) == (1, 1, 0)

    def test_edge_falloff_of_a_known_field(self):
        field = np.ones((50, 60))
        field[1:-1, 1:-1] = 1.25
        assert edge_falloff(field) == pytest.approx(0.2)


@pytest.mark.parametrize("n_images", [100, 3])
def test_picture_names_channel_and_status(sparse, n_images):
    found = fit(sparse[:n_images])
    figure = draw_flat_field(found, "DNA")
    assert isinstance(figure, Figure)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    assert file.getvalue().startswith(b"\x89PNG")
    assert figure.get_suptitle() == f"DNA: {found.status}"
    assert "(config)" in figure.get_supxlabel()
