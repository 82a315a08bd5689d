"""A segment job around a simulated GPU: which of its stages bounds it, and at how many sites a second.

The job is the real one, from raw TIFF files to stored labels, with the method `cellpose`; simulated is
what a GPU would do. The device takes ``--gpu-ms`` for a site (docs/gpu.md: 70 of Cellpose-SAM on an
H200) during which no CPU works, serves one batch at a time, and returns stored labels. Asking it costs
``--launch-ms`` of the CPU for each site, during which no other thread of that process runs, as
launching kernels does. What comes after it on the CPU (holes, small objects, numbers) is the real code.

Prints a row for each of several runs:

* ``sites_per_s``: measured, on as many cores as this machine has;
* ``cpu_s_per_site``: CPU seconds of all processes of the job, between the first and the last field;
* ``of_gpu_process``: those of the process that serves the GPU, of which only one thread runs at a time
  while it holds Python's lock;
* ``on_cores``: sites per second that ``--cores`` cores sustain: the least of the device's rate, of
  cores / CPU seconds, and of 1 / CPU seconds of the GPU's process;
* ``bound_by``: which of the three that is.

On a machine with fewer cores than ``--cores`` the device's time can be stretched by as much
(``--stretch``): the job then runs as one on ``--cores`` cores would in slow motion, and
``sites_per_s`` times the stretch is its rate.

``python benchmarks/gpu_pipeline.py --fields 64`` takes a minute.
"""

import threading
import time
from pathlib import Path

import numpy as np

from levelfield.labels.filtering import filter_objects
from levelfield.labels.objects import renumber
from levelfield.segmentation.device_clock import DEVICE_CLOCK
from levelfield.segmentation.result import Segmentation

RESULTS = Path(__file__).resolve().parent / "results"
SIDE, DISTINCT = 1080, 4
SCIENCE = {
    "channels": {name: {"match": number} for number, name in enumerate(("DNA", "ER", "RNA"), 1)},
    "images": {
        "format": "pattern",
        "pattern": r"(?P<row>[A-H])(?P<column>\d\d)_s(?P<site>\d)_w(?P<channel>\d)\.tif$",
        "time_point": 0,
        "bit_depth": None,
    },
    "illumination": {"correct": True, "sample_sites": 8},
    "objects": {
        "Cells": {"method": "cellpose", "weights": "stored", "channels": ["ER", "RNA", "DNA"]}
    },
}


class SimulatedGpu:
    """In place of Cellpose's model: takes a GPU's time, and knows the labels beforehand."""

    device_name = "cuda:0 (simulated)"

    def __init__(self, labels, seconds, launch_seconds):
        self.labels, self.seconds, self.launch = labels, seconds, launch_seconds
        self._device = threading.Lock()

    def segment(self, images, options):
        from levelfield.segmentation.networks.cellpose.model import _fill_holes

        for _ in images:
            until = time.thread_time() + self.launch
            while time.thread_time() < until:
                pass
        with DEVICE_CLOCK, self._device:
            time.sleep(self.seconds * len(images))
            found = [self.labels[_which(image)].astype(np.int64) for image in images]
        made = [_fill_holes(renumber(labels), options.minimum_area) for labels in found]
        return [
            Segmentation(renumber(kept), removed)
            for kept, removed in (filter_objects(labels, *options.limits) for labels in made)
        ]


def _which(image):
    """Say which of the stored sites an image is of: its first pixel says it, for the simulation."""
    return round(float(image[0, 0, 0]) * 65535 / 1000) % DISTINCT
