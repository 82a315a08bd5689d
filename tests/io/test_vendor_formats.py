"""Exports of microscopes are recognised, and their planes are those that are in the files."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import vendor_exports

from levelfield.images.planes import read_plane
from levelfield.io.export import STORED_PROJECTION, Export
from levelfield.io.formats import read_plate
from levelfield.io.listing import list_files
from levelfield.io.plate_index import IndexFault
from levelfield.io.recognition import find_plates


def read(folder: Path, plate: str = "P") -> Export:
    return read_plate(list_files(folder), plate, {"format": "auto"})[1]


def held(export: Export) -> tuple:
    """Wells, sites, z and times that an export has."""
    planes = export.planes
    return tuple(
        sorted({getattr(plane, name) for plane in planes}) for name in ("well", "site", "z", "time")
    )


def check_pixels(export: Export, folder: Path) -> None:
    """Every plane is what tifffile reads of its file, and no two are the same file and page."""
    there = [plane for plane in export.planes if not plane.fault]
    assert len({(plane.path, plane.page) for plane in there}) == len(there)
    for plane in there:
        with tifffile.TiffFile(plane.path) as tiff:
            assert np.array_equal(
                read_plane(Path(plane.path), plane.page), tiff.asarray(key=plane.page)
            )
    assert all(Path(plane.path).is_relative_to(folder) for plane in there)


def recognised(folder: Path) -> list[str]:
    (names,) = find_plates(list_files(folder)).values()
    return names


def test_imagexpress(tmp_path):
    export = read(vendor_exports.imagexpress(tmp_path))
    assert recognised(tmp_path) == ["imagexpress"]
    assert held(export) == (["B02", "B03"], [1, 2], [STORED_PROJECTION, 1, 2], [1])
    assert export.channels == {"1": ("DAPI", "w1"), "2": ("FITC", "w2"), "3": ("Texas Red", "w3")}
    assert len(export.planes) == 36
    assert {reason: len(names) for reason, names in export.left_out.items()} == {"thumbnails": 12}
    assert (export.n_wells, export.name) == (96, "9987")
    assert any("w4 (Cy5)" in note for note in export.notes)
    check_pixels(export, tmp_path)


@pytest.mark.parametrize(
    ("name", "plane"),
    [
        ("p_B02.TIF", ("B02", 1, "1", 0, 0)),
        ("p_A01_s9_w107447158-AC92-4844-8462-8FF38C0FE509.tif", ("A01", 9, "1", 0, 0)),
        ("p_A01_s107447158-AC92-4844-8462-8FF38C0FE509.tif", ("A01", 1, "1", 0, 0)),
        ("Week1_A05_C03_s2_w2.tif", ("C03", 2, "2", 0, 0)),
        ("TimePoint_3/ZStep_4/p_af48_s2_w2.tif", ("AF48", 2, "2", 4, 3)),
        ("p_B02_MULTISITE_w2.TIF", ("B02", 1, "2", 0, 0)),
        ("TimePoint_3/ZStep_0/p_A01_s2_w2.tif", ("A01", 2, "2", 0, 3)),
    ],
)
def test_names_of_metaxpress(tmp_path, name, plane):
    vendor_exports.write_image(tmp_path / name, 1)
    (tmp_path / "p.HTD").write_text('"TimePoints", 1\r\n')
    found = read(tmp_path).planes[0]
    assert (found.well, found.site, found.channel, found.z, found.time) == plane


def test_operetta(tmp_path):
    export = read(vendor_exports.operetta(tmp_path))
    assert recognised(tmp_path) == ["operetta"]
    assert held(export) == (["C03"], [1, 2], [1], [0])
    assert export.channels == {"1": ("Fluorescein (FITC)", "ch1")}
    assert export.n_wells == 384
    assert [plane.pixel_size_um for plane in export.planes] == pytest.approx([1.1959521619] * 2)
    assert [plane.x_um for plane in export.planes] == pytest.approx([-645.814, 645.814])
    check_pixels(export, tmp_path)


def test_an_index_of_a_later_harmony_tells_channels_in_its_maps(tmp_path):
    export = read(vendor_exports.operetta_v6(tmp_path))
    assert held(export) == (["A01", "P24"], [1], [1, 2], [0])
    assert export.channels == {"1": ("HOECHST 33342", "ch1"), "2": ("Alexa 488", "ch2")}
    assert {round(plane.pixel_size_um, 9) for plane in export.planes} == {0.298}
    assert {round(plane.x_um, 9) for plane in export.planes} == {15}
    (missing,) = [plane for plane in export.planes if plane.fault]
    assert (missing.well, missing.channel, missing.z) == ("P24", "2", 2)
    assert "r16c24f01p02-ch2sk1fk1fl1.tiff', which is not there" in missing.fault
    check_pixels(export, tmp_path)


def test_cellvoyager(tmp_path):
    folder = vendor_exports.cellvoyager(tmp_path / "export")
    export = read(folder)
    assert recognised(folder) == ["cellvoyager"]
    assert held(export) == (["D08", "E03", "F08"], [1, 2, 3, 4], [1, 2, 3, 4], [1])
    assert export.channels == {"1": ("BP445/45", "405"), "2": ("BP525/50", "488")}
    assert len(export.planes) == 96
    assert export.n_wells == 96
    assert {plane.pixel_size_um for plane in export.planes} == {0.325}
    assert (export.planes[0].x_um, export.planes[0].y_um) == (-567.1, 402.9)
    assert list(export.left_out) == ["images that correct the cameras"]
    check_pixels(export, folder)


def test_a_record_of_an_error_is_a_fault_unless_the_image_came_after_all(tmp_path):
    folder = vendor_exports.cellvoyager(tmp_path / "export")
    sheet = folder / "MeasurementData.mlf"
    lines = sheet.read_text().splitlines()
    failed = lines[2].replace('Type="IMG"', 'Type="ERR"').replace(".tif<", " timeout<")
    sheet.write_text("\n".join([*lines[:2], failed, *lines[3:]]))
    faults = [plane.fault for plane in read(folder).planes if plane.fault]
    assert len(faults) == 1
    assert "noted an error in place of an image" in faults[0]
    sheet.write_text("\n".join([*lines[:2], failed, *lines[2:]]))
    assert not [plane for plane in read(folder).planes if plane.fault]


def test_incell(tmp_path):
    export = read(vendor_exports.incell(tmp_path))
    assert recognised(tmp_path) == ["incell"]
    assert held(export) == (["A01", "B03"], [1], [0], [0])
    assert export.channels == {"0": ("DAPI",), "1": ("FITC",)}
    assert {(p.pixel_size_um, p.x_um, p.y_um) for p in export.planes} == {(0.3225, 12.5, -3.0)}
    assert export.n_wells == 96
    check_pixels(export, tmp_path)


@pytest.mark.parametrize("label", [True, False])
def test_scanr(tmp_path, label):
    export = read(vendor_exports.scanr(tmp_path, label))
    assert recognised(tmp_path) == ["scanr"]
    assert held(export) == (["B02", "H12"], [1, 2], [0], [0])
    assert list(export.channels) == ["Alexa 488", "DAPI"]
    assert {plane.pixel_size_um for plane in export.planes} == {0.645}
    check_pixels(export, tmp_path)


def test_a_companion_names_files_of_single_planes(tmp_path):
    export = read(vendor_exports.companion(tmp_path))
    assert recognised(tmp_path) == ["ome_tiff"]
    assert held(export) == (["A01", "B02"], [1], [0], [0])
    assert export.channels == {"0": ("DAPI",), "1": ("GFP",)}
    assert {plane.pixel_size_um for plane in export.planes} == {0.65}
    check_pixels(export, tmp_path)


def test_ome_tiff_of_several_planes(tmp_path):
    export = read(vendor_exports.ome_tiff(tmp_path))
    assert recognised(tmp_path) == ["ome_tiff"]
    assert held(export) == (["A01", "C12"], [1], [0, 1, 2], [0])
    assert export.channels == {"0": ("DAPI",), "1": ("GFP",)}
    assert {plane.pixel_size_um for plane in export.planes} == {0.5}
    check_pixels(export, tmp_path)
    for plane in export.planes:
        stack = tifffile.imread(plane.path)
        pixels = read_plane(Path(plane.path), plane.page)
        assert np.array_equal(pixels, stack[plane.z, int(plane.channel)])


def test_loaddata_finds_files_by_name_where_its_paths_are_of_another_computer(tmp_path):
    export = read(vendor_exports.loaddata(tmp_path))
    assert recognised(tmp_path) == ["loaddata"]
    assert held(export) == (["A01", "P24"], [3], [0], [0])
    assert list(export.channels) == ["OrigDNA", "OrigER"]
    check_pixels(export, tmp_path)


def test_planes_of_another_plate_of_loaddata_are_left_out(tmp_path):
    vendor_exports.loaddata(tmp_path)
    with pytest.raises(IndexFault, match="are of plates P, never of 'Q'"):
        read(tmp_path, "Q")


def test_two_formats_in_a_folder_are_an_error_that_lists_them(tmp_path):
    vendor_exports.imagexpress(tmp_path)
    (tmp_path / "load_data.csv").write_text("FileName_DNA,Metadata_Well\nx.tif,A01\n")
    with pytest.raises(IndexFault, match=r"ImageXpress, CellProfiler LoadData.*images\.format"):
        read(tmp_path)


def test_a_damaged_index_is_named(tmp_path):
    folder = vendor_exports.operetta(tmp_path)
    index = folder / "Images" / "Index.idx.xml"
    index.write_bytes(index.read_bytes()[:3000])
    with pytest.raises(IndexFault, match=r"Index\.idx\.xml' cannot be read as XML"):
        read(folder)


def test_what_is_not_recognised_is_told_with_examples(tmp_path):
    vendor_exports.write_image(tmp_path / "one.tif", 1)
    with pytest.raises(IndexFault, match=r"none of the formats.*ImageXpress.*'one\.tif'"):
        read(tmp_path)
