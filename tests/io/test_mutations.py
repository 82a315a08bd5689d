"""Two hundred damages of a plate: none is used silently, and none costs another site.

A plate is written once; by every damage one file of it is changed, and the plate is listed and
read as the workflow does. A site then is used with its own pixels, or left out by a fault that
names what is wrong; all other sites are as they were.
"""

import numpy as np
import pytest
from damaged_plates import (
    DAMAGES,
    HARMLESS,
    SITES,
    UNNAMED,
    WELLS,
    copied,
    file_of,
    read_plate,
    the_name_of_another_well,
    write_plate,
)

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
