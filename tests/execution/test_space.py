"""Room on the disk: a plate that it is too small for is not begun."""

import pandas as pd
import pytest

from levelfield.execution.space import check_space, predicted_bytes, removable
from levelfield.steps.qc_evidence import TABLES


def index_of(n_sites: int) -> pd.DataFrame:
    rows = [
        {"well": "A01", "site": site, "size_y": 1000, "size_x": 1000, "dtype": "uint16"}
        for site in range(n_sites)
        for _ in range(2)
    ]
    return pd.DataFrame(rows).assign(fault="")


def test_a_plate_without_room_is_not_begun(tmp_path):
    needed = predicted_bytes(index_of(10), 3)
    assert 40e6 < needed < 100e6  # 40 MB of raw pixels
    check_space("P", needed, tmp_path / "P", free=2 * needed)
    with pytest.raises(ValueError, match=r"plate P needs about 0\.1 GB.*Nothing of the plate was"):
        check_space("P", needed, tmp_path / "P", free=needed // 2)


def test_what_is_done_already_needs_no_room(tmp_path):
    (tmp_path / "P").mkdir()
    (tmp_path / "P" / "pixels").write_bytes(b"0" * 1000)
    check_space("P", 1000, tmp_path / "P", free=1)


def test_what_could_be_removed_is_of_finished_plates_and_stays(tmp_path):
    for plate in ("done", "begun"):
        (tmp_path / plate / f"{plate}.zarr").mkdir(parents=True)
        (tmp_path / plate / f"{plate}.zarr" / "pixels").write_bytes(b"0" * 100)
    (tmp_path / "done" / "ro-crate-metadata.json").write_text("{}")
    listed = removable(tmp_path)
    assert list(listed["path"]) == [str(tmp_path / "done" / "done.zarr")]
    assert (tmp_path / "done" / "done.zarr" / "pixels").is_file()


def test_every_folder_of_packs_of_the_qc_could_be_removed(tmp_path):
    (tmp_path / "P").mkdir()
    (tmp_path / "P" / "ro-crate-metadata.json").write_text("{}")
    folders = [tmp_path / "P" / "qc" / name for name in TABLES]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "pack1.parquet").write_bytes(b"0" * 100)
    assert set(removable(tmp_path)["path"]) == {str(folder) for folder in folders}
