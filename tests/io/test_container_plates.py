"""Plates in ND2 and CZI files: wells, sites, channels, z, pixel sizes, and every pixel."""

import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from levelfield.images.planes import read_plane
from levelfield.images.sites import read_site, sites_of
from levelfield.io.formats import list_plate
from levelfield.io.plate_index import IndexFault
from levelfield.runs.inspect import look_into

WELLS = ("B02", "C11")
LAYOUT = pd.DataFrame({"Metadata_Well": WELLS, "Metadata_ControlType": ["negcon", "trt"]})
SHAPE = (2, 2, 2, 2, 30, 40)  # wells, sites, z, channels, y, x
PIXELS = np.random.default_rng(0).integers(1, 4000, SHAPE).astype(np.uint16)
CHANNELS = {"DNA": {"match": "DAPI"}, "ER": {"match": "GFP", "z_plane": 2}}
PIXEL_UM = 0.65


def write_czi(path: Path, wells=WELLS) -> Path:
    """A file of ZEN with a scene per site, whose metadata know the wells as ZEN notes them."""
    from pylibCZIrw import czi

    places = [(well, site) for well in wells for site in range(SHAPE[1])]
    with czi.create_czi(str(path)) as document:
        for scene, (well, site) in enumerate(places):
            for z in range(SHAPE[2]):
                for channel in range(SHAPE[3]):
                    document.write(
                        data=PIXELS[WELLS.index(well), site, z, channel][..., np.newaxis],
                        plane={"C": channel, "Z": z, "T": 0},
                        location=(1000 * scene, 0),
                        scene=scene,
                    )
        names = {0: "DAPI", 1: "GFP"}
        document.write_metadata("plate", names, scale_x=PIXEL_UM * 1e-6, scale_y=PIXEL_UM * 1e-6)
    scenes = "".join(
        f'<Scene Index="{number}" Name="P{site + 1}">'
        f"<ArrayName>{well[0]}{int(well[1:])}</ArrayName>"
        f"<CenterPosition>{100 * number},7</CenterPosition></Scene>"
        for number, (well, site) in enumerate(places)
    )
    with czi.edit_czi(str(path)) as editor, editor.edit_session() as session:
        text = session.get_xml()
        note = f"<Dimensions><S><Scenes>{scenes}</Scenes></S>"
        assert "<Dimensions>" in text
        session.set_xml(text.replace("<Dimensions>", note, 1))
    return path


def _variant(**values: object) -> bytes:
    """Variants as NIS-Elements writes them in XML, from plain Python values."""

    def of(name: str, value: object) -> str:
        if isinstance(value, dict):
            return f"<{name} runtype='CLxListVariant'>" + inner(value) + f"</{name}>"
        kind = {bool: "bool", int: "lx_int32", float: "double", str: "CLxStringW"}[type(value)]
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return f"<{name} runtype='{kind}' value='{text}'/>"

    def inner(values: dict) -> str:
        return "".join(of(name, value) for name, value in values.items())

    return f"<variant version='1.0'>{inner(values)}</variant>".encode()


def write_nd2(path: Path, wells=WELLS, names=True) -> Path:
    """A file of NIS-Elements 3.0 with positions and a stack, in the chunks that nd2 reads.

    The structure is that which the package nd2 documents (https://github.com/tlambert03/nd2):
    chunks of a magic number, the lengths of name and content, name and content, and a map of them
    at the end. Metadata are variants, as XML or binary; these are XML.
    """
    places = [(well, site) for well in wells for site in range(SHAPE[1])]
    height, width, n_channels = SHAPE[4], SHAPE[5], SHAPE[3]
    points = {
        f"i{n:010}": {
            "dPosX": 100.0 * n,
            "dPosY": 7.0,
            "dPosZ": 0.0,
            "dPFSOffset": -1.0,
            "dPosName": f"{well}_{site:04d}" if names else "",
        }
        for n, (well, site) in enumerate(places)
    }
    stack = {
        "eType": 4,
        "uLoopPars": {
            "uiCount": SHAPE[2],
            "dZStep": 1.0,
            "dZLow": 0.0,
            "dZHigh": 1.0,
            "dZHome": 0.0,
            "dTotalDistance": 1.0,
            "iType": 2,
            "bAbsolute": False,
            "wsZDevice": "z",
        },
        "ppNextLevelEx": {},
    }
    positions = {"uiCount": len(places), "Points": points, "bUseZ": False, "bUseAFPlane": False}
    positions |= {"bRelativeXY": False, "bKeepPFSOn": False, "bSplitMultipoints": True}
    planes = {
        f"Plane{n}": {
            "sDescription": name,
            "uiCompCount": 1,
            "uiColor": 255,
            "pFluorescentProbe": {"m_sName": name},
        }
        for n, name in enumerate(("DAPI", "GFP"))
    }
    chunks = {
        "ImageAttributesLV!": _variant(
            uiWidth=width,
            uiWidthBytes=2 * width * n_channels,
            uiHeight=height,
            uiComp=n_channels,
            uiBpcInMemory=16,
            uiBpcSignificant=16,
            uiSequenceCount=len(places) * SHAPE[2],
            eCompression=2,
        ),
        "ImageMetadataLV!": _variant(
            eType=2, uLoopPars=positions, ppNextLevelEx={"i0000000000": stack}
        ),
        "ImageMetadataSeqLV|0!": _variant(
            bCalibrated=True,
            dCalibration=PIXEL_UM,
            dObjectiveMag=20.0,
            sPicturePlanes={"uiCount": n_channels, "sPlaneNew": planes},
        ),
    }
    frame = 0
    for well, site in places:
        for z in range(SHAPE[2]):
            pixels = PIXELS[WELLS.index(well), site, z].transpose(1, 2, 0)
            chunks[f"ImageDataSeq|{frame}!"] = struct.pack("<d", 0.0) + pixels.tobytes()
            frame += 1
    path.write_bytes(_nd2_bytes(chunks))
    return path


