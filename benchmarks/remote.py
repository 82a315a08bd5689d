"""Time a plate from a disk, a web server and S3 on this machine: listed, read, and segmented.

    OMP_NUM_THREADS=1 python benchmarks/remote.py [--sites 24] [--repeats 3]

A plate of real nuclei (BBBC013, tiled to 1080 × 1080 px, 16 bits, two channels) is listed, read
twice, as for the flat fields and for the segmentation, and segmented by `classical` with its
defaults. The servers are processes of their own, and 5 % of the requests fail; the cache is empty
at the start. `share` is the time by that from the disk. The table goes into the folder of results.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from levelfield.images.sites import read_site, sites_of
from levelfield.io.formats import list_plate
from levelfield.remote.settings import use_settings
from levelfield.segmentation import segment_objects

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = REPOSITORY / "benchmarks" / "results" / "remote.csv"
CHANNELS = {"GFP": {"match": "1"}, "DNA": {"match": "2"}}
LAYOUT = pd.DataFrame({"Metadata_Well": ["B02"], "Metadata_ControlType": ["negcon"]})
SIDE = 1080


def write(folder: Path, n_sites: int) -> None:
    """Write sites of two channels, each of other fields of the demo plate."""
    folder.mkdir(parents=True)
    for channel in (1, 2):
        source = sorted((REPOSITORY / "demo" / "BBBC013").rglob(f"Channel{channel}-*.tif"))
        fields = [tifffile.imread(path) for path in source]
        for site in range(n_sites):
            tiles = [fields[(site + step) % len(fields)] for step in range(4)]
            whole = np.block([[tiles[0], tiles[1]], [tiles[2], tiles[3]]])[:SIDE, :SIDE]
            pixels = whole.astype(np.uint16) * 16
            tifffile.imwrite(folder / f"P_B02_s{site + 1}_w{channel}.TIF", pixels)


def process(folder: Path | str) -> tuple[float, float, str]:
    """List, read and segment; return seconds, seconds of CPU, and a checksum of all labels."""
    start, cpu = time.monotonic(), time.process_time()
    images = {"format": "imagexpress"}
    index = list_plate(folder, "P", LAYOUT, images, CHANNELS).planes
    sites = sites_of(index, ["B02"])
    for site in sites:
        read_site(site, list(CHANNELS), {})
    digest = hashlib.sha256()
    for site in sites:
        image = read_site(site, list(CHANNELS), {})[1:].astype(np.float32) / 65535
        digest.update(np.ascontiguousarray(segment_objects(image, "classical", {})).tobytes())
    return time.monotonic() - start, time.process_time() - cpu, digest.hexdigest()


def serve(kind: str, folder: Path) -> None:
    """Serve a folder until standard input ends; print the URL, and the endpoint if there is one."""
    sys.path.insert(0, str(REPOSITORY / "tests"))
    from image_servers import FAILING, http_server, s3_server

    made = http_server(folder, FAILING) if kind == "http" else s3_server(folder, "screens", FAILING)
    with made as server:
        print(server.url, server.endpoint or "none", flush=True)
        sys.stdin.read()
        print(len(server.requests), len(server.failed), flush=True)


def from_server(kind: str, folder: Path) -> dict[str, object]:
    """Process the plate from a server of its own, with an empty cache."""
    command = [sys.executable, __file__, "--serve", kind, str(folder)]
    with (
        tempfile.TemporaryDirectory() as cache,
        subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as server,
    ):
        url, endpoint = server.stdout.readline().split()
        use_settings({"cache": cache, "endpoint": "" if endpoint == "none" else endpoint})
        seconds, cpu, labels = process(f"{url}/P")
        requests, failed = server.communicate()[0].split()
    row = {"from": kind, "seconds": seconds, "cpu_seconds": cpu, "labels": labels}
    return row | {"requests": int(requests), "failed": int(failed)}


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--serve", nargs=2, metavar=("KIND", "FOLDER"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve(chosen.serve[0], Path(chosen.serve[1]))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "P", chosen.sites)
        process(Path(folder) / "P")  # compiles what is compiled at the first use
        for _ in range(chosen.repeats):
            seconds, cpu, labels = process(Path(folder) / "P")
            rows.append({"from": "disk", "seconds": seconds, "cpu_seconds": cpu, "labels": labels})
            rows += [from_server(kind, Path(folder)) for kind in ("http", "s3")]
    table = pd.DataFrame(rows)
    assert set(table["labels"]) == {table["labels"][0]}, "labels differ"
    best = table.groupby("from", sort=False)[["seconds", "cpu_seconds", "requests", "failed"]].min()
    best["share"] = best["seconds"] / best.loc["disk", "seconds"]
    print(best.round(3).to_string())
    best.round(3).assign(sites=chosen.sites).to_csv(RESULTS)


if __name__ == "__main__":
    main()
