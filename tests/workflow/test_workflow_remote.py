"""A plate behind a web server that fails now and then: labels are those of the disk."""

import pandas as pd
import pytest
import yaml
from image_servers import FAILING, http_server
from workflow_runs import ONE_PACK, small_screen

pytestmark = pytest.mark.workflow


def labels_of(screen) -> pd.DataFrame:
    """Checksums of the stored pixels and labels of every field."""
    table = pd.concat(
        pd.read_csv(path) for path in sorted((screen.results / "segment").glob("*.csv"))
    )
    sums = [name for name in table if name.startswith("checksum_")]
    return table[["Metadata_Well", "Metadata_Site", "fault", *sums]].reset_index(drop=True)


def behind(screen, url: str, cache: str) -> None:
    """Have a screen read its images from a URL."""
    sheet = screen.folder / "plates.tsv"
    sheet.write_text(sheet.read_text().replace("images/P", f"{url}/P"))
    screen.change_config(remote={"cache": cache, "cache_gb": 1}, packs_per_plate=1)


def test_labels_are_those_of_the_disk_and_a_node_without_a_network_has_them_too(tmp_path):
    disk = small_screen(tmp_path / "disk", packs_per_plate=1)
    disk.run_well(*ONE_PACK)
    remote = small_screen(tmp_path / "remote")
    with http_server(disk.images.parent, FAILING) as server:
        behind(remote, server.url, "cache")
        listed = remote.run_well("--until", "index_plate", "--", "results/P/index.csv")
        assert "images found" in listed or "planes listed" in listed
        done = remote.levelfield("fetch", "--configfile", "config.yaml")
        assert done.returncode == 0, done.stderr
        assert "14 images" in done.stdout
    assert len(server.failed) >= 2
    remote.run_well(*ONE_PACK)  # the server is gone: all is in the cache
    index = [pd.read_csv(made.results / "index.csv") for made in (disk, remote)]
    names = [table["path"].str.rpartition("/")[2] for table in index]
    pd.testing.assert_frame_equal(
        *(
            table.assign(path=paths).drop(columns="checksum")
            for table, paths in zip(index, names, strict=True)
        )
    )
    pd.testing.assert_frame_equal(labels_of(remote), labels_of(disk))
    # What is missing is told with what helps, and costs no site.
    for entry in (remote.folder / "cache").rglob("*"):
        entry.unlink() if entry.is_file() else None
    (remote.results / "segment" / "pack1.csv").unlink()
    config = remote.config
    remote.change_config(qc=config.get("qc", {}) | {"saturated_percent": 1.5})
    failed = remote.run(*ONE_PACK)
    assert failed.returncode != 0
    assert "levelfield fetch" in failed.stdout
    assert yaml.safe_load((remote.folder / "config.yaml").read_text())["remote"]["cache"]