def _nd2_bytes(chunks: dict[str, bytes]) -> bytes:
    magic = 0x0ABECEDA
    signature = b"ND2 FILE SIGNATURE CHUNK NAME01!"
    content = bytearray(struct.pack("<IIQ32s64s", magic, 32, 64, signature, b"Ver3.0"))
    places = {}
    for name, data in chunks.items():
        content += bytes(-len(content) % 4096)
        places[name] = (len(content), len(data))
        named = name.encode()
        # the pixels of a frame are looked for 4096 bytes behind its start, after its time
        length = 4096 - 16 - 8 if name.startswith("ImageDataSeq") else len(named)
        content += struct.pack("<IIQ", magic, length, len(data)) + named.ljust(length, b"\x00")
        content += data
    start = len(content)
    listed = b"".join(name.encode() + struct.pack("<QQ", *place) for name, place in places.items())
    end = b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<Q", start)
    name = b"ND2 FILEMAP SIGNATURE NAME 0001!"
    data = listed + end
    content += struct.pack("<IIQ", magic, len(name), len(data)) + name + data
    return bytes(content)


WRITERS = {"nd2": write_nd2, "czi": write_czi}


@pytest.fixture(params=WRITERS)
def kind(request):
    return request.param


def test_a_plate_in_one_file(tmp_path, kind):
    WRITERS[kind](tmp_path / f"plate.{kind}")
    index = list_plate(tmp_path, "P", LAYOUT, {"projection": "maximum"}, CHANNELS).planes
    assert (index["fault"] == "").all(), index["fault"].unique()
    assert sorted(index["well"].unique()) == ["B02", "C11"]
    assert index.groupby("well")["site"].agg(lambda s: sorted(set(s))).tolist() == [[1, 2]] * 2
    np.testing.assert_allclose(index["pixel_size_um"], PIXEL_UM, rtol=1e-6)
    assert index["x_um"].unique().tolist() == [0.0, 100.0, 200.0, 300.0]
    projections = {"DNA": "maximum", "ER": None}
    for site in sites_of(index, list(WELLS)):
        pixels = read_site(site, ["DNA", "ER"], projections)
        truth = PIXELS[WELLS.index(site.well), site.number - 1]
        np.testing.assert_array_equal(pixels[0], truth[:, 0].max(axis=0))
        np.testing.assert_array_equal(pixels[1], truth[1, 1])


def test_every_plane_is_that_of_an_independent_reader(tmp_path, kind):
    path = WRITERS[kind](tmp_path / f"plate.{kind}")
    flat = PIXELS.reshape(-1, *SHAPE[4:])
    for page, pixels in enumerate(flat):
        np.testing.assert_array_equal(read_plane(path, page), pixels)


def test_a_file_for_each_well(tmp_path, kind):
    for well in WELLS:
        path = tmp_path / f"exp_Well{well}_{kind}.{kind}"
        WRITERS[kind](path, (well,)) if kind == "czi" else write_nd2(path, (well,), names=False)
    found = look_into(tmp_path)
    plate = next(iter(found.plates.values()))
    assert plate.format == kind
    assert plate.wells == WELLS
    assert plate.sites == {2: 2}
    assert [channel.name for channel in plate.channels] == ["DAPI", "GFP"]
    assert [channel.z for channel in plate.channels] == [(1, 2), (1, 2)]


def test_a_damaged_file_costs_its_own_well_by_name(tmp_path, kind):
    for well in WELLS:
        WRITERS[kind](tmp_path / f"{well}.{kind}", (well,))
    broken = tmp_path / f"C11.{kind}"
    broken.write_bytes(broken.read_bytes()[:700])
    index = list_plate(
        tmp_path, "P", LAYOUT, {"projection": "mean"}, {"DNA": {"match": "0"}}
    ).planes
    faulty = index[index["fault"] != ""]
    assert set(faulty["well"]) == {"C11"}
    assert f"C11.{kind}" in " ".join(faulty["path"] + faulty["fault"])
    assert (index.loc[index["well"] == "B02", "fault"] == "").all()


def test_wells_that_nothing_tells_are_asked_for(tmp_path):
    write_nd2(tmp_path / "experiment.nd2", names=False)
    index = list_plate(tmp_path, "P", LAYOUT.iloc[1:], {"z_plane": 1}, {"DNA": {"match": "0"}})
    assert index.planes["fault"].str.contains("in a sheet of the images").any()


def test_a_missing_library_is_named_with_its_extra(tmp_path, kind, monkeypatch):
    WRITERS[kind](tmp_path / f"plate.{kind}")
    library = {"nd2": "nd2", "czi": "pylibCZIrw"}[kind]
    monkeypatch.setitem(__import__("sys").modules, library, None)
    with pytest.raises(ValueError, match=r"levelfield\[formats\]"):
        list_plate(tmp_path, "P", LAYOUT, {}, CHANNELS)


def test_files_behind_a_url_are_refused_in_words():
    from levelfield.io.container_plates import read_containers
    from levelfield.io.listing import Listing

    files = Listing("https://host/plate", {"a.nd2": 1})
    with pytest.raises(IndexFault, match="behind a URL are not read"):
        read_containers(files, ".nd2", "ND2", lambda path: None)
