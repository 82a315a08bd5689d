"""Fields survive writers that are killed at any moment: none is torn, and none is lost."""

import os
import random
import shutil
import signal
import time

import numpy as np
import pandas as pd
import pytest

from levelfield.io import store
from levelfield.io.store import replace

CHANNELS = [store.Channel("DNA", "0000FF", 65535)]
N_SITES = 4


def field(value):
    image = np.full((1, 300, 300), value, np.uint16)
    image[0, ::7] = np.arange(300)
    return store.Field(image, {"Nuclei": np.full((300, 300), value, np.int32)})


def write(plate, site, value):
    store.write_field(plate, "A01", site, field(value), CHANNELS, str(value))


def write_until_killed(plate, first):
    """Write fields one after the other in a process of its own, and kill it after a while."""
    process = os.fork()
    if process == 0:
        try:
            value = first
            while True:
                write(plate, value % N_SITES, value)
                value += 1
        finally:
            os._exit(1)
    time.sleep(random.Random(first).uniform(0.0, 0.06))
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


@pytest.fixture(params=["exchange", "two renames"])
def plate(tmp_path, request, monkeypatch):
    """A plate, on a file system that can and on one that cannot exchange two folders."""
    if request.param == "two renames":
        monkeypatch.setattr(replace, "_exchanged", lambda one, other: False)
    path = tmp_path / "P.zarr"
    sites = pd.DataFrame({"well": "A01", "site": range(N_SITES)})
    store.create_plate(path, "P", 96, sites)
    for site in range(N_SITES):
        write(path, site, site)
    drawn = path / "A/01/0/labels"
    shutil.copytree(drawn / "Nuclei", drawn / "Nuclei_edited")
    return path


def test_fifty_killed_writers_tear_and_lose_no_field(plate):
    for number in range(50):
        write_until_killed(plate, 100 * (number + 1))
        for site in range(N_SITES):
            stored = store.stored_field(plate, "A01", site)
            value = int(stored["fingerprint"])  # there is a field, and it says which
            assert value % N_SITES == site
            assert store.find_damage(plate, "A01", site, stored["checksums"]) == {}
            found = store.read_field(plate, "A01", site, ["Nuclei"])
            assert np.array_equal(found.image, field(value).image)
            assert found.labels["Nuclei"].min() == found.labels["Nuclei"].max() == value
    write(plate, 0, 4)
    assert store.read_labels(plate, "A01", 0, "Nuclei_edited").max() == 0  # what a person drew


def test_a_field_that_was_moved_aside_when_its_writer_was_killed_comes_back(plate):
    place = plate / "A" / "01" / "2"
    place.rename(place.with_name(".2.0123.old"))
    assert store.stored_field(plate, "A01", 2)["fingerprint"] == "2"
    assert np.array_equal(store.read_field(plate, "A01", 2, []).image, field(2).image)
