"""Time a plate from a disk, a web server and S3 on this machine: from its listing to its verdict.

    OMP_NUM_THREADS=1 python benchmarks/remote.py [--repeats 3]

Seven wells of the demo plate (BBBC013, two channels, 8 bits) go through the workflow, up to the
verdict, with an empty cache. The servers are processes of their own, and 5 % of the requests fail.
`share` is the time by that from the disk; labels and tables must be the same. The table goes into
the folder of results.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = REPOSITORY / "benchmarks" / "results" / "remote.csv"
sys.path.insert(0, str(REPOSITORY / "tests"))


def serve(kind: str, folder: Path) -> None:
    """Serve a folder until standard input ends; print the URL, and the endpoint if there is one."""
    from image_servers import FAILING, http_server, s3_server

    made = http_server(folder, FAILING) if kind == "http" else s3_server(folder, "screens", FAILING)
    with made as server:
        print(server.url, server.endpoint or "none", flush=True)
        sys.stdin.read()
        print(len(server.requests), len(server.failed), flush=True)


def run(folder: Path, url: str, endpoint: str) -> tuple[float, dict[str, str]]:
    """Run a small screen whose images lie behind a URL, or on the disk; return the seconds."""
    from workflow_runs import VERDICT, digests, small_screen

    screen = small_screen(folder, packs_per_plate=1)
    if url:
        remote = {"cache": "cache", "cache_gb": 1, "endpoint": endpoint or None}
        screen.change_config(remote=remote)
        sheet = folder / "plates.tsv"
        sheet.write_text(sheet.read_text().replace("images/P", f"{url}/P"))
    start = time.monotonic()
    screen.run_well(*VERDICT)
    seconds = time.monotonic() - start
    found = digests(screen.results)
    found.pop("index.csv")  # it holds the paths
    return seconds, found


def from_server(kind: str, images: Path, folder: Path) -> tuple[dict[str, object], dict[str, str]]:
    """Run the screen from a server of its own."""
    command = [sys.executable, __file__, "--serve", kind, str(images)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as server:
        url, endpoint = server.stdout.readline().split()
        seconds, found = run(folder, url, "" if endpoint == "none" else endpoint)
        requests, failed = server.communicate()[0].split()
    row = {"from": kind, "seconds": seconds, "requests": int(requests), "failed": int(failed)}
    return row, found


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--serve", nargs=2, metavar=("KIND", "FOLDER"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve(chosen.serve[0], Path(chosen.serve[1]))
        return
    rows = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        run(folder / "first", "", "")  # what is imported and compiled is so afterwards
        for number in range(chosen.repeats):
            seconds, expected = run(folder / f"disk{number}", "", "")
            rows.append({"from": "disk", "seconds": seconds})
            for kind in ("http", "s3"):
                images = folder / f"disk{number}" / "images"
                row, found = from_server(kind, images, folder / f"{kind}{number}")
                assert found == expected, f"{kind}: labels or tables differ"
                rows.append(row)
    best = pd.DataFrame(rows).groupby("from", sort=False)[["seconds", "requests", "failed"]].min()
    best["share"] = best["seconds"] / best.loc["disk", "seconds"]
    print(best.round(2).to_string())
    best.round(2).to_csv(RESULTS)


if __name__ == "__main__":
    main()
