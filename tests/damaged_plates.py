"""A small plate, and what can be wrong with a file of it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from levelfield.images.sites import SiteFault, check_pixels, read_site, sites_of
from levelfield.io.formats import list_plate

WELLS, SITES, CHANNELS = ("B02", "B03", "C02"), (1, 2), (1, 2)
CONFIG = {f"ch{number}": {"match": str(number)} for number in CHANNELS}
LAYOUT = pd.DataFrame({"Metadata_Well": WELLS, "Metadata_ControlType": ["negcon", "poscon", "trt"]})
SHAPE = (40, 50)


def file_of(folder: Path, well: str, site: int, channel: int) -> Path:
    number = 100 * WELLS.index(well) + 10 * site + channel
    return folder / f"P_{well}_s{site}_w{channel}{number:08X}-AC92-4844-8462-8FF38C0FE509.TIF"


def write_plate(folder: Path) -> Path:
    """Write three wells of two sites and two channels, of noise that no two images share."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for well in WELLS:
        for site in SITES:
            for channel in CHANNELS:
                pixels = random.integers(100, 4000, SHAPE).astype(np.uint16)
                tifffile.imwrite(file_of(folder, well, site, channel), pixels)
    return folder


def read_plate(folder: Path, images: dict | None = None):
    """The pixels of every site that is used, and what is said of the others."""
    images = images or {"format": "imagexpress"}
    index = list_plate(folder, "P", LAYOUT, images, CONFIG).planes
    used, said = {}, {}
    for (well, site), rows in index.groupby(["well", "site"]):
        faults = rows[rows["fault"] != ""]
        said[well, site] = " ".join(
            faults["path"] + " " + faults["channel"] + " " + faults["fault"]
        )
    for site in sites_of(index, list(WELLS)):
        try:
            image = read_site(site, list(CONFIG), {})
            check_pixels(site, image, list(CONFIG), 65535, 50.0)
        except SiteFault as fault:
            said[site.well, site.number] = f"{fault.path} {fault.reason}"
            continue
        used[site.well, site.number] = image
    return used, said


def rewrite(path: Path, pixels, **more) -> None:
    path.unlink()
    tifffile.imwrite(path, pixels, **more)


def truncated(path, random):
    path.write_bytes(path.read_bytes()[: random.integers(9, path.stat().st_size - 1)])


def empty(path, random):
    path.write_bytes(b"")


def noise_in_place_of_an_image(path, random):
    path.write_bytes(random.bytes(path.stat().st_size))


def text_in_place_of_an_image(path, random):
    path.write_text("quota exceeded\n" * 40)


def deleted(path, random):
    path.unlink()


def a_link_to_nowhere(path, random):
    path.unlink()
    path.symlink_to("nowhere.TIF")


def a_folder_of_that_name(path, random):
    path.unlink()
    path.mkdir()


def a_pipe_of_that_name(path, random):
    path.unlink()
    os.mkfifo(path)


def a_name_that_says_nothing(path, random):
    path.rename(path.with_name(f"image{random.integers(100)}.TIF"))


def the_name_of_another_well(path, random):
    well = path.name.split("_")[1]
    other = WELLS[(WELLS.index(well) + 1) % len(WELLS)]
    path.rename(path.with_name(path.name.replace(f"_{well}_", f"_{other}_")))


def the_name_of_a_well_without_a_layout(path, random):
    path.rename(path.with_name(path.name.replace(path.name.split("_")[1], "H12")))


def the_name_of_another_site(path, random):
    path.rename(path.with_name(path.name.replace("_s1_", "_s7_").replace("_s2_", "_s7_")))


def the_name_of_another_channel(path, random):
    path.rename(path.with_name(path.name.replace("_w1", "_w9").replace("_w2", "_w1")))


def a_second_file_of_the_plane(path, random):
    shutil.copy(path, path.with_name(path.name.replace("-AC92-", "-BC92-")))


def pixels_of_32_bits(path, random):
    rewrite(path, random.random(SHAPE, np.float32))


def not_a_number(path, random):
    rewrite(path, np.full(SHAPE, np.nan, np.float32))


def pixels_of_8_bits(path, random):
    rewrite(path, random.integers(1, 200, SHAPE).astype(np.uint8))


def signed_pixels(path, random):
    rewrite(path, random.integers(-100, 4000, SHAPE).astype(np.int16))


def another_size(path, random):
    rewrite(path, tifffile.imread(path)[: random.integers(5, 39)])


def turned(path, random):
    rewrite(path, np.ascontiguousarray(tifffile.imread(path).T))


def colours(path, random):
    rewrite(path, random.integers(0, 255, (*SHAPE, 3)).astype(np.uint8), photometric="rgb")


def one_value(path, random):
    rewrite(path, np.full(SHAPE, random.integers(0, 4000), np.uint16))


def not_filled_to_its_end(path, random):
    pixels = tifffile.imread(path)
    pixels[random.integers(1, 36) :] = 0
    rewrite(path, pixels)


def saturated(path, random):
    pixels = tifffile.imread(path)
    pixels[:, : random.integers(26, 49)] = 65535
    rewrite(path, pixels)


def the_image_of_the_other_channel(path, random):
    other = next(p for p in path.parent.glob(f"{path.name.split('_w')[0]}_w*") if p != path)
    rewrite(path, tifffile.imread(other))


def a_damaged_stream(path, random):
    rewrite(path, tifffile.imread(path), compression="zlib")
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        start, length = tiff.pages[0].dataoffsets[0], tiff.pages[0].databytecounts[0]
    at = start + int(random.integers(length // 4, length))
    content[at] ^= 0xFF
    path.write_bytes(bytes(content))


def compressed_without_loss(path, random):
    rewrite(path, tifffile.imread(path), compression="zlib")


def the_other_byte_order(path, random):
    rewrite(path, tifffile.imread(path), byteorder=">")


def an_ending_in_small_letters(path, random):
    path.rename(path.with_suffix(".tif"))


def a_thumbnail_beside_it(path, random):
    rewritten = tifffile.imread(path)[::4, ::4]
    tifffile.imwrite(path.with_name(path.name.replace("0000", "_thumb0000", 1)), rewritten)


def a_time_of_the_future(path, random):
    os.utime(path, (4e9, 4e9))


HARMLESS = (
    *(compressed_without_loss, the_other_byte_order, an_ending_in_small_letters),
    *(a_thumbnail_beside_it, a_time_of_the_future),
)
UNNAMED = (deleted, a_name_that_says_nothing, the_name_of_another_channel)
"""Of these no file is left under its name; the site and the channel are named instead."""
DAMAGES: tuple[Callable, ...] = (
    *(truncated, empty, noise_in_place_of_an_image, text_in_place_of_an_image, deleted),
    *(a_link_to_nowhere, a_folder_of_that_name, a_pipe_of_that_name, a_name_that_says_nothing),
    *(the_name_of_another_well, the_name_of_a_well_without_a_layout, the_name_of_another_site),
    *(the_name_of_another_channel, a_second_file_of_the_plane, pixels_of_32_bits, not_a_number),
    *(pixels_of_8_bits, signed_pixels, another_size, turned, colours, one_value),
    *(not_filled_to_its_end, saturated, the_image_of_the_other_channel, a_damaged_stream),
    *HARMLESS,
)


def copied(plate: Path, folder: Path) -> Path:
    """Copy a plate by links; whoever changes a file must put another in its place."""
    folder.mkdir()
    for path in plate.iterdir():
        shutil.copy(path, folder / path.name)
    return folder
