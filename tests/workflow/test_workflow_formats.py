"""From a microscope's folder to a verdict: `levelfield init`, controls, and one run."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import vendor_exports
import yaml
import zarr
from ome_zarr.format import FormatV04
from ome_zarr_cases import pixels, write_plate
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


def with_nuclei(folder: Path) -> dict[str, np.ndarray]:
    """Put fields of the demo plate in place of an export's images; return them by their names."""
    sources = [tifffile.imread(path) for path in sorted(DEMO_IMAGES.glob("Channel2-*.tif"))]
    written = {}
    for number, path in enumerate(sorted(folder.rglob("*.tif*"))):
        pixels = sources[number // 8 % len(sources)][:320, :320].astype(np.uint16) * 16 + number
        tifffile.imwrite(path, pixels)
        written[path.name] = pixels
    return written


def run_to_verdict(folder: Path, kinds: dict[str, str], **images: object) -> pd.DataFrame:
    """Run what `levelfield init` wrote, its wells being of some kinds; return the index."""
    config = folder / "config" / "config.yaml"
    (layout,) = (folder / "config" / "layouts").iterdir()
    text = layout.read_text()
    for well, kind in kinds.items():
        text = text.replace(f"{well},trt,,", f"{well},{kind},{kind},")
    layout.write_text(text)
    rules = yaml.safe_load(config.read_text())
    rules["images"] |= images
    rules |= {"measurement": {"families": ["AreaShape"]}, "packs_per_plate": 1}
    config.write_text(yaml.safe_dump(rules))
    name = layout.stem
    done = levelfield(folder, "run", "--cores", "2", "--", f"results/{name}/qc/verdict.csv")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    verdict = pd.read_csv(folder / "results" / name / "qc" / "verdict.csv")
    assert {kind for kind in kinds.values() if kind != "trt"} <= set(verdict["scope"])
    excluded = pd.read_csv(folder / "results" / name / "excluded_sites.csv")
    assert excluded.empty
    return pd.read_csv(folder / "results" / name / "index.csv")


def stored(folder: Path, well: str, site: int) -> np.ndarray:
    (store,) = (folder / "results").glob("*/*.zarr")
    place = store / well[0] / well[1:] / str(site)
    return np.asarray(zarr.open_array(place / "0", mode="r"))


def test_cellvoyager_from_its_folder_to_its_verdict(tmp_path):
    export = vendor_exports.cellvoyager(tmp_path / "export")
    images = with_nuclei(export)
    assert levelfield(tmp_path, "init", str(export)).returncode == 0
    kinds = {"D08": "negcon", "E03": "poscon", "F08": "trt"}
    index = run_to_verdict(tmp_path, kinds)
    assert len(index) == 96
    assert set(index["well"]) == set(kinds)
    assert set(index["site"]) == set(index["z"]) == {1, 2, 3, 4}
    assert set(index["pixel_size_um"]) == {0.325}
    # Which files are of a stack is read of the vendor's records once more, by other means.
    records = (export / "MeasurementData.mlf").read_text().split("<bts:MeasurementRecord ")
    stack = [
        images[record.split(">")[1].split("<")[0]]
        for record in records[1:]
        if all(
            f'bts:{name}="{value}"' in record
            for name, value in (("Row", 5), ("Column", 3), ("FieldIndex", 2), ("Ch", 1))
        )
    ]
    assert len(stack) == 4
    assert np.array_equal(stored(tmp_path, "E03", 2)[0], np.max(stack, axis=0))


def test_operetta_from_its_folder_to_its_verdict(tmp_path):
    export = tmp_path / "export"
    export.mkdir()
    vendor_exports.operetta(export)
    images = with_nuclei(export)
    assert levelfield(tmp_path, "init", str(export)).returncode == 0
    index = run_to_verdict(tmp_path, {"C03": "negcon"})
    assert list(index["well"]) == ["C03", "C03"]
    assert list(index["site"]) == [1, 2]
    assert set(index["pixel_size_um"].round(5)) == {1.19595}
    for site in (1, 2):
        expected = images[f"r03c03f{site:02d}p01-ch1sk1fk1fl1.tiff"]
        assert np.array_equal(stored(tmp_path, "C03", site)[0], expected)


def test_an_ome_zarr_plate_is_read_in_place_and_labels_go_where_they_may(tmp_path):
    plate = write_plate(tmp_path / "plate.zarr", FormatV04())
    before = {path: path.read_bytes() for path in plate.rglob("*") if path.is_file()}
    assert levelfield(tmp_path, "init", str(plate)).returncode == 0
    kinds = {"A01": "negcon", "B03": "poscon"}
    index = run_to_verdict(tmp_path, kinds)
    assert set(index["pixel_size_um"]) == {0.325}
    assert {path: path.read_bytes() for path in plate.rglob("*") if path.is_file()} == before
    assert np.array_equal(stored(tmp_path, "B03", 1), pixels("B03", 1))
    run_to_verdict(tmp_path, {}, in_place=True)
    after = {path: path.read_bytes() for path in plate.rglob("*") if path.is_file()}
    assert {path: after.get(path) for path in before} == before
    added = [path.relative_to(plate).parts for path in after.keys() - before.keys()]
    assert added
    assert {parts[3] for parts in added} == {"labels"}
    own = next((tmp_path / "results").glob("*/*.zarr")) / "B" / "03" / "1" / "labels" / "Nuclei"
    theirs = plate / "B" / "03" / "1" / "labels" / "Nuclei"
    labels = [np.asarray(zarr.open_array(place / "0", mode="r")) for place in (own, theirs)]
    assert labels[0].max() > 5
    assert np.array_equal(labels[0].squeeze(), labels[1].squeeze())


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
