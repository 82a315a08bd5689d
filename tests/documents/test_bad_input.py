"""Every row of docs/bad_input.md: the input is made, and what follows and is said compared."""

import re
from pathlib import Path

import damaged_plates as damaged
import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml

from levelfield.config.sheets import ConfigError, SheetError
from levelfield.config.weights import Weights
from levelfield.io.formats import list_plate
from levelfield.io.plate_index import IndexFault
from levelfield.io.weights import WeightsError, find_weights
from levelfield.remote import requests
from levelfield.remote.files import RemoteFault
from levelfield.runs.plan import read_plan_file
from levelfield.steps.index_plate import list_images

REPOSITORY = Path(__file__).resolve().parents[2]
ROWS = [
    tuple(cell.strip() for cell in line.strip("|\n").split("|"))
    for line in (REPOSITORY / "docs" / "bad_input.md").read_text().splitlines()
    if re.match(r"\| (?!input|-)", line)
]
LEFT_OUT, STOPS, NOTHING = "left out", "the plate stops", "nothing starts"
SECTIONS = {"images": {"format": "imagexpress"}, "channels": damaged.CONFIG}
SECTIONS |= {"qc": {"excluded_sites_percent": 20}, "measurement": {"unit": "px"}}
LAYOUT = "well,control_type\nB02,negcon\nB03,poscon\nC02,trt\n"


@pytest.fixture
def plate(tmp_path):
    return damaged.write_plate(tmp_path / "plate")


def site(damage):
    """Damage a file, and return what is said of its site."""

    def case(plate):
        path = damaged.file_of(plate, "B03", 2, 1)
        damage(path, np.random.default_rng(3))
        used, said = damaged.read_plate(plate)
        assert len(used) == 5
        return LEFT_OUT, said["B03", 2]

    return case


def listed(layout=damaged.LAYOUT, faults=(IndexFault,), **images):
    """List the plate with another layout, or as another config says."""

    def case(plate):
        sections = SECTIONS | {"images": {"format": "imagexpress"} | images}
        if "pattern" in images:
            sections["images"].pop("format")
        try:
            index = list_images(plate, "P", layout, sections)
        except faults as fault:
            return STOPS, str(fault)
        return LEFT_OUT, " ".join(index["fault"])

    return case


def without_half(plate):
    for path in list(plate.glob("*_s2_w1*")):
        path.unlink()
    return listed()(plate)


def other_channel(plate):
    with pytest.raises(IndexFault) as caught:
        list_plate(plate, "P", damaged.LAYOUT, {}, {"DNA": {"match": "DAPI"}})
    return STOPS, str(caught.value)


def no_server(plate):
    with pytest.raises(RemoteFault) as caught:
        list_plate("http://127.0.0.1:9/P", "P", damaged.LAYOUT, {}, damaged.CONFIG)
    return STOPS, str(caught.value)


def config(layout=LAYOUT, images="plate", **sections):
    """Read a config, of which sections are replaced."""

    def case(plate):
        folder = plate.parent
        (folder / "layout.csv").write_text(layout)
        sheet = f"plate\timages\tlayout\twells\nP\t{images}\tlayout.csv\t96\n"
        (folder / "plates.tsv").write_text(sheet)
        whole = {"plates": "plates.tsv", "channels": damaged.CONFIG}
        whole |= {"objects": {"Nuclei": {"method": "classical", "channels": ["ch1"]}}}
        (folder / "config.yaml").write_text(yaml.safe_dump(whole | sections))
        with pytest.raises((ConfigError, SheetError)) as caught:
            read_plan_file(folder / "config.yaml")
        return NOTHING, str(caught.value)

    return case


def wrong_weights(plate):
    file = plate.parent / "weights.safetensors"
    file.write_bytes(b"other")
    with pytest.raises(WeightsError) as caught:
        find_weights(Weights("w", str(file), "0" * 64, ""), plate / "w", plate.parent)
    return STOPS, str(caught.value)


def brighter(plate):
    return listed(bit_depth=10)(plate)


MORE = pd.concat(
    [damaged.LAYOUT, pd.DataFrame({"Metadata_Well": ["H12"], "Metadata_ControlType": ["trt"]})]
)
CONTROL = MORE.assign(Metadata_ControlType=["negcon", "poscon", "trt", "negcon"])


def truncated(path, random):
    path.write_bytes(path.read_bytes()[:2000])


def float_pixels(path, random):
    damaged.rewrite(path, tifffile.imread(path).astype(np.float32))


CASES = {
    "a truncated file": site(truncated),
    "an empty file": site(damaged.empty),
    "a file that is no image": site(damaged.text_in_place_of_an_image),
    "a link to nowhere": site(damaged.a_link_to_nowhere),
    "a pipe in place of a file": site(damaged.a_pipe_of_that_name),
    "a folder in place of a file": site(damaged.a_folder_of_that_name),
    "a missing channel": site(damaged.deleted),
    "two files of one plane": site(damaged.a_second_file_of_the_plane),
    "another size": site(damaged.another_size),
    "another type of pixels": site(damaged.pixels_of_8_bits),
    "pixels that are no counts": site(float_pixels),
    "colours": site(damaged.colours),
    "one value throughout": site(damaged.one_value),
    "a file that was not filled": site(damaged.not_filled_to_its_end),
    "saturation": site(damaged.saturated),
    "a channel twice": site(damaged.the_image_of_the_other_channel),
    "a damaged stream": site(damaged.a_damaged_stream),
    "brighter than the bit depth": brighter,
    "images of a well without a layout row": listed(damaged.LAYOUT.iloc[:2]),
    "a well of the layout without images": listed(MORE, left_out_percent=50),
    "controls without images": listed(CONTROL),
    "names that the pattern does not read": listed(pattern=r"(?P<well>[A-H]\d\d)\.png$"),
    "more left out than allowed": without_half,
    "a channel of the config that no image is of": other_channel,
    "a server that does not answer": no_server,
    "no folder of images": config(images="elsewhere"),
    "a repeated well": config(layout=LAYOUT + "B02,trt\n"),
    "a well that the plate has not": config(layout=LAYOUT + "P24,trt\n"),
    "an unknown control type": config(layout=LAYOUT + "D02,control\n"),
    "an unknown key": config(chanels={}),
    "a wrong value": config(packs_per_plate=0),
    "weights of another checksum": wrong_weights,
}


def test_every_row_is_tested():
    assert [row[0] for row in ROWS] == list(CASES)


@pytest.mark.parametrize(("name", "follows", "says"), ROWS, ids=[row[0] for row in ROWS])
def test_bad_input(plate, name, follows, says, monkeypatch):
    monkeypatch.setattr(requests, "_FIRST_WAIT", 0.01)
    found, text = CASES[name](plate)
    assert found == follows, text
    assert says in text
