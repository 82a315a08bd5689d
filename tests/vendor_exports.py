"""Small exports as microscopes write them: real metadata where the tests have some, and images."""

import re
import shutil
from pathlib import Path

import numpy as np
import tifffile

VENDOR = Path(__file__).resolve().parent / "data" / "vendor"
METASERIES = """<MetaData>
<prop id="ApplicationName" type="string" value="MetaMorph"/>
<prop id="spatial-calibration-state" type="bool" value="on"/>
<prop id="spatial-calibration-x" type="float" value="1.3672"/>
<prop id="spatial-calibration-y" type="float" value="1.3672"/>
<prop id="spatial-calibration-units" type="string" value="um"/>
</MetaData>"""


def write_image(path: Path, seed: int, description: str | None = None) -> None:
    """Write 40 × 50 px of noise that no other seed gives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(100, 4000, (40, 50)).astype(np.uint16)
    tifffile.imwrite(path, pixels, description=description, metadata=None)


def imagexpress(folder: Path) -> Path:
    """A projection beside a stack of two, identifiers in names, thumbnails, one time point."""
    for copy in (".", "TimePoint_1", "TimePoint_1/ZStep_1"):
        (folder / copy).mkdir(parents=True, exist_ok=True)
        shutil.copy(VENDOR / "imagexpress" / "9987.HTD", folder / copy)
    seed = 0
    for well in ("B02", "B03"):
        for site in (1, 2):
            for wave in (1, 2, 3):
                for step in ("", "ZStep_1/", "ZStep_2/"):
                    seed += 1
                    guid = f"{seed:08X}-AC92-4844-8462-8FF38C0FE509"
                    name = f"TimePoint_1/{step}9987_{well}_s{site}_w{wave}"
                    write_image(folder / f"{name}{guid}.TIF", seed, METASERIES)
                    if not step:
                        write_image(folder / f"{name}_thumb{guid}.tif", seed)
    return folder


def operetta(folder: Path) -> Path:
    """The real index of a well of two sites."""
    (folder / "Images").mkdir(parents=True)
    shutil.copy(VENDOR / "operetta" / "Index.idx.xml", folder / "Images")
    for site in (1, 2):
        write_image(folder / "Images" / f"r03c03f{site:02d}p01-ch1sk1fk1fl1.tiff", site)
    return folder


def operetta_v6(folder: Path) -> Path:
    """Two wells as Harmony 5 describes them: channels in Maps, URLs, UTF-16, a missing file."""
    (folder / "Images").mkdir(parents=True)
    images = ""
    for well, (row, column) in enumerate(((1, 1), (16, 24))):
        for channel in (1, 2):
            for z in (1, 2):
                name = f"r{row:02d}c{column:02d}f01p{z:02d}-ch{channel}sk1fk1fl1.tiff"
                images += f"""<Image Version="1"><id>x</id><State>Ok</State><URL>{name}</URL>
                <Row>{row}</Row><Col>{column}</Col><FieldID>1</FieldID><PlaneID>{z}</PlaneID>
                <TimepointID>0</TimepointID><ChannelID>{channel}</ChannelID>
                <PositionX Unit="m">1.5E-05</PositionX></Image>"""
                if (well, channel, z) != (1, 2, 2):
                    write_image(folder / "Images" / name, 100 * well + 10 * channel + z)
    entries = "".join(
        f"""<Entry ChannelID="{number}"><ChannelName>{name}</ChannelName>
        <ImageResolutionX Unit="m">2.98E-07</ImageResolutionX></Entry>"""
        for number, name in ((1, "HOECHST 33342"), (2, "Alexa 488"))
    )
    text = f"""<?xml version="1.0" encoding="utf-16"?>
    <EvaluationInputData Version="1" xmlns="43B2A954-E3C3-47E1-B392-6635266B0DD3/HarmonyV7">
    <Plates><Plate><PlateID>P7</PlateID><PlateRows>16</PlateRows><PlateColumns>24</PlateColumns>
    </Plate></Plates><Maps><Map>{entries}</Map></Maps><Images>{images}</Images>
    </EvaluationInputData>"""
    (folder / "Images" / "Index.xml").write_text(text, encoding="utf-16")
    return folder


def cellvoyager(folder: Path) -> Path:
    """The real metadata of three wells, four sites, two channels and four z planes."""
    shutil.copytree(VENDOR / "cellvoyager", folder)
    text = (folder / "MeasurementData.mlf").read_text()
    for seed, name in enumerate(re.findall(r">([^<>]+\.tif)<", text)):
        write_image(folder / name, seed)
    write_image(folder / "SC_BP445-45_20x v2_M01_CH01.tif", 999)
    return folder


def incell(folder: Path) -> Path:
    """A plate in the terms of IN Cell's .xdce, after the fields that Bio-Formats documents."""
    images = ""
    seed = 0
    for row, column in ((1, 1), (2, 3)):
        for wave, name in enumerate(("DAPI", "FITC")):
            seed += 1
            file = f"{'AB'[row - 1]} - {column}(fld 1 wv {name} - {name}).tif"
            write_image(folder / file, seed)
            images += f"""<Image acquisition_time_ms="1" filename="{file}" thumbnail="t.png">
            <Well label="x"><Row number="{row}"/><Column number="{column}"/></Well>
            <Identifier field_index="0" time_index="0" wave_index="{wave}" z_index="0"/>
            <OffsetFromCenter x="12.5" y="-3"/><ExcitationFilter name="{name}"/>
            <EmissionFilter name="{name}"/></Image>"""
    text = f"""<?xml version="1.0" encoding="ISO-8859-1" standalone="no"?>
    <ImageStack><Creation date="2010-11-17"/><UserComment>Zellen für Müller</UserComment>
    <ObjectiveCalibration magnification="20.0" pixel_height="0.3225" pixel_width="0.3225"/>
    <Plate name="96 well" rows="8" columns="12"/><Images>{images}</Images></ImageStack>"""
    (folder / "run.XDCE").write_bytes(text.encode("latin-1"))
    return folder


