"""Two hundred damages of a plate: none is used silently, and none costs another site.

A plate is written once; by every damage one file of it is changed, and the plate is listed and
read as the workflow does. A site then is used with its own pixels, or left out by a fault that
names what is wrong; all other sites are as they were.
"""

import hashlib
import shutil

import numpy as np
import pytest
from damaged_plates import (
    CONFIG,
    DAMAGES,
    HARMLESS,
    LAYOUT,
    SITES,
    UNNAMED,
    WELLS,
    copied,
    file_of,
    read_plate,
    the_name_of_another_well,
    write_plate,
)

from levelfield.io.formats import list_plate

N_DAMAGES = 200


@pytest.fixture(scope="module")
def plate(tmp_path_factory):
    return write_plate(tmp_path_factory.mktemp("plate"))


@pytest.fixture(scope="module")
def truth(plate):
    used, _ = read_plate(plate)
    assert len(used) == len(WELLS) * len(SITES)
    return used


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damages_are_named_and_cost_no_other_site(plate, truth, tmp_path, damage):
    rounds = -(-N_DAMAGES // len(DAMAGES))
    for seed in range(rounds):
        random = np.random.default_rng([DAMAGES.index(damage), seed])
        place = str(random.choice(WELLS)), int(random.choice(SITES))
        channel = int(random.choice((1, 2)))
        folder = copied(plate, tmp_path / str(seed))
        path = file_of(folder, *place, channel)
        damage(path, random)
        used, said = read_plate(folder)
        for at, image in used.items():
            np.testing.assert_array_equal(image, truth[at], err_msg=f"{damage} {at}")
        lost = truth.keys() - used.keys()
        what = f"{damage.__name__}, seed {seed}: {place} {channel}, lost {sorted(lost)}: {said}"
        if damage in HARMLESS:
            assert not lost, what
            continue
        assert place in lost, what
        assert len(lost) <= 1 + (damage is the_name_of_another_well), what
        for at in lost:
            assert said[at], what
        if damage not in UNNAMED:
            assert path.name in said[place] or f"ch{channel}" in said[place], what


def test_images_that_were_exchanged_are_found_by_the_checksums_of_a_sheet(plate, tmp_path):
    folder = copied(plate, tmp_path / "P")
    lines = ["file,well,site,channel,checksum"]
    for well in WELLS:
        for site in SITES:
            for channel in (1, 2):
                path = file_of(folder, well, site, channel)
                digits = hashlib.sha256(path.read_bytes()).hexdigest()
                lines.append(f"{path.name},{well},{site},{channel},sha256:{digits}")
    sheet = tmp_path / "images.csv"
    sheet.write_text("\n".join(lines))
    images = {"format": "sheet", "sheet": str(sheet)}
    one, other = file_of(folder, "B02", 1, 1), file_of(folder, "C02", 2, 1)
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    used, said = read_plate(folder, images)
    assert set(said) >= {("B02", 1), ("C02", 2)}
    assert len(used) == 4
    for path, place in ((one, ("B02", 1)), (other, ("C02", 2))):
        assert path.name in said[place]
        assert "sha256" in said[place]


def test_a_copy_under_the_name_of_another_image_is_told(plate, tmp_path):
    folder = copied(plate, tmp_path / "P")
    one, other = file_of(folder, "B02", 1, 1), file_of(folder, "C02", 2, 1)
    shutil.copy(one, other)
    listed = list_plate(folder, "P", LAYOUT, {"format": "imagexpress"}, CONFIG)
    (note,) = [note for note in listed.notes if "the same image" in note]
    assert one.name in note
    assert other.name in note
    assert not [note for note in list_notes(plate) if "the same image" in note]


def list_notes(folder):
    return list_plate(folder, "P", LAYOUT, {"format": "imagexpress"}, CONFIG).notes
