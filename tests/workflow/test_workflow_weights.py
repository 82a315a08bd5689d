"""Weights that are not those of the config stop a run before its first job."""

import pytest
from workflow_runs import small_screen

pytestmark = pytest.mark.workflow


def test_a_wrong_checksum_stops_before_the_first_job(tmp_path):
    (tmp_path / "mine.pth").write_bytes(b"changed")
    screen = small_screen(tmp_path)
    screen.change_config(
        objects={"Nuclei": {"method": "cellpose", "weights": "mine"}},
        readouts={},
        weights={"mine": {"source": str(tmp_path / "mine.pth"), "sha256": "0" * 64}},
        weights_cache=str(tmp_path / "cache"),
    )
    done = screen.run()
    assert done.returncode != 0
    assert "mine.pth' is not the file that the config names" in done.stdout
    assert not (tmp_path / "results").exists()