def scanr(folder: Path, label: bool) -> Path:
    """Two wells with or without labels in their names; wells count along the rows of 12."""
    seed = 0
    for number, well in ((14, "B2"), (96, "H12")):
        for position in (1, 2):
            for channel in ("DAPI", "Alexa 488"):
                seed += 1
                start = well if label else ""
                name = f"{start}--W{number:05d}--P{position:05d}--Z00000--T00000--{channel}.tif"
                write_image(folder / "data" / name, seed)
    text = """<?xml version="1.0"?><LVData><Cluster><Name>plate</Name>
    <I32><Name>rows (well plate)</Name><Val>8</Val></I32>
    <I32><Name>columns (well plate)</Name><Val>12</Val></I32>
    <DBL><Name>conversion factor um/pixel</Name><Val>0.645</Val></DBL></Cluster></LVData>"""
    (folder / "experiment_descriptor.xml").write_text(text)
    return folder


def companion(folder: Path) -> Path:
    """Two wells of CQ1 by a companion OME-XML, with a file for each plane."""
    wells = images = ""
    seed = 0
    for number in (1, 14):
        row, column = divmod(number - 1, 12)
        wells += f"""<Well ID="Well:{number}" Row="{row}" Column="{column}"><WellSample
        ID="S:{number}" Index="0"><ImageRef ID="Image:{number}"/></WellSample></Well>"""
        parts = ""
        for channel in (0, 1):
            seed += 1
            name = f"Image/W{number:04d}F0001T0001Z001C{channel + 1}.tif"
            write_image(folder / name, seed)
            parts += f"""<TiffData FirstC="{channel}" FirstZ="0" FirstT="0" IFD="0" PlaneCount="1">
            <UUID FileName="{name}">u</UUID></TiffData>"""
        images += f"""<Image ID="Image:{number}"><Pixels ID="P:{number}" DimensionOrder="XYCZT"
        Type="uint16" SizeX="50" SizeY="40" SizeC="2" SizeZ="1" SizeT="1" PhysicalSizeX="0.65"
        PhysicalSizeXUnit="µm"><Channel ID="C:0" Name="DAPI"/><Channel ID="C:1" Name="GFP"/>
        {parts}</Pixels></Image>"""
    text = f"""<?xml version="1.0" encoding="UTF-8"?><OME
    xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Plate ID="Plate:0" Name="CQ"
    Rows="8" Columns="12">{wells}</Plate>{images}</OME>"""
    (folder / "MeasurementResult.ome.xml").write_text(text)
    return folder


def ome_tiff(folder: Path) -> Path:
    """A file per well with two channels and three z planes, without a plate in its XML."""
    for seed, well in enumerate(("A01", "C12")):
        pixels = np.random.default_rng(seed).integers(0, 4000, (3, 2, 40, 50)).astype(np.uint16)
        metadata = {
            "axes": "ZCYX",
            "PhysicalSizeX": 0.5,
            "PhysicalSizeXUnit": "µm",
            "Channel": {"Name": ["DAPI", "GFP"]},
        }
        path = folder / f"exp_{well}.ome.tiff"
        tifffile.imwrite(path, pixels, metadata=metadata, ome=True)
    return folder


def loaddata(folder: Path) -> Path:
    """Two sites by a CSV of CellProfiler with paths of another computer."""
    lines = [
        "FileName_OrigDNA,PathName_OrigDNA,FileName_OrigER,PathName_OrigER,FileName_IllumDNA,"
        "Metadata_Plate,Metadata_Well,Metadata_Site"
    ]
    for well in ("A01", "P24"):
        for channel in ("dna", "er"):
            write_image(folder / f"{well}_{channel}.TIFF", ord(well[0]) + len(channel))
        lines.append(rf"{well}_dna.TIFF,D:\data\x,{well}_er.tiff,D:\data\x,illum.npy,P,{well},3")
    (folder / "load_data.csv").write_text("\n".join(lines))
    return folder
