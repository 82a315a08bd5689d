"""What storing a field costs: time, files and bytes, beside ome-zarr's writer and bare compression.

A field is five channels and two object sets (nuclei and cells) of 1080 x 1080 or 2160 x 2160 px:
real fields of the demo plate and their mirror images, brought to 16 bits with the noise of photons
and camera, or left at 8. Written are the image, three levels of it and of the labels, metadata and
checksums, as `levelfield.io.store` does; by ome-zarr with its defaults the same levels without
checksums. Bare compression (zstd level 1, and what the store uses) takes every plane once and
writes nothing.

    OMP_NUM_THREADS=1 python benchmarks/store.py --out benchmarks/results/store.csv

Times are the least of several repeats: of the process's CPU, and on the clock.
"""

import argparse
import csv
import platform
import sys
import time
import warnings
from collections.abc import Callable
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import dask
import imagecodecs
import numpy as np
import pandas as pd
from ome_zarr.format import FormatV04, FormatV05
from ome_zarr.scale import Methods
from ome_zarr.writer import write_image, write_labels
from scipy import ndimage

from levelfield.images.planes import read_plane
from levelfield.io import store

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = ("field", "what", "cpu_ms", "wall_ms", "times_bare_zstd", "files_and_folders", "mbytes")
SITES = pd.DataFrame({"well": ["A01"], "site": [1]})


def real_field(side: int, dtype: str) -> store.Field:
    """Return five channels (5, side, side) of real nuclei, and labels of two object sets."""
    paths = sorted((ROOT / "demo" / "BBBC013").rglob("Channel2-*"))[:5]
    planes = [read_plane(path) for path in paths]
    image = np.stack([np.pad(p, [(0, side - p.shape[0])] * 2, "symmetric") for p in planes])
    smooth = ndimage.gaussian_filter(image[0].astype(float), 2)
    nuclei = ndimage.label(smooth > 40)[0].astype(np.int32)
    labels = {"Nuclei": nuclei, "Cells": ndimage.grey_dilation(nuclei, size=9)}
    if dtype == "uint16":
        noise = np.random.default_rng(0)
        counts = 200 + 15 * noise.poisson(4.0 * image) + noise.normal(0, 8, image.shape)
        image = np.clip(np.rint(counts), 0, 65535).astype(np.uint16)
    return store.Field(image, labels)


def write_here(field: store.Field, ome_version: str, folder: Path) -> Callable[[], object]:
    """Return what writes a field as a job does, which knows the image's checksum already."""
    names = [store.Channel(f"C{n}", "FFFFFF", 65535) for n in range(len(field.image))]
    known = store.Field(field.image, field.labels, {}, {"image": store.checksum(field.image)})
    store.create_plate(folder, "P", 96, SITES, ome_version)
    return partial(store.write_field, folder, "A01", 1, known, names, "mark", {}, 0.5)


def write_there(field: store.Field, ome_format: object, folder: Path) -> Callable[[], object]:
    """Return what writes a field with ome-zarr, in one thread as here."""
    place = str(folder / "A" / "01" / "1")
    made = {"scale_factors": (2, 4), "fmt": ome_format, "method": Methods.LOCAL_MEAN}

    def write() -> None:
        with warnings.catch_warnings(), dask.config.set(scheduler="synchronous"):
            warnings.simplefilter("ignore")
            write_image(field.image, place, axes="cyx", **made)
            for name, labels in field.labels.items():
                nearest = made | {"method": Methods.NEAREST}
                write_labels(labels, place, name=name, axes="yx", **nearest)

    return write


def compress(field: store.Field, encode: Callable[[np.ndarray], bytes]) -> tuple[float, float, int]:
    """Return CPU and clock time in s of compressing every plane, and the bytes."""
    start = time.process_time(), time.perf_counter()
    n_bytes = sum(len(encode(plane)) for plane in (*field.image, *field.labels.values()))
    return time.process_time() - start[0], time.perf_counter() - start[1], n_bytes


def stored(make: Callable[[Path], Callable[[], object]]) -> tuple[float, float, int, int]:
    """Return CPU and clock time in s of writing a field, its files and folders, and its bytes."""
    with TemporaryDirectory() as folder:
        write = make(Path(folder))
        start = time.process_time(), time.perf_counter()
        write()
        spent = time.process_time() - start[0], time.perf_counter() - start[1]
        found = [*(place := Path(folder) / "A" / "01" / "1").rglob("*"), place]
        return *spent, len(found), sum(path.stat().st_size for path in found if path.is_file())


def bare_zstd(plane: np.ndarray) -> bytes:
    """Compress a plane by zstd alone."""
    return imagecodecs.zstd_encode(plane, level=1)


def blosc(plane: np.ndarray) -> bytes:
    """Compress a plane as the store does, in one piece."""
    from levelfield.io.store.arrays import compressed

    return compressed(plane)


def measure(name: str, field: store.Field, repeats: int) -> list[tuple[object, ...]]:
    """Return the rows of one kind of field."""
    rows: list[tuple[object, ...]] = []
    bare = 0.0
    for what, encode in (("bare zstd", bare_zstd), ("bare compression as stored", blosc)):
        runs = [compress(field, encode) for _ in range(repeats)]
        cpu, wall = (min(run[i] for run in runs) for i in (0, 1))
        bare = bare or cpu
        rows.append((name, what, cpu, wall, cpu / bare, "", runs[0][2]))
    for what, make in (
        ("levelfield, OME-Zarr 0.5", partial(write_here, field, "0.5")),
        ("levelfield, OME-Zarr 0.4", partial(write_here, field, "0.4")),
        ("ome-zarr, OME-Zarr 0.5", partial(write_there, field, FormatV05())),
        ("ome-zarr, OME-Zarr 0.4", partial(write_there, field, FormatV04())),
    ):
        written = [stored(make) for _ in range(repeats)]
        cpu, wall = (min(run[i] for run in written) for i in (0, 1))
        rows.append((name, what, cpu, wall, cpu / bare, *written[0][2:]))
    return rows


def main() -> None:
    """Measure, and write a table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    rows = []
    for side, dtype in ((1080, "uint16"), (1080, "uint8"), (2160, "uint16")):
        rows += measure(f"5 x {side} px {dtype}, 2 sets", real_field(side, dtype), options.repeats)
    packages = ("zarr", "ome-zarr", "imagecodecs", "numpy")
    made = (
        f"{date.today()}, {platform.machine()}, Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in packages)
    )
    with options.out.open("w", newline="") as file:
        file.write(f"# {made}\n")
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for field, what, cpu, wall, ratio, files, size in rows:
            times = f"{1e3 * cpu:.1f}", f"{1e3 * wall:.1f}", f"{ratio:.2f}"
            writer.writerow((field, what, *times, files, f"{size / 1e6:.2f}"))
    sys.stdout.write(options.out.read_text())


if __name__ == "__main__":
    main()
