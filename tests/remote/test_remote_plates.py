"""Plates behind URLs are those on the disk, whatever a server does meanwhile."""

import json
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from image_servers import FAILING, google_server, http_server, s3_server
from vendor_exports import imagexpress, write_image

from levelfield.config.sheets import SheetError
from levelfield.execution.machine_faults import is_machine_fault, machine_fault_text
from levelfield.images.sites import ImageGone, read_site, sites_of
from levelfield.io.formats import list_plate
from levelfield.io.plate_index import IndexFault
from levelfield.remote import requests
from levelfield.remote.files import RemoteFault
from levelfield.remote.settings import use_settings
from levelfield.runs.init import write_files
from levelfield.runs.inspect import look_into

CHANNELS = {"DNA": {"match": "1"}, "ER": {"match": "2"}}
STACK = {"DNA": "maximum", "ER": "maximum"}
LAYOUT = pd.DataFrame({"Metadata_Well": ["B02", "B03"], "Metadata_ControlType": ["negcon", "trt"]})
NAME = "plate 1#x"  # as people call their folders


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LEVELFIELD_REMOTE", "")  # back as it was afterwards
    monkeypatch.setattr(requests, "_FIRST_WAIT", 0.01)
    use_settings({"cache": str(tmp_path / "cache")})
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    folder = tmp_path_factory.mktemp("disk")
    imagexpress(folder / NAME)
    return folder


def read_all(folder, images=None, channels=CHANNELS, layout=LAYOUT):
    """The index of a plate, and the pixels of all its sites."""
    images = {"projection": "maximum"} if images is None else images
    index = list_plate(folder, "P", layout, images, channels).planes
    sites = sites_of(index, list(layout["Metadata_Well"]))
    return index, [read_site(site, list(channels), STACK) for site in sites]


