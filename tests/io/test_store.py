"""The store is a valid OME-Zarr plate, keeps what it is given, and survives torn writes."""

import errno
import json
import multiprocessing
import shutil
import warnings

import ngio
import numpy as np
import pandas as pd
import pytest
import zarr
from conftest import DEMO_IMAGES
from hypothesis import given
from hypothesis import strategies as st
from ome_zarr_models import v04, v05

from levelfield.images.planes import read_plane
from levelfield.io import store
from levelfield.io.store.arrays import chunk_side, write_array
from levelfield.io.store.pyramids import image_pyramid

CHANNELS = [store.Channel("DNA", "0000FF", 255), store.Channel("FKHR", "00FF00", 255)]
SITES = pd.DataFrame({"well": ["A01", "A01", "B03"], "site": [1, 2, 1]})


def real_image() -> np.ndarray:
    return np.stack([read_plane(DEMO_IMAGES / f"Channel{c}-01-A-01.tif") for c in (2, 1)])


def blobs(shape=(640, 640)) -> np.ndarray:
    return (np.indices(shape).sum(axis=0) // 50).astype(np.int32)


def write_plate(path, version=store.NEWEST):
    store.create_plate(path, "P", 96, SITES, version)
    for well, site in SITES.to_numpy():
        labels = {"Nuclei": blobs(), "Cells": blobs() * 2}
        field = store.Field(real_image(), labels)
        store.write_field(path, well, site, field, CHANNELS, "mark", {"n": 1.0}, 0.5)
    return path


@pytest.fixture(params=store.VERSIONS)
def versioned(tmp_path, request):
    """A plate in each version of OME-Zarr."""
    return write_plate(tmp_path / "P.zarr", request.param)


@pytest.fixture
def plate(tmp_path):
    return write_plate(tmp_path / "P.zarr")


def test_pixels_and_labels_come_back_as_they_were_written(versioned):
    field = store.read_field(versioned, "A01", 2, ["Nuclei", "Cells"])
    assert store.stored_dtype(versioned) == np.uint8
    assert store.stored_pixel_size_um(versioned) == 0.5
    assert np.array_equal(field.image, real_image())
    assert field.image.dtype == np.uint8
    assert np.array_equal(field.labels["Cells"], blobs() * 2)
    assert field.labels["Cells"].dtype == np.int32


def test_the_plate_is_valid_ome_zarr(plate):
    group = zarr.open_group(plate, mode="r")
    wells = v05.HCS.from_zarr(group).attributes.ome.plate.wells
    assert [well.path for well in wells] == ["A/01", "B/03"]
    v05.ImageLabel.from_zarr(group["A/01/1/labels/Nuclei"])
    assert_halved_once(v05.Image.from_zarr(group["A/01/1"]).attributes.ome.multiscales[0])


def test_the_plate_is_valid_ome_zarr_0_4_on_request(tmp_path):
    group = zarr.open_group(write_plate(tmp_path / "P.zarr", "0.4"), mode="r")
    wells = v04.hcs.HCSAttrs(**group.attrs).plate.wells
    assert [well.path for well in wells] == ["A/01", "B/03"]
    assert v04.well.WellAttrs(**group["A/01"].attrs).well.images[1].path == "2"
    assert v04.labels.LabelsAttrs(**group["A/01/1/labels"].attrs).labels == ["Nuclei", "Cells"]
    label = v04.image_label.ImageLabelAttrs(**group["A/01/1/labels/Nuclei"].attrs)
    assert label.image_label.version == label.multiscales[0].version == "0.4"
    field = v04.image.ImageAttrs(**group["A/01/1"].attrs)
    assert [channel.label for channel in field.omero.channels] == ["DNA", "FKHR"]
    assert_halved_once(field.multiscales[0])


def assert_halved_once(multiscale):
    [scale, _] = multiscale.datasets[1].coordinateTransformations
    assert scale.scale == [1, 1, 1]  # from 0.5 µm


def test_labels_name_the_image_that_they_are_of(plate):
    label = json.loads((plate / "A/01/1/labels/Nuclei/zarr.json").read_text())["attributes"]["ome"]
    assert label["image-label"]["source"] == {"image": "../../"}


def test_ngio_opens_the_labels_over_the_images(versioned):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        container = ngio.open_ome_zarr_plate(str(versioned)).get_image("A", 1, "1")
    image, label = container.get_image(), container.get_label("Nuclei")
    assert container.list_labels() == ["Nuclei", "Cells"]
    assert image.pixel_size.x == label.pixel_size.x == 0.5
    assert np.array_equal(np.squeeze(label.get_array()), blobs())
    assert np.array_equal(image.get_array(channel_selection="FKHR").squeeze(), real_image()[1])


def test_a_level_is_one_file(plate):
    assert {path.name for path in (plate / "A/01/1/0").rglob("*")} == {"zarr.json", "c.0.0.0"}
    array = zarr.open_array(plate / "A/01/1/0", mode="r")
    assert array.shards == (2, 640, 640)


def test_a_site_takes_few_files_and_folders(tmp_path):
    image, labels = np.zeros((5, 2160, 2160), np.uint16), np.zeros((2160, 2160), np.int32)
    channels = [store.Channel(f"C{i}", "FFFFFF", 65535) for i in range(5)]
    field = store.Field(image, {"Nuclei": labels, "Cells": labels})
    store.write_field(tmp_path, "A01", 1, field, channels, "x")
    assert 1 + len(list((tmp_path / "A/01/1").rglob("*"))) <= 35


@pytest.mark.parametrize("version", store.VERSIONS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32"])
@pytest.mark.parametrize("shape", [(640, 640), (521, 1033), (3, 7, 1290), (2, 1, 1)])
def test_zarr_reads_what_is_written_without_it(tmp_path, version, dtype, shape):
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype)
    write_array(tmp_path / "0", pixels, "cyx"[-len(shape) :], version)
    array = zarr.open_array(tmp_path / "0", mode="r")
    assert array.metadata.zarr_format == (2 if version == "0.4" else 3)
    assert array.dtype == pixels.dtype
    assert np.array_equal(array[...], pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_halvings_are_means_rounded_as_numpy_rounds(dtype):
    image = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, (2, 257, 300), dtype, True)
    blocks = image[:, :256].reshape(2, 128, 2, 150, 2)
    assert np.array_equal(image_pyramid(image)[1], np.rint(blocks.mean((2, 4))).astype(dtype))


def test_a_plate_of_another_version_is_written_again_with_what_people_drew(tmp_path):
    plate = write_plate(tmp_path / "P.zarr", "0.4")
    labels = plate / "A/01/1/labels"
    shutil.copytree(labels / "Nuclei", labels / "Nuclei_edited")
    store.create_plate(plate, "P", 96, SITES, "0.5")
    assert store.stored_field(plate, "A01", 1) == {}
    field = store.Field(real_image(), {"Nuclei": blobs() * 3})
    store.write_field(plate, "A01", 1, field, CHANNELS, "mark")
    assert store.stored_field(plate, "A01", 1)["fingerprint"] == "mark"
    assert np.array_equal(store.read_labels(plate, "A01", 1, "Nuclei_edited"), blobs())
    assert not [*plate.glob(".z*"), *plate.glob("A/01/1/**/.z*"), *plate.glob("A/01/.z*")]


def test_the_pyramid_keeps_the_mean_and_the_labels_keep_their_numbers(plate):
    levels = image_pyramid(real_image())
    assert [level.shape[1] for level in levels] == [640, 320, 160]
    assert abs(levels[-1].mean() - levels[0].mean()) < 0.6
    small = zarr.open_array(plate / "A/01/1/labels/Cells/2", mode="r")[...]
    assert set(np.unique(small)) <= set(np.unique(blobs() * 2))


@given(st.integers(1, 5000))
def test_chunks_divide_the_image_into_nearly_equal_parts(size):
    side = chunk_side(size)
    n_chunks = -(-size // side)
    assert side <= 1080
    assert side * n_chunks - size < n_chunks


def test_odd_image_sizes_are_stored_whole(tmp_path):
    image = np.random.default_rng(0).integers(0, 9999, (1, 521, 1033), np.uint16)
    channels = [store.Channel("DNA", "0000FF", 65535)]
    written = store.Field(image, {"N": blobs((521, 1033))})
    store.write_field(tmp_path, "A01", 1, written, channels, "x")
    field = store.read_field(tmp_path, "A01", 1, ["N"])
    assert np.array_equal(field.image, image)
    assert np.array_equal(field.labels["N"], blobs((521, 1033)))


def test_a_field_carries_its_fingerprint_checksums_and_record(versioned):
    plate = versioned
    stored = store.stored_field(plate, "A01", 1)
    assert stored["fingerprint"] == "mark"
    assert stored["record"] == {"n": 1.0}
    assert store.find_damage(plate, "A01", 1, stored["checksums"]) == {}
    assert store.stored_field(plate, "H12", 1) == {}


def test_damage_is_found_and_named(plate):
    sums = store.stored_field(plate, "A01", 1)["checksums"]
    labels = zarr.open_array(plate / "A/01/1/labels/Nuclei/0", mode="r+")
    labels[5, 5] = 99
    shutil.rmtree(plate / "A/01/1/labels/Cells")
    assert store.find_damage(plate, "A01", 1, sums) == {"Nuclei": "altered", "Cells": "missing"}


def test_a_flipped_byte_in_a_shard_is_damage(plate):
    sums = store.stored_field(plate, "A01", 1)["checksums"]
    shard = plate / "A/01/1/0/c.0.0.0"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 0xFF
    shard.write_bytes(content)
    assert list(store.find_damage(plate, "A01", 1, sums)) == ["image"]


def test_an_invalidated_field_has_no_fingerprint(versioned):
    plate = versioned
    store.invalidate_field(plate, "A01", 1)
    stored = store.stored_field(plate, "A01", 1)
    assert stored["fingerprint"] == ""
    assert stored["checksums"]


def test_labels_that_a_person_drew_survive_a_new_segmentation(plate):
    labels = plate / "A/01/1/labels"
    shutil.copytree(labels / "Nuclei", labels / "Nuclei_edited")
    field = store.Field(real_image(), {"Nuclei": blobs() * 3})
    store.write_field(plate, "A01", 1, field, CHANNELS, "new")
    assert np.array_equal(store.read_labels(plate, "A01", 1, "Nuclei_edited"), blobs())
    assert np.array_equal(store.read_labels(plate, "A01", 1, "Nuclei"), blobs() * 3)
    group = zarr.open_group(labels, mode="r")
    assert group.attrs["ome"]["labels"] == ["Nuclei", "Nuclei_edited"]


def _write_often(path, value):
    for _ in range(6):
        labels = {"N": np.full((64, 64), value, np.int32)}
        image = np.full((2, 64, 64), value, np.uint8)
        store.write_field(path, "A01", 1, store.Field(image, labels), CHANNELS, str(value))


def test_two_writers_of_one_field_leave_one_whole_field(tmp_path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_often, args=(tmp_path, v)) for v in (1, 2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    stored = store.stored_field(tmp_path, "A01", 1)
    assert store.find_damage(tmp_path, "A01", 1, stored["checksums"]) == {}
    field = store.read_field(tmp_path, "A01", 1, ["N"])
    assert set(np.unique(field.labels["N"])) == {int(stored["fingerprint"])}
    assert [path.name for path in (tmp_path / "A/01").iterdir()] == ["1"]


def test_a_field_that_finds_no_room_leaves_nothing_and_spares_the_one_before(plate, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("levelfield.io.store.field._write_labels", fail)
    with pytest.raises(OSError, match="No space"):
        field = store.Field(real_image(), {"Nuclei": blobs()})
        store.write_field(plate, "A01", 1, field, CHANNELS, "other")
    assert store.stored_field(plate, "A01", 1)["fingerprint"] == "mark"
    assert sorted(path.name for path in (plate / "A/01").iterdir()) == ["1", "2", "zarr.json"]


def test_creating_the_plate_again_keeps_its_fields(plate):
    store.create_plate(plate, "P", 96, SITES)
    assert store.stored_field(plate, "A01", 1)["fingerprint"] == "mark"


def test_a_plate_is_one_lazy_array_corrected_on_read(plate):
    factors = np.float32([2, 3])
    array = store.lazy_plate(plate, SITES, lambda raw, channel: raw * factors[channel])
    assert array.shape == (3, 2, 640, 640)
    assert array.dtype == np.float32
    assert np.array_equal(array[1].compute(), real_image() * factors[:, None, None])
    assert np.array_equal(store.lazy_plate(plate, SITES)[2].compute(), real_image())


def test_labels_of_a_plate_are_one_lazy_array(plate):
    labels = store.lazy_labels(plate, SITES, "Cells")
    assert (labels.shape, labels.dtype) == ((3, 640, 640), np.int32)
    assert np.array_equal(labels[2, 100:200].compute(), blobs()[100:200] * 2)
    with pytest.raises(FileNotFoundError):
        store.lazy_labels(plate, SITES, "Nuclei2")
