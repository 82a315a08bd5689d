"""Plant known shading on real nuclei and compare the flat field with BaSiC's.

Scenes of 1080 x 1080 px are tiled from the 360 x 360 px images of BBBC038, randomly turned, with
empty tiles in between (sparse), none (dense), or cells that gather in the middle (centred). Wells
differ in brightness; shot noise and a camera offset of 200 counts are added. Both methods are told
the offset, and get the same area-mean thumbnails of 128 px, BaSiC's working size. The time with
downsampling starts from the same full-size images in memory and includes each method's own
downsampling. Each row sums up several independent samples of images: root mean square of the
errors, largest of the largest errors, best of the times. Times are CPU seconds on one thread, so
that other work on the machine disturbs them little.

Run: ``python benchmarks/illumination.py`` (BaSiC's environment: ``make env-basicpy``).
"""

import argparse
import csv
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from levelfield.illumination import (
    camera_offset_from_config,
    downsample,
    estimate_camera_offset,
    fit_flat_field,
)

REPOSITORY = Path(__file__).resolve().parents[1]
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
RESULTS = REPOSITORY / "benchmarks" / "results" / "illumination.csv"
SIZE, TILE, THUMBNAIL, OFFSET, MAXIMUM = 1080, 360, 128, 200, 65535
EMPTY_MEDIUM = 6.0
SCENES = {
    "sparse": {"density": 0.25, "centred": False, "n_images": (30, 100)},
    "dense": {"density": 1.0, "centred": False, "n_images": (30, 100, 200)},
    "centred": {"density": 1.0, "centred": True, "n_images": (100,)},
}

BASIC_WORKER = """
import json, sys, time, warnings
import numpy as np, torch
from basicpy import BaSiC
torch.set_num_threads(1)
warnings.filterwarnings("ignore")
full, thumbnails, offset, out = sys.argv[1:5]
def timed(images):
    start = time.process_time()
    basic = BaSiC(get_darkfield=False)
    basic.fit(images - np.float32(offset))
    return time.process_time() - start, np.asarray(basic.flatfield)
BaSiC().fit(np.load(thumbnails)[:5])  # warm up
small = np.load(thumbnails)
fit_s, field = min((timed(small) for _ in range(2)), key=lambda timed: timed[0])
all_s, full_field = timed(np.load(full))
np.savez(out, field=field, full_field=full_field)
print(json.dumps({"fit_s": fit_s, "all_s": all_s}))
"""


def shading(kind: str) -> np.ndarray:
    """Return a field (SIZE, SIZE) of mean 1: a lens' falloff or an off-centre lamp."""
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    if kind == "lens":
        field = 1 / (1 + ((x - 0.15) ** 2 + (y + 0.1) ** 2) / 1.9**2) ** 2
    else:
        distance = (x - 0.25) ** 2 + (y + 0.15) ** 2
        field = 0.45 + 0.55 * np.exp(-distance / (2 * 0.75**2)) + 0.05 * x
    return (field / field.mean()).astype(np.float32)


def load_tiles(data: Path) -> list[np.ndarray]:
    index = pd.read_csv(data / "index.csv")
    names = index.loc[(index.h == TILE) & (index.w == TILE), "name"].sort_values()
    paths = [data / "images" / f"{name}.png" for name in names]
    return [np.asarray(Image.open(path), dtype=np.float32) for path in paths]


def plant(
    tiles: list[np.ndarray],
    field: np.ndarray,
    density: float,
    centred: bool,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return one raw image (SIZE, SIZE) of uint16 with the field planted on it."""
    scene = np.full((SIZE + TILE, SIZE + TILE), EMPTY_MEDIUM, np.float32)
    for row in range(4):
        for column in range(4):
            distance = np.hypot(row - 1.5, column - 1.5)
            chance = density * np.exp(-((distance / 1.2) ** 2)) if centred else density
            if rng.random() < chance:
                tile = np.rot90(tiles[rng.integers(len(tiles))], rng.integers(4))
                tile = tile[::-1] if rng.random() < 0.5 else tile
                where = np.s_[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]
                scene[where] = tile
    top, left = rng.integers(150, 210, 2) if centred else rng.integers(0, TILE, 2)
    brightness = 200 * np.exp(rng.normal(0, 0.15))
    counts = scene[top : top + SIZE, left : left + SIZE] * brightness * field + OFFSET
    counts += rng.standard_normal(counts.shape, dtype=np.float32) * np.sqrt(counts)
    return np.clip(counts, 0, MAXIMUM).astype(np.uint16)


def best_of(repeats: int, run: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        result = run()
        best = min(best, time.process_time() - start)
    return best, result


def errors(field: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Root mean square and largest relative error, both fields scaled to mean 1."""
    relative = (field / field.mean()) / (truth / truth.mean()) - 1
    return float(np.sqrt(np.mean(relative**2))), float(np.abs(relative).max())


def run_basic(python: Path, images: np.ndarray, thumbnails: np.ndarray) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("full.npy", "thumbnails.npy", "fields.npz")]
        np.save(paths[0], images)
        np.save(paths[1], thumbnails)
        arguments = [str(paths[0]), str(paths[1]), str(OFFSET), str(paths[2])]
        command = [str(python), "-c", BASIC_WORKER, *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"BaSiC failed:\n{done.stderr}")
        return json.loads(done.stdout.splitlines()[-1]) | dict(np.load(paths[2]))


