"""A finished plate opens as lazy arrays, corrected as every step corrects it, with its sites."""

import numpy as np
import pandas as pd
import pytest
from conftest import DEMO_IMAGES

import levelfield
from levelfield.illumination import FlatField, camera_offset_from_config, to_arrays
from levelfield.images.planes import read_plane
from levelfield.io.store import Channel, Field, create_plate, write_field
from levelfield.io.tables import write_arrays, write_csv
from levelfield.steps.fields import PlateImages

CHANNELS = (Channel("DNA", "0000FF", 255), Channel("FKHR", "00FF00", 255))
WELLS = ["A01", "A12", "B01"]


def raw_image(well):
    names = [f"Channel{c}-??-{well[0]}-{well[1:]}.tif" for c in (2, 1)]
    return np.stack([read_plane(next(DEMO_IMAGES.glob(name))) for name in names])


def flat_field(slope):
    """A field that rises along y, above a camera offset of 3 counts."""
    field = np.linspace(1 - slope, 1 + slope, 640, dtype=np.float32)[:, None]
    whole = np.ascontiguousarray(np.broadcast_to(field, (640, 640)))
    return FlatField(whole, camera_offset_from_config(3.0), "ok", "planted", 100, 1, 0.01, 0.01)


FIELDS = {"DNA": flat_field(0.2), "FKHR": flat_field(0.4)}


@pytest.fixture
def results(tmp_path):
    """The results of a plate of which one site, B01, was left out."""
    folder = tmp_path / "results" / "P"
    places = pd.DataFrame({"well": WELLS, "site": 1})
    create_plate(folder / "P.zarr", "P", 96, places)
    for number, well in enumerate(WELLS):
        field = Field(raw_image(well), {"Nuclei": np.full((640, 640), number, np.int32)})
        write_field(folder / "P.zarr", well, 1, field, CHANNELS, "mark")
    write_arrays(to_arrays(FIELDS), folder / "illumination.npz")
    sites = {"Metadata_Plate": "P", "Metadata_Well": WELLS[:2], "Metadata_Site": 1}
    control_type = {"Metadata_ControlType": ["negcon", "poscon"]}
    write_csv(pd.DataFrame(sites | control_type), folder / "sites.csv")
    return folder


def test_a_plate_is_one_array_with_a_row_for_every_site(results):
    plate = levelfield.open_plate(results)
    assert plate.array.shape == (2, 2, 640, 640)
    assert plate.array.chunksize == (1, 1, 640, 640)
    assert plate.channels == ("DNA", "FKHR")
    assert list(plate.sites["Metadata_Well"]) == ["A01", "A12"]
    assert np.array_equal(plate.raw[1].compute(), raw_image("A12"))
    assert np.array_equal(plate.labels("Nuclei")[1].compute(), np.ones((640, 640)))


def test_it_is_corrected_as_every_step_corrects_it(results):
    plate = levelfield.open_plate(str(results))
    images = PlateImages(CHANNELS, FIELDS, {})
    for number, well in enumerate(WELLS[:2]):
        expected = images.corrected(raw_image(well))
        assert np.array_equal(plate.array[number].compute(), expected)
    planted = (raw_image("A12")[1, 639] - 3.0) / (1.4 * 255)
    assert np.allclose(plate.array[1, 1, 639].compute(), planted, atol=1e-6)


def test_only_the_planes_that_are_asked_for_are_read(results):
    for path in (results / "P.zarr" / "A" / "12").rglob("c.0.0.0"):
        path.write_bytes(b"torn")
    plate = levelfield.open_plate(results)
    assert plate.array[plate.sites["Metadata_ControlType"] == "negcon", 0].compute().max() > 0.1


def test_a_folder_without_a_finished_plate_is_told(tmp_path, results):
    with pytest.raises(FileNotFoundError, match="not the folder of a finished plate"):
        levelfield.open_plate(results.parent)
    (results / "sites.csv").write_text("Metadata_Plate,Metadata_Well,Metadata_Site\n")
    with pytest.raises(ValueError, match="all sites were left out"):
        levelfield.open_plate(results)
    with pytest.raises(AttributeError, match="no attribute 'open_plates'"):
        levelfield.open_plates  # noqa: B018
