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
from ome_zarr_models.v05 import HCS

from levelfield.images.planes import read_plane
from levelfield.io import store
from levelfield.io.store.pyramids import chunk_side, image_pyramid

CHANNELS = [store.Channel("DNA", "0000FF", 255), store.Channel("FKHR", "00FF00", 255)]
SITES = pd.DataFrame({"well": ["A01", "A01", "B03"], "site": [1, 2, 1]})


def real_image() -> np.ndarray:
    return np.stack([read_plane(DEMO_IMAGES / f"Channel{c}-01-A-01.tif") for c in (2, 1)])


def blobs(shape=(640, 640)) -> np.ndarray:
    return (np.indices(shape).sum(axis=0) // 50).astype(np.int32)


@pytest.fixture
def plate(tmp_path):
    path = tmp_path / "P.zarr"
    store.create_plate(path, "P", 96, SITES)
    for well, site in SITES.to_numpy():
        labels = {"Nuclei": blobs(), "Cells": blobs() * 2}
        field = store.Field(real_image(), labels)
        store.write_field(path, well, site, field, CHANNELS, "mark", {"n": 1.0}, 0.5)
    return path


def test_pixels_and_labels_come_back_as_they_were_written(plate):
    field = store.read_field(plate, "A01", 2, ["Nuclei", "Cells"])
    assert np.array_equal(field.image, real_image())
    assert field.image.dtype == np.uint8
    assert np.array_equal(field.labels["Cells"], blobs() * 2)
    assert field.labels["Cells"].dtype == np.int32


def test_the_plate_is_valid_ome_zarr(plate):
    model = HCS.from_zarr(zarr.open_group(plate, mode="r"))
    wells = model.attributes.ome.plate.wells
    assert [well.path for well in wells] == ["A/01", "B/03"]
    label = json.loads((plate / "A/01/1/labels/Nuclei/zarr.json").read_text())["attributes"]["ome"]
    assert label["image-label"]["source"] == {"image": "../../"}


def test_ngio_opens_the_labels_over_the_images(plate):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        container = ngio.open_ome_zarr_plate(str(plate)).get_image("A", 1, "1")
    image, label = container.get_image(), container.get_label("Nuclei")
    assert container.list_labels() == ["Nuclei", "Cells"]
    assert image.pixel_size.x == label.pixel_size.x == 0.5
    assert np.array_equal(np.squeeze(label.get_array()), blobs())
    assert np.array_equal(image.get_array(channel_selection="FKHR").squeeze(), real_image()[1])


def test_a_level_is_one_file(plate):
    assert len([p for p in (plate / "A/01/1/0").rglob("*") if p.is_file()]) == 2  # and zarr.json
    array = zarr.open_array(plate / "A/01/1/0", mode="r")
    assert array.shards == (2, 640, 640)


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
    assert side <= 640
    assert side * n_chunks - size < n_chunks


def test_odd_image_sizes_are_stored_whole(tmp_path):
    image = np.random.default_rng(0).integers(0, 9999, (1, 521, 1033), np.uint16)
    channels = [store.Channel("DNA", "0000FF", 65535)]
    written = store.Field(image, {"N": blobs((521, 1033))})
    store.write_field(tmp_path, "A01", 1, written, channels, "x")
    field = store.read_field(tmp_path, "A01", 1, ["N"])
    assert np.array_equal(field.image, image)
    assert np.array_equal(field.labels["N"], blobs((521, 1033)))


def test_a_field_carries_its_fingerprint_checksums_and_record(plate):
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
    shard = next(path for path in (plate / "A/01/1/0/c").rglob("*") if path.is_file())
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 0xFF
    shard.write_bytes(content)
    assert list(store.find_damage(plate, "A01", 1, sums)) == ["image"]


def test_an_invalidated_field_has_no_fingerprint(plate):
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
    array = store.lazy_plate(plate, SITES, lambda raw: raw.astype(np.float32) * 2)
    assert array.shape == (3, 2, 640, 640)
    assert np.array_equal(array[1].compute(), real_image().astype(np.float32) * 2)
