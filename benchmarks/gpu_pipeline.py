"""A segment job around a simulated GPU: how many sites a second it sustains, and what bounds it.

The job is the real one, from raw TIFF files to stored labels, with the method `cellpose`; simulated
is what a GPU would do. The device takes ``--gpu-ms`` for a site (docs/gpu.md: 70 of Cellpose-SAM on
an H200), in which no CPU works, serves one batch at a time, and returns stored labels. Asking it
costs ``--launch-ms`` of the CPU for each site, with Python's lock held, as launching kernels does.
What comes after it on the CPU (holes, small objects, numbers) is the real code.

A row for a job whose threads do all that is done on the CPU (``helpers`` 0), and one for a job with
processes beside, as jobs have them:

* ``measured_per_s``: sites per second on this machine, whatever else it did;
* ``cpu_s``: CPU seconds for a site, of all processes of the job;
* ``gpu_process_s``: those of the process that serves the GPU, of which one thread at a time runs
  Python;
* ``gpu_s``: seconds of the device for a site;
* ``sustained_per_s``: sites per second on ``--cores`` cores, the least of ``cores / cpu_s``,
  ``1 / gpu_s`` and ``1 / gpu_process_s``, as if all of the latter held Python's lock;
* ``bound_by``: which of the three that is.

CPU seconds are counted, and not the time on the clock, so that a machine with fewer cores, or with
other work, says what ``--cores`` of its cores would do.

``python benchmarks/gpu_pipeline.py --fields 64``
"""

import argparse
import csv
import logging
import os
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import psutil
import tifffile
from gpu_parts.images import DISTINCT, mosaic

from levelfield.config.settings import Science
from levelfield.execution.helpers import Helpers
from levelfield.io.formats import index_plate
from levelfield.io.plate_index import usable_sites
from levelfield.io.store import create_plate
from levelfield.segmentation import devices, registry
from levelfield.segmentation.device_clock import DEVICE_CLOCK
from levelfield.segmentation.devices import Device
from levelfield.segmentation.elsewhere import map_elsewhere
from levelfield.segmentation.methods.cellpose import METHOD
from levelfield.steps.fit_illumination import fit_plate
from levelfield.steps.segment import JobInputs, pack, segment_pack, segmentation_job

RESULTS = Path(__file__).resolve().parent / "results"
SIDE = 1080
CHANNELS = ("DNA", "ER", "RNA")
MARK = 1000  # counts between the first pixels of different sites, by which the device knows them
SCIENCE = {
    "channels": {name: {"match": number} for number, name in enumerate(CHANNELS, 1)},
    "images": {
        "format": "pattern",
        "pattern": r"(?P<row>[A-H])(?P<column>\d\d)_s(?P<site>\d)_w(?P<channel>\d)\.tif$",
        "time_point": 0,
        "bit_depth": None,
    },
    "illumination": {"correct": False, "sample_sites": 4},
    "objects": {"Cells": {"method": "cellpose", "weights": "stored", "channels": list(CHANNELS)}},
}
COLUMNS = (
    *("helpers", "fields", "measured_per_s", "cpu_s", "gpu_process_s", "gpu_s", "cores"),
    *("sustained_per_s", "bound_by"),
)


class SimulatedGpu:
    """In place of Cellpose's model: takes a GPU's time, and has the labels stored."""

    device_name = "cuda:0 (simulated)"

    def __init__(self, labels, seconds, launch_seconds):
        self.labels, self.seconds, self.launch = labels, seconds, launch_seconds
        self._device = threading.Lock()

    def segment(self, images, options):
        from levelfield.segmentation.networks.cellpose.finishing import finish

        until = time.thread_time() + self.launch * len(images)
        while time.thread_time() < until:
            pass
        with DEVICE_CLOCK, self._device:
            time.sleep(self.seconds * len(images))
            found = [self.labels[_which(image)] for image in images]
        facts = options.minimum_area, options.limits
        return map_elsewhere(finish, [(labels, *facts) for labels in found])


class StartedHelpers(Helpers):
    """Helpers that have all started before the first field: what starting takes is paid once."""

    def __enter__(self):
        super().__enter__()
        seen = set()
        while len(seen) < self.number:
            asked = [self._pool.submit(_own_process) for _ in range(2 * self.number)]
            seen |= {future.result() for future in asked}
        return self


def _own_process():
    from levelfield.segmentation.networks.cellpose import finishing  # noqa: F401 - as the first field

    time.sleep(0.3)  # so that no other process is asked meanwhile
    return os.getpid()


def _which(image):
    return round(float(image[0, 0, 0]) * 65535 / MARK) % DISTINCT


