"""Memory and time that a job of the segmentation is likely to need, from its plate and its methods.

A profile may say otherwise: what it sets in ``set-resources`` comes before what is computed here.
"""

import csv
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from math import ceil
from pathlib import Path

_PORTION_PIXELS = 32 * 3 * 1080**2  # that a thread works on together, see `steps.segment.job`
_THREADS = 3  # that serve a GPU, at least
_PIXELS = 3 * 1080**2  # of a usual field, which the figures below are of

# MB. Estimates on the safe side, from benchmarks/gpu_pipeline.py and benchmarks/runtime.py.
_OF_JOB = 500  # of the job itself and, on a cluster, of the Snakemake that starts it
_WITHOUT_NETWORKS, _WITH_TORCH = 600, 4000  # of a process before any field; CUDA's libraries
_BYTES_PER_PIXEL = 60  # of a field that a process works on, with all that is made of it
_BYTES_PER_PIXEL_TOGETHER = 12  # of fields that wait for the GPU together: raw and corrected

# Seconds for a field; a GPU shares them among its threads, a CPU needs a core.
_ON_GPU, _ON_CPU, _LARGE_ON_CPU = 1.5, 10.0, 300.0
_SMALL = ("network",)  # networks that a CPU runs in seconds
_START = 30  # minutes that every job gets beside, most of them for a busy file server


@dataclass(frozen=True)
class Load:
    """What a job has to do: its fields, and the pixels of the largest, all channels together."""

    fields: int
    pixels: int


def read_load(index: Path | str, wells: Collection[str]) -> Load:
    """Read from a plate's index how many fields some of its wells have, and how large they are.

    Raises
    ------
    FileNotFoundError
        If there is no index yet.
    """
    with Path(index).open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["well"] in wells and not row["fault"]]
    sizes: dict[tuple[str, str], dict[str, int]] = {}
    for row in rows:  # of a z-stack one plane counts
        planes = sizes.setdefault((row["well"], row["site"]), {})
        planes[row["channel"]] = int(float(row["size_y"])) * int(float(row["size_x"]))
    largest = max((sum(planes.values()) for planes in sizes.values()), default=0)
    return Load(len(sizes), largest)


def segment_megabytes(load: Load, methods: Iterable[str], threads: int, *, gpu: bool) -> int:
    """Return the memory (MB) of a job with the methods of its object sets that have weights.

    Parameters
    ----------
    load : Load
        Its fields.
    methods : iterable of str
        Methods with weights; none for classical ones.
    threads : int
        Cores of the job.
    gpu : bool
        Whether it may use a GPU.
    """
    field_mb = _BYTES_PER_PIXEL * load.pixels / 1e6
    learned = set(methods)
    each, shared = _WITHOUT_NETWORKS + field_mb, float(_OF_JOB)
    if learned and gpu:
        together = min(32 * load.pixels, max(_PORTION_PIXELS, load.pixels))
        waiting = max(_THREADS, threads) * _BYTES_PER_PIXEL_TOGETHER * together / 1e6
        shared += _WITH_TORCH + waiting
    elif learned - set(_SMALL):
        each += _WITH_TORCH
    return round(shared + threads * each)


def segment_minutes(load: Load, methods: Iterable[str], threads: int, *, gpu: bool) -> int:
    """Return the time (minutes) of a job, about three times what it should take.

    Parameters are those of `segment_megabytes`.
    """
    learned = set(methods)
    if learned and gpu:
        seconds = _ON_GPU
    else:
        seconds = (_LARGE_ON_CPU if learned - set(_SMALL) else _ON_CPU) / max(threads, 1)
    size = max(load.pixels / _PIXELS, 0.3)
    return ceil(_START + load.fields * seconds * size / 60)
