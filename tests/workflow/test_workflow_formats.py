"""From a microscope's folder to a verdict: `levelfield init`, controls, and one run."""

import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import vendor_exports
import yaml
import zarr
from real_images import BBBC013 as DEMO_IMAGES
from warm_python import warm_python

pytestmark = pytest.mark.workflow

KINDS = {"A01": "negcon", "A12": "poscon", "B01": "negcon", "B12": "poscon"}


def levelfield(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [warm_python(), "-m", "levelfield.cli", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def real_imagexpress(folder: Path) -> Path:
    """Four wells of the demo plate under the names that MetaXpress gives them."""
    for at, well in enumerate(KINDS):
        for wave, channel in ((1, 2), (2, 1)):
            guid = f"{at:07X}{wave}-AC92-4844-8462-8FF38C0FE509"
            name = f"9987_{well}_w{wave}"
            (folder / "TimePoint_1").mkdir(parents=True, exist_ok=True)
            (source,) = DEMO_IMAGES.glob(f"Channel{channel}-*-{well[0]}-{well[1:]}.tif")
            shutil.copy(source, folder / "TimePoint_1" / f"{name}{guid}.TIF")
            vendor_exports.write_image(folder / "TimePoint_1" / f"{name}_thumb{guid}.tif", at)
    shutil.copy(vendor_exports.VENDOR / "imagexpress" / "9987.HTD", folder)
    return folder


def test_from_an_export_to_its_verdict(tmp_path):
    export = real_imagexpress(tmp_path / "export" / "Plate_1")
    work = tmp_path / "work"
    work.mkdir()
    written = levelfield(work, "init", str(export))
    assert written.returncode == 0, written.stderr
    layout = work / "config" / "layouts" / "Plate_1.csv"
    text = layout.read_text()
    for well, kind in KINDS.items():
        text = text.replace(f"{well},trt,", f"{well},{kind},{kind}")
    layout.write_text(text)
    config = work / "config" / "config.yaml"
    config.write_text(config.read_text() + "measurement: {families: [AreaShape, Intensity]}\n")
    done = levelfield(work, "run", "--cores", "2", "--", "results/Plate_1/qc/verdict.csv")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "16 images found, 8 used, 8 ignored: thumbnails (8)" in done.stderr
    verdict = pd.read_csv(work / "results" / "Plate_1" / "qc" / "verdict.csv")
    assert set(verdict["scope"]) == {"negcon", "poscon", "difference"}
    sites = pd.read_csv(work / "results" / "Plate_1" / "sites.csv")
    assert list(sites["Metadata_Well"]) == list(KINDS)
    # The test's images tell no size of a pixel; the config does, and it reaches the store.
    rules = yaml.safe_load(config.read_text())
    rules["images"]["pixel_size_um"] = 0.5
    config.write_text(yaml.safe_dump(rules))
    pack = "results/Plate_1/segment/pack1.csv"
    done = levelfield(work, "run", "--cores", "2", "--", pack)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    field = zarr.open_group(work / "results" / "Plate_1" / "Plate_1.zarr" / "A" / "01" / "1")
    (scale, *_) = field.attrs["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    assert scale["scale"] == [1.0, 0.5, 0.5]


@pytest.mark.parametrize(
    ("write", "n_planes", "pixel_size"),
    [
        (vendor_exports.operetta, 2, 1.19595),
        (vendor_exports.cellvoyager, 96, 0.325),
        (vendor_exports.incell, 4, 0.3225),
        (vendor_exports.ome_tiff, 12, 0.5),
    ],
)
def test_other_exports_are_listed_without_a_pattern(tmp_path, write, n_planes, pixel_size):
    folder = tmp_path / "export"
    if write is not vendor_exports.cellvoyager:
        folder.mkdir()
    write(folder)
    written = levelfield(tmp_path, "init", str(folder))
    assert written.returncode == 0, written.stderr
    done = levelfield(tmp_path, "run", "--cores", "1", "--", "results/export/index.csv")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    index = pd.read_csv(tmp_path / "results" / "export" / "index.csv")
    assert len(index) == n_planes
    assert index["fault"].isna().all()
    assert set(index["pixel_size_um"].round(5)) == {pixel_size}


def test_a_dry_run_tells_what_is_wrong_with_the_images(tmp_path):
    export = real_imagexpress(tmp_path / "export")
    assert levelfield(tmp_path, "init", str(export)).returncode == 0
    layout = tmp_path / "config" / "layouts" / "export.csv"
    layout.write_text(layout.read_text() + "C05,poscon,x,,\n")
    done = levelfield(tmp_path, "run", "-n")
    assert done.returncode != 0
    assert "controls that have no images: C05 (poscon)" in done.stdout + done.stderr
    assert not (tmp_path / "results").exists()