def write_plate(folder, n_fields):
    """Write raw images of real nuclei in three channels of 16 bits, with noise; return labels."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    labels = []
    for number in range(DISTINCT):
        image, own = mosaic(SIDE, 7 * number)
        labels.append(own)
        for channel in range(len(CHANNELS)):
            clean = 400 + 12000 * np.roll(image[0], 5 * channel, 0)
            noisy = clean + rng.normal(0, 1, clean.shape) * np.sqrt(clean)
            pixels = np.clip(noisy, 0, 65535).astype(np.uint16)
            pixels[0, 0] = MARK * number
            first = folder / f"_{number}_{channel}"
            tifffile.imwrite(first, pixels)
    for field in range(n_fields):
        well, site = divmod(field, 9)
        name = f"{'ABCDEFGH'[well // 12]}{well % 12 + 1:02d}_s{site + 1}"
        for channel in range(len(CHANNELS)):
            source = folder / f"_{field % DISTINCT}_{channel}"
            os.link(source, folder / f"{name}_w{channel + 1}.tif")
    return labels


@contextmanager
def simulated(model, helpers):
    """Let jobs find one GPU, and the model on it."""
    gpu = [Device("cuda:0", model.device_name)]
    method = replace(METHOD, load=lambda path, device: model)
    with ExitStack() as stack:
        for owner, name, value in (
            (devices, "choose_devices", lambda rule, environment=None: gpu),
            (registry, "find_method", lambda name: method),
            (pack, "check_job", lambda device, job: None),  # there is no device to be tested
            (pack, "Helpers", StartedHelpers),
            (pack, "helpers_worth", lambda fields, cores: helpers),
        ):
            stack.enter_context(mock.patch.object(owner, name, value))
        registry.forget_models()
        yield


def cpu_seconds():
    """Return the CPU seconds of this process, and of it with all its children."""
    own = psutil.Process()
    alone = sum(own.cpu_times()[:2])
    children = sum(sum(child.cpu_times()[:2]) for child in own.children(recursive=True))
    gone = sum(own.cpu_times()[2:4])
    return alone, alone + children + gone


def run_job(plate, helpers, arguments, labels):
    """Segment the plate once to have everything started, and then again with the clock running."""
    index, layout, folder = plate
    model = SimulatedGpu(labels, arguments.gpu_ms / 1e3, arguments.launch_ms / 1e3)
    weights = folder / "stored"
    weights.write_text("none")
    science = Science(SCIENCE)
    wells = list(layout["Metadata_Well"])
    marks = []

    def noting(*call):
        made = store(*call)
        marks.append((time.perf_counter(), len(made), *cpu_seconds()))
        return made

    store = pack.segment_fields
    with simulated(model, helpers), mock.patch.object(pack, "segment_fields", noting):
        place = folder / f"store{helpers}.zarr"
        create_plate(place, "P", 96, usable_sites(index))
        flat_fields = fit_plate(index, science, 1, "illumination")
        job = segmentation_job(
            "P", place, index, science, flat_fields, 25.0, JobInputs(weights={"stored": weights})
        )
        job = replace(job, inputs=replace(job.inputs, device="cuda"))
        with mock.patch.object(type(job), "fields_at_once", lambda *_: arguments.together):
            table = segment_pack(index, wells, job, arguments.cores, f"{helpers} helpers")
    assert (table["fault"] == "").all() and (table["Count_Cells"] > 100).all()
    return _row(marks, helpers, arguments)


def _row(marks, helpers, arguments):
    """Sum up what was spent on the last two thirds of the portions, when all has started."""
    first = len(marks) // 3
    done = sum(count for _, count, _, _ in marks[first + 1 :])
    seconds, _, own, whole = (b - a for a, b in zip(marks[first], marks[-1], strict=True))
    each = {"cpu": whole / done, "gpu_process": own / done, "gpu": arguments.gpu_ms / 1e3}
    bounds = {
        "CPU": arguments.cores / each["cpu"],
        "GPU": 1 / each["gpu"],
        "process of the GPU": 1 / each["gpu_process"],
    }
    bound = min(bounds, key=lambda name: bounds[name])
    return {
        **{"helpers": helpers, "fields": done, "measured_per_s": round(done / seconds, 2)},
        **{f"{name}_s": round(spent, 4) for name, spent in each.items()},
        **{"cores": arguments.cores, "sustained_per_s": round(bounds[bound], 1), "bound_by": bound},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fields", type=int, default=96)
    parser.add_argument("--gpu-ms", type=float, default=70.0)
    parser.add_argument("--launch-ms", type=float, default=20.0)
    parser.add_argument("--together", type=int, default=4, help="fields of a portion")
    parser.add_argument("--cores", type=int, default=4)
    parser.add_argument("--helpers", type=int, nargs="+", default=[0, 4])
    parser.add_argument("--out", type=Path, default=RESULTS / "gpu_pipeline.csv")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    rows = []
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        labels = write_plate(folder / "images", arguments.fields)
        n_wells = -(-arguments.fields // 9)
        wells = [f"{'ABCDEFGH'[well // 12]}{well % 12 + 1:02d}" for well in range(n_wells)]
        layout = pd.DataFrame(
            {"Metadata_Well": wells, "Metadata_ControlType": "trt", "Metadata_ControlGroup": ""}
        )
        images, channels = SCIENCE["images"], SCIENCE["channels"]
        index = index_plate(folder / "images", "P", layout, images, channels)
        for helpers in arguments.helpers:
            rows.append(run_job((index, layout, folder), helpers, arguments, labels))
            print(rows[-1], flush=True)
    with arguments.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
