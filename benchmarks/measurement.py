# ruff: noqa: E402 - the number of threads must be set before numpy is imported
"""Measurement against cp_measure: the same numbers, and how long they take on one thread.

    python benchmarks/measurement.py [--quick | --skip-families]

The site is 5 channels x 1080 x 1080 px with about 200 nuclei and as many cells: four wells of
BBBC013 (DNA and FKHR-EGFP), enlarged 1.6 times, segmented here, and three further channels made
from the same two. Both sides measure both object sets and correlate every pair of channels in both
orders, as cp_measure's `featurize` does; Neighbors is not part of `featurize` and not timed. Times
are processor seconds of one thread, so that other programs on the machine change them little; a
wall-clock column means something on an idle machine only.

Writes `benchmarks/results/measurement.csv` (families and whole site) and
`benchmarks/results/measurement_scaling.csv` (50 to 5,000 objects, one and two processes).
"""

import argparse
import os
import platform
import sys
import time
from datetime import date
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # before numpy: one thread on both sides

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import cp_measure
import numpy as np
import pandas as pd
import tifffile
from cp_measure.featurizer import featurize, make_featurizer_config
from measurement_reference import ambiguous, reference, worst_difference
from scipy import ndimage
from skimage import filters, measure, morphology, segmentation

from levelfield.measurement import FAMILIES, measure_site

CHANNELS = ["DNA", "FKHR", "Membrane", "Granules", "Neighbour"]
BACKWARDS = [(b, a) for i, a in enumerate(CHANNELS) for b in CHANNELS[i + 1 :]]
WELLS = ("01-A-01", "12-A-12", "25-C-01", "48-D-12")
KINDS = {
    "AreaShape": ("sizeshape", "zernike", "feret"),
    "Intensity": ("intensity",),
    "Texture": ("texture",),
    "Granularity": ("granularity",),
    "RadialDistribution": ("radial_distribution", "radial_zernikes"),
    "Correlation without Costes": ("pearson", "manders_fold", "rwc"),
    "Correlation": ("pearson", "manders_fold", "rwc", "costes"),
}


def make_site():
    """Return the (5, 1080, 1080) float32 image and the label images of nuclei and cells."""
    folder = ROOT.parent / "shared" / "data" / "bbbc013" / "images"
    dna, fkhr = (_mosaic(folder, channel) for channel in (2, 1))
    nuclei = _segment(dna)
    cells = segmentation.expand_labels(nuclei, 20).astype(np.int32)
    smooth = filters.gaussian(fkhr, 4)
    granules = np.clip(fkhr - smooth, 0, None) * 2 + 0.1 * dna
    image = np.stack([dna, fkhr, 0.6 * smooth + 0.1 * dna, granules, np.roll(fkhr, 540, axis=0)])
    grain = np.random.default_rng(0).normal(0, 0.002, image.shape)
    image = np.rint(np.clip(image + grain, 0, 1) * 65535) / 65535  # as from a 16-bit camera
    return image.astype(np.float32), {"Nuclei": nuclei, "Cells": cells}


def _mosaic(folder, channel):
    tiles = [
        ndimage.zoom(
            tifffile.imread(folder / f"Channel{channel}-{well}.tif")[100:440, 100:440] / 255.0,
            540 / 340,
            order=1,
        )
        for well in WELLS
    ]
    return np.block([[tiles[0], tiles[1]], [tiles[2], tiles[3]]])


def _segment(dna):
    smooth = filters.gaussian(dna, 2)
    foreground = smooth > filters.threshold_otsu(smooth)
    depth = filters.gaussian(ndimage.distance_transform_edt(foreground), 2)
    centres = measure.label(morphology.h_maxima(depth, 0.7))
    return segmentation.watershed(-depth, centres, mask=foreground).astype(np.int32)


def seconds(function, repeats):
    """Return the shortest of several runs, in seconds of processor time of this one thread.

    Processor time, because both sides run on one thread and other programs may be running.
    """
    best = np.inf
    for _ in range(repeats):
        start = time.process_time()
        function()
        best = min(best, time.process_time() - start)
    return best