def assert_same(found, expected, url, folder):
    index, pixels = found
    wanted, wanted_pixels = expected
    index = index.assign(path=index["path"].str.replace(url, str(folder), regex=False))
    columns = wanted.columns.drop("checksum")
    pd.testing.assert_frame_equal(index[columns], wanted[columns])
    assert len(pixels) == len(wanted_pixels) > 0
    for one, other in zip(pixels, wanted_pixels, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_web_server_that_fails_now_and_then(disk, ranges):
    with http_server(disk, FAILING, ranges) as server:
        found = read_all(f"{server.url}/{NAME}")
    assert len(server.failed) >= 3
    assert_same(found, read_all(disk / NAME), server.url, disk)


def test_s3_that_fails_now_and_then(disk, own_cache):
    with s3_server(disk, "gallery", FAILING) as server:
        use_settings({"cache": str(own_cache), "endpoint": server.endpoint})
        found = read_all(f"{server.url}/{NAME}")
    assert len(server.failed) >= 2
    assert found[0]["checksum"].str.startswith("etag:").all()
    assert_same(found, read_all(disk / NAME), server.url, disk)


def test_google_cloud_storage(disk, own_cache, monkeypatch):
    with google_server(disk, "bucket") as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
        found = read_all(f"{server.url}/{NAME}")
    assert found[0]["checksum"].str.startswith("crc32c:").all()
    assert_same(found, read_all(disk / NAME), server.url, disk)


def test_only_the_planes_that_are_needed_are_fetched_and_once(disk):
    with http_server(disk) as server:
        for _ in range(2):
            read_all(f"{server.url}/{NAME}", channels={"DNA": {"match": "1"}})
            fetched = [path for path in server.whole if path.lower().endswith(".tif")]
            assert len(fetched) == 8  # two wells, two sites, two planes of a stack
    assert all("_w1" in path and "_thumb" not in path for path in fetched)


def test_a_missing_image_is_a_fault_of_its_site_by_name(disk, tmp_path):
    write_image(tmp_path / "web/a.tif", 1)
    sheet = tmp_path / "images.csv"
    sheet.write_text("file,well,site\na.tif,B02,1\nb.tif,B03,1\n")
    with http_server(tmp_path / "web") as server:
        images = {"format": "sheet", "sheet": str(sheet)}
        channels = {"DNA": {"match": ""}}
        index = list_plate(f"{server.url}/", "P", LAYOUT, images, channels).planes
    faulty = index[index["fault"] != ""]
    assert faulty["well"].tolist() == ["B03"]
    assert "'b.tif', which is not there" in faulty["fault"].iloc[0]


def test_an_image_that_is_gone_since_ends_the_job(disk, tmp_path):
    write_image(tmp_path / "web/P_B02_s1_w1.tif", 1)
    with http_server(tmp_path / "web") as server:
        layout = LAYOUT.iloc[:1]
        channels = {"DNA": {"match": "1"}}
        images = {"format": "imagexpress"}
        index = list_plate(server.url, "P", layout, images, channels).planes
        (tmp_path / "web/P_B02_s1_w1.tif").unlink()
        with pytest.raises(ImageGone, match="a server that has moved its files"):
            read_site(sites_of(index, ["B02"])[0], ["DNA"], {})


def test_an_image_of_another_checksum_is_not_used(tmp_path):
    write_image(tmp_path / "web/a.tif", 1)
    sheet = tmp_path / "images.csv"
    with http_server(tmp_path / "web") as server:
        sheet.write_text(f"file,well,checksum\na.tif,B02,md5:{'0' * 32}\n")
        images = {"format": "sheet", "sheet": str(sheet)}
        index = list_plate(server.url, "P", LAYOUT.iloc[:1], images, {"DNA": {"match": ""}}).planes
        site = sites_of(index, ["B02"])[0]
        with pytest.raises(Exception, match=r"its md5 is [0-9a-f]{32}, and 0{32} was promised"):
            read_site(site, ["DNA"], {})


def test_a_server_that_is_not_there_ends_the_job_and_costs_no_site(own_cache):
    with pytest.raises(RemoteFault) as caught:
        list_plate("http://127.0.0.1:9/plate", "P", LAYOUT, {}, CHANNELS)
    text = str(caught.value)
    for part in ("http://127.0.0.1:9/plate", "levelfield fetch", "login node", str(own_cache)):
        assert part in text
    assert is_machine_fault(caught.value)
    assert machine_fault_text(caught.value) == text


def test_a_server_that_lists_nothing_says_what_to_do(disk):
    with http_server(disk) as server, pytest.raises(IndexFault, match="cannot be listed"):
        list_plate(f"{server.url}/nowhere", "P", LAYOUT, {}, CHANNELS)


def gallery(folder: Path) -> Path:
    """A plate as the Cell Painting Gallery has it; returns the folder of its LoadData sheets.

    Folders and columns are those of its documentation (broadinstitute.github.io/
    cellpainting-gallery, "Folder structure") and of JUMP's sheets.
    """
    source = folder / "cpg0016-jump" / "source_4"
    batch = "2021_04_26_Batch1"
    images = f"images/{batch}/images/BR00117035__2021-05-02T16_02_51-Measurement1/Images"
    home = f"s3://cellpainting-gallery/{source.relative_to(folder)}/{images}/"
    rows = []
    for number, well in enumerate(("B02", "B03")):
        for site in (1, 2):
            row = {"Metadata_Source": "source_4", "Metadata_Batch": batch}
            row |= {"Metadata_Plate": "P", "Metadata_Well": well, "Metadata_Site": site}
            for channel, name in enumerate(("DNA", "ER"), start=1):
                file = f"r02c0{number + 2}f0{site}p01-ch{channel}sk1fk1fl1.tiff"
                write_image(source / images / file, 100 * number + 10 * site + channel)
                row[f"FileName_Orig{name}"] = file
                row[f"PathName_Orig{name}"] = home
            rows.append(row)
    table = pd.DataFrame(rows)
    sheets = source / "workspace" / "load_data_csv" / batch / "P"
    sheets.mkdir(parents=True)
    table.to_csv(sheets / "load_data.csv", index=False)
    illum = {"FileName_IllumDNA": "P_IllumDNA.npy", "PathName_IllumDNA": "s3://x/illum/P/"}
    table.assign(**illum).to_parquet(sheets / "load_data_with_illum.parquet")
    return sheets


def test_the_cell_painting_gallery_by_its_loaddata_sheets(tmp_path, own_cache):
    sheets = gallery(tmp_path / "bucket").relative_to(tmp_path / "bucket")
    channels = {"DNA": {"match": "OrigDNA"}, "ER": {"match": "OrigER"}}
    with s3_server(tmp_path / "bucket", "cellpainting-gallery", FAILING) as server:
        use_settings({"cache": str(own_cache), "endpoint": server.endpoint})
        url = f"{server.url}/{sheets.as_posix()}"
        found = look_into(url)
        assert list(found.plates) == ["P"]
        index, pixels = read_all(url, {}, channels)
        one, _ = read_all(f"{url}/load_data.csv", {}, channels)
        written = write_files(found, tmp_path / "config", False, server.endpoint)
    assert (index["fault"] == "").all()
    assert len(index) == 8
    assert index["path"].str.startswith("s3://cellpainting-gallery/cpg0016-jump/source_4/im").all()
    pd.testing.assert_frame_equal(one, index)
    first = tmp_path / "bucket" / index["path"].iloc[0].removeprefix("s3://cellpainting-gallery/")
    np.testing.assert_array_equal(pixels[0][0], tifffile.imread(str(first).replace("//", "/")))
    sheet = written[1].read_text()
    assert f"P\t{url}\tlayouts/P.csv\t96" in sheet
    assert f"endpoint: {server.endpoint}" in written[0].read_text()


def zarr_plate(folder: Path) -> Path:
    """An OME-Zarr plate of version 0.4 with one well and two channels."""
    pixels = np.random.default_rng(0).integers(1, 4000, (2, 40, 50)).astype(np.uint16)
    image = folder / "B" / "02" / "0"
    array = zarr.create_array(
        image / "0", shape=pixels.shape, chunks=(1, 20, 25), dtype="uint16", zarr_format=2
    )
    array[:] = pixels
    axes = [{"name": "c"}, *({"name": name, "unit": "micrometer"} for name in "yx")]
    scale = [{"type": "scale", "scale": [1, 0.5, 0.5]}]
    shown = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    attributes = {
        folder: {
            "plate": {
                "rows": [{"name": "B"}],
                "columns": [{"name": "02"}],
                "wells": [{"path": "B/02"}],
            }
        },
        folder / "B" / "02": {"well": {"images": [{"path": "0"}]}},
        image: {"multiscales": [shown], "omero": {"channels": [{"label": "a"}, {"label": "b"}]}},
    }
    for place, text in attributes.items():
        (place / ".zattrs").write_text(json.dumps(text))
        (place / ".zgroup").write_text('{"zarr_format": 2}')
    return folder


def test_an_ome_zarr_plate_behind_a_url(tmp_path):
    zarr_plate(tmp_path / "web/P.zarr")
    layout, channels = LAYOUT.iloc[:1], {"DNA": {"match": "a"}, "ER": {"match": "b"}}
    with http_server(tmp_path / "web", FAILING) as server:
        found = read_all(f"{server.url}/P.zarr", {}, channels, layout)
    expected = read_all(tmp_path / "web/P.zarr", {}, channels, layout)
    assert_same(found, expected, server.url, tmp_path / "web")
    assert found[0]["pixel_size_um"].tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("ftp://host/plate", "no URL that can be read"),
        ("https://me:secret@host/plate", "holds a password or token"),
        ("https://host/plate?X-Amz-Signature=abc", "holds a password or token"),
    ],
)
def test_urls_that_are_refused(url, text):
    from levelfield.config.sheets import checked_url

    with pytest.raises(SheetError, match=text) as caught:
        checked_url(url, "plates.tsv, line 2: images")
    assert "secret" not in str(caught.value)
    assert "plates.tsv, line 2" in str(caught.value)


def test_nothing_is_said_of_requests_that_succeed_at_last(disk, caplog):
    with caplog.at_level(logging.INFO), http_server(disk, FAILING) as server:
        read_all(f"{server.url}/{NAME}")
    assert not [record for record in caplog.records if "127.0.0.1" in record.getMessage()]