def compare(images: np.ndarray, truth: np.ndarray, python: Path) -> dict[str, float]:
    """Return figures of one sample of images; `truth` is the planted field at full size."""
    offset = camera_offset_from_config(OFFSET)
    thumbnails = np.stack([downsample(image, THUMBNAIL) for image in images])
    small_truth = downsample(truth, THUMBNAIL)

    def fit() -> np.ndarray:
        return fit_flat_field(thumbnails, (THUMBNAIL, THUMBNAIL), offset, maximum=MAXIMUM).field

    def downsample_and_fit() -> np.ndarray:
        small = np.stack([downsample(image, THUMBNAIL) for image in images])
        return fit_flat_field(small, (SIZE, SIZE), offset, maximum=MAXIMUM).field

    fit_s, field = best_of(3, fit)
    all_s, full_field = best_of(2, downsample_and_fit)
    basic = run_basic(python, images, thumbnails)
    estimate = estimate_camera_offset(thumbnails, maximum=MAXIMUM)
    rmse, largest = errors(field, small_truth)
    basic_rmse, basic_largest = errors(basic["field"], small_truth)
    return {
        "rmse": rmse,
        "basic_rmse": basic_rmse,
        "max_error": largest,
        "basic_max_error": basic_largest,
        "full_size_rmse": errors(full_field, truth)[0],
        "basic_full_size_rmse": errors(basic["full_field"], truth)[0],
        "fit_s": fit_s,
        "basic_fit_s": basic["fit_s"],
        "with_downsampling_s": all_s,
        "basic_with_downsampling_s": basic["all_s"],
        "offset_error": estimate.counts - OFFSET,
        "offset_uncertainty": estimate.uncertainty,
    }


def sum_up(samples: list[dict[str, float]]) -> dict[str, float]:
    """Return one row over independent samples."""
    table = pd.DataFrame(samples)
    row = {}
    for name, values in table.items():
        if name.endswith("_s"):
            row[name] = round(float(values.min()), 3)
        elif "max_error" in name:
            row[name] = round(float(values.max()), 4)
        else:
            row[name] = round(float(np.sqrt(np.mean(values**2))), 1 if "offset" in name else 5)
    row["rmse_ratio"] = round(row["rmse"] / row["basic_rmse"], 2)
    row["times_faster"] = round(row["basic_fit_s"] / row["fit_s"], 1)
    row["times_faster_with_downsampling"] = round(
        row["basic_with_downsampling_s"] / row["with_downsampling_s"], 1
    )
    return row


def machine(python: Path) -> str:
    """Return what ran where, for the table's header."""
    ask = "import basicpy, torch; from importlib.metadata import version as v; "
    ask += "print('basicpy', v('basicpy'), '| torch', v('torch'))"
    peer = subprocess.run([str(python), "-c", ask], capture_output=True, text=True).stdout.strip()
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    versions = " | ".join(f"{name} {version(name)}" for name in ("levelfield", "numpy", "scipy"))
    today = datetime.datetime.now(tz=datetime.UTC).date()
    return (
        f"{today} | {model}, one thread | Python {platform.python_version()} | {versions} | {peer}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default_python = REPOSITORY / ".venvs" / "basicpy" / "bin" / "python"
    parser.add_argument("--basicpy-python", type=Path, default=default_python)
    default_data = REPOSITORY.parent / "shared" / "data" / "bbbc038_train"
    parser.add_argument("--data", type=Path, default=default_data, help="folder of BBBC038")
    parser.add_argument("--samples", type=int, default=2, help="samples of images per row")
    options = parser.parse_args()
    if not ONE_THREAD.items() <= os.environ.items():
        # The libraries read these when they are loaded, so start again with them set.
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | ONE_THREAD)
    if not options.basicpy_python.exists():
        sys.exit(
            f"There is no Python with BaSiC at {options.basicpy_python}. Run `make env-basicpy`, "
            "or name one with --basicpy-python."
        )
    if not (options.data / "index.csv").exists():
        sys.exit(f"There is no BBBC038 at {options.data}. Name its folder with --data.")
    tiles = load_tiles(options.data)
    rows = []
    for scene, recipe in SCENES.items():
        for kind in ("lens", "lamp"):
            truth = shading(kind)
            samples = {n_images: [] for n_images in recipe["n_images"]}
            for number in range(options.samples):
                rng = np.random.default_rng([len(rows), number])
                images = np.stack(
                    [
                        plant(tiles, truth, recipe["density"], recipe["centred"], rng)
                        for _ in range(max(samples))
                    ]
                )
                for n_images, figures in samples.items():
                    figures.append(compare(images[:n_images], truth, options.basicpy_python))
                    print(f"{scene} {kind} {n_images} images, sample {number + 1}", flush=True)
            for n_images, figures in samples.items():
                head = {"scene": scene, "shading": kind, "n_images": n_images}
                rows.append(head | {"samples": options.samples} | sum_up(figures))
                print(rows[-1], flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", newline="") as file:
        file.write(f"# {machine(options.basicpy_python)}\n")
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(pd.DataFrame(rows).T.to_string(header=False))


if __name__ == "__main__":
    main()