def compare_family(name, image, object_sets, repeats):
    """Time one family on all object sets and find the largest relative difference."""
    family = name.split()[0]
    chosen = ["Intensity", "Location"] if family == "Intensity" else [family]
    settings = {"families": chosen, "costes": name == "Correlation", "dtype": float}

    def ours():
        return measure_site(image, CHANNELS, object_sets, **settings)

    tables, differences = ours(), []
    for object_set, labels in object_sets.items():
        table = tables[object_set]
        values = table.set_axis(table.columns.str.removeprefix(f"{object_set}_"), axis=1)
        expected = reference(image, CHANNELS, labels, KINDS[name])
        differences.append(_difference(values, expected, labels))
    spent = seconds(ours, repeats)
    if family == "Correlation":  # see `everything`
        settings["channel_pairs"] = BACKWARDS
        spent += seconds(ours, repeats)
    return spent, max(differences)


def _difference(values, expected, labels):
    circles, angles = ambiguous(labels)
    for name in expected:  # see `ambiguous`: these objects are decided by rounding
        if "Zernike" in name:
            expected[name] = np.where(circles, values[name], expected[name])
        if name == "AreaShape_Orientation":
            expected[name] = np.where(angles, values[name], expected[name])
    return worst_difference(values, expected)[1]


def reference_seconds(image, object_sets):
    """Return the seconds of `featurize` for each feature group, plain and accelerated.

    The groups share nothing, so the whole is their sum. Only three groups have an accelerator.
    """
    plain = {kind: _featurize_seconds(image, object_sets, kind) for kind in _SWITCHES}
    accelerated = dict(plain)
    cp_measure.set_accelerator("numba")
    for kind in ("intensity", "texture", "feret"):
        small = image[:, :270, :270], {n: labels[:270, :270] for n, labels in object_sets.items()}
        _featurize_seconds(*small, kind)  # compiles
        accelerated[kind] = _featurize_seconds(image, object_sets, kind)
    cp_measure.set_accelerator(None)
    return plain, accelerated


def _featurize_seconds(image, object_sets, kind):
    switches = dict.fromkeys(_SWITCHES.values(), False) | {_SWITCHES[kind]: True}
    config = make_featurizer_config(
        CHANNELS,
        objects=list(object_sets),
        correlation_costes_params={"scale_max": 65535},
        **switches,
    )
    masks = np.stack(list(object_sets.values()))[None]
    batch = image[None].astype(float)
    return seconds(lambda: featurize(batch, masks, config), 1)


_SWITCHES = {
    "sizeshape": "sizeshape",
    "zernike": "zernike",
    "feret": "feret",
    "intensity": "intensity",
    "texture": "texture",
    "granularity": "granularity",
    "radial_distribution": "radial_distribution",
    "radial_zernikes": "radial_zernikes",
    "pearson": "correlation_pearson",
    "manders_fold": "correlation_manders_fold",
    "rwc": "correlation_rwc",
    "costes": "correlation_costes",
}


def compare_all(image, object_sets, repeats):
    """Return one row per family, then the whole site with and without Costes."""
    plain, accelerated = reference_seconds(image, object_sets)
    rows = []
    for name, kinds in KINDS.items():
        ours, difference = compare_family(name, image, object_sets, repeats)
        theirs = [sum(times[kind] for kind in kinds) for times in (plain, accelerated)]
        rows.append(_row(name, ours, *theirs, difference))
    largest = max(row["largest_relative_difference"] for row in rows)
    for name, costes in (("whole site without Costes", False), ("whole site", True)):
        ours = seconds(lambda c=costes: everything(image, object_sets, c), repeats)
        kinds = [kind for kind in _SWITCHES if costes or kind != "costes"]
        theirs = [sum(times[kind] for kind in kinds) for times in (plain, accelerated)]
        rows.append(_row(name, ours, *theirs, largest))
    return pd.DataFrame(rows)


def everything(image, object_sets, costes):
    """Measure what `featurize` measures.

    `featurize` correlates every pair in both orders. CellProfiler does so in one, and its columns
    have no place for the other; a second pass in the other order makes the work equal.
    """
    families = [family for family in FAMILIES if family != "Neighbors"]
    measure_site(image, CHANNELS, object_sets, families, costes=costes)
    measure_site(image, CHANNELS, object_sets, ["Correlation"], BACKWARDS, costes=costes)


def _row(name, ours, plain, accelerated, difference):
    row = {
        "what": name,
        "levelfield_s": ours,
        "cp_measure_s": plain,
        "cp_measure_numba_s": accelerated,
        "ratio": plain / ours,
        "ratio_to_numba": accelerated / ours,
        "largest_relative_difference": difference,
    }
    print(pd.Series(row).to_frame().T.to_string(index=False, header=name == "AreaShape"))
    return row


def scaling(image, object_sets, repeats):
    """Time sites of 50 to 5,000 objects of one size, and 24 sites in one and two processes."""
    rows = []
    for count in (50, 200, 1000, 5000):
        labels = grid_of_objects(image.shape[1:], count)
        ours = seconds(lambda sets=labels: measure_site(image, CHANNELS, {"Nuclei": sets}), repeats)
        rows.append({"what": f"{count} objects of 100 px", "processes": 1, "processor_s": ours})
    sites = [(image, object_sets)] * 24
    for what, work, items in (
        ("24 sites, all families", _measure_one, sites),
        ("24 rounds of plain arithmetic: what the machine allows", _count, [2_000_000] * 24),
    ):
        rows += [_in_processes(what, work, items, processes) for processes in (1, 2)]
    return pd.DataFrame(rows)


def _in_processes(what, work, items, processes):
    """Time the work on all items, shared among processes."""
    with get_context("fork").Pool(processes) as pool:
        pool.map(work, items[:processes])
        load, start = os.getloadavg()[0], time.perf_counter()
        spent = sum(pool.map(work, items, chunksize=1))
        wall = time.perf_counter() - start
    found = {"processor_s": spent, "wall_s": wall, "load_before": load}
    return {"what": what, "processes": processes} | found


def _count(rounds):
    """Add numbers, which takes no memory; return the processor seconds."""
    start = time.process_time()
    total = 0
    for number in range(rounds):
        total += number
    return time.process_time() - start


def grid_of_objects(shape, count):
    """Return labels with `count` squares of 10 x 10 px, evenly spread."""
    side = int(np.ceil(np.sqrt(count)))
    step = min(shape) // side
    labels = np.zeros(shape, np.int32)
    for k in range(count):
        row, column = k // side * step, k % side * step
        labels[row : row + 10, column : column + 10] = k + 1
    return labels


def _measure_one(work):
    image, object_sets = work
    return seconds(lambda: measure_site(image, CHANNELS, object_sets), 1)


def write(table, name):
    """Write a table with machine, versions and date in a comment."""
    packages = ("levelfield", "cp_measure", "numpy", "scipy", "scikit-image", "numba")
    header = ", ".join(f"{package} {version(package)}" for package in packages)
    path = ROOT / "benchmarks" / "results" / f"{name}.csv"
    with path.open("w") as file:
        file.write(
            "# processor seconds of one thread; see the docstring of benchmarks/measurement.py\n"
        )
        file.write(f"# {date.today()}, {_processor()}, Python ")
        file.write(f"{platform.python_version()}, {header}\n")
        table.to_csv(file, index=False, float_format="%.4g")
    print(f"wrote {path.relative_to(ROOT)}")


def _processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor()


def main():
    """Run both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="only our own times, by family")
    parser.add_argument("--skip-families", action="store_true", help="only the scaling")
    arguments = parser.parse_args()
    image, object_sets = make_site()
    sizes = {name: np.bincount(labels.ravel())[1:] for name, labels in object_sets.items()}
    for name, areas in sizes.items():
        print(f"{name}: {areas.size} objects, mean area {areas.mean():.0f} px")
    start = time.perf_counter()
    measure_site(image, CHANNELS, object_sets)
    print(f"first call, with loading or compiling the kernels: {time.perf_counter() - start:.1f} s")
    if arguments.quick:
        for family in FAMILIES:
            spent = seconds(lambda f=family: measure_site(image, CHANNELS, object_sets, [f]), 3)
            print(f"{family:20s} {spent:.3f} s")
        spent = seconds(lambda: measure_site(image, CHANNELS, object_sets), 3)
        print(f"{'all':20s} {spent:.3f} s")
        return
    if not arguments.skip_families:
        write(compare_all(image, object_sets, 3), "measurement")
    write(scaling(image, object_sets, 3), "measurement_scaling")


if __name__ == "__main__":
    main()
