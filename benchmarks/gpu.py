"""What a GPU does here: its peak, the networks alone, sites beside `CellposeModel.eval`, faults.

Prints each row as it is made, and writes it at once to ``--out``, so that a run that is cut off
leaves what it found. Two runs of at most eight minutes each, ``--part 1`` and ``--part 2``, or both
in one without it; ``--only`` chooses some of their chapters:

1. ``sites``: sites per second for ``--sites`` of them in one process, `eval` and here alternating,
   in half and in single precision, and on several threads; how long kernels ran meanwhile (from
   the profiler, in a run of its own); the peak of memory. Both are judged against `eval` in float32
   (average precision at an IoU of 0.9), and so is `eval` itself in bfloat16.
   ``peak``: a large matrix product and a copy; Cellpose's network alone in batches of several
   sizes, as it is in `cellpose` and as it is here; attention alone. ``tflops`` counts the
   operations that the network of `cellpose` needs, so that whatever is computed beside them lowers
   it.
2. ``small``: sites per second of the small network, and of its parts.
   ``faults``: what becomes of a job when the GPU fails (`gpu_parts.faults`).
   ``stages``: seconds per site of each stage, with the GPU idle before and after.
   ``little_memory``: the same masks when only a part of the memory is allowed.
   ``compiled``: the network compiled, alone and on whole sites.
   ``plate``: the memory in use while ``--plate`` sites go through.

Weights: those of ``--weights``, or random ones of the same network, which take the same time; flows
of real labels are planted after them (`gpu_parts.planted`).

On a machine with a GPU::

    python benchmarks/gpu.py --part 1 --out gpu1.csv
    python benchmarks/gpu.py --part 2 --out gpu2.csv

Where that machine reaches no package index, `benchmarks/wheelhouse.py` packs what it needs, and
says how. On a CPU, with a small network of the same kind: ``OMP_NUM_THREADS=1 python
benchmarks/gpu.py --network small --side 256 --sites 1 4 --plate 50``.
"""

import argparse
import datetime
import platform
import tempfile
import traceback
from importlib.metadata import version
from pathlib import Path
from unittest import mock

import torch
from cellpose import vit
from gpu_parts.bench import Bench
from gpu_parts.faults import faults
from gpu_parts.images import mosaic
from gpu_parts.measure import memory
from gpu_parts.peak import peak
from gpu_parts.planted import SmallSam, random_weights
from gpu_parts.rows import Rows
from gpu_parts.small import small
from gpu_parts.whole_sites import compiled, little_memory, plate, sites, stages

from levelfield.segmentation.devices import choose_device

RESULTS = Path(__file__).resolve().parent / "results"
PARTS = {1: (sites, peak), 2: (small, faults, stages, little_memory, compiled, plate)}


def describe(device_name, arguments):
    packages = ("cellpose", "torch", "numpy")
    told = ", ".join(f"{package} {version(package)}" for package in packages)
    weights = "real weights" if arguments.weights else f"random weights ({arguments.network})"
    return (
        f"{datetime.date.today()}, {device_name}, {platform.machine()}, "
        f"{torch.get_num_threads()} CPU thread(s), Python {platform.python_version()}, {told}; "
        f"sites of {arguments.side} px, {weights}"
    )


def read_arguments():
    names = [chapter.__name__ for chapters in PARTS.values() for chapter in chapters]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--weights", type=Path, help="a file of Cellpose 4; random if left out")
    parser.add_argument("--network", choices=["full", "small"], default="full")
    parser.add_argument("--side", type=int, default=1080)
    parser.add_argument("--sites", type=int, nargs="+", default=[1, 10, 64])
    parser.add_argument("--plate", type=int, default=400)
    parser.add_argument("--part", type=int, choices=PARTS, help="both if left out")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="CHAPTER")
    parser.add_argument("--seconds", type=float, default=480, help="later no chapter is begun")
    parser.add_argument("--out", type=Path, default=RESULTS / "gpu.csv")
    return parser.parse_args()


def main():
    arguments = read_arguments()
    device = choose_device(arguments.device)
    rows = Rows(arguments.out, describe(device.name, arguments))
    registered = {"vit_l": SmallSam} if arguments.network == "small" else {}
    chosen = [arguments.part] if arguments.part else list(PARTS)
    with (
        mock.patch.dict(vit.sam_model_registry, registered),
        tempfile.TemporaryDirectory() as folder,
    ):
        image = mosaic(arguments.side, 0)[0]
        weights = arguments.weights or random_weights(folder, device.torch, image)
        bench = Bench(rows, arguments, device, weights)
        rows.add("ready", note=f"after {rows.seconds:.0f} s", **memory(device.torch))
        for chapter in (chapter for part in chosen for chapter in PARTS[part]):
            if chapter.__name__ not in arguments.only:
                continue
            if rows.seconds > arguments.seconds:
                rows.add(chapter.__name__, note="left out: the time is over")
                continue
            try:
                chapter(bench)
            except Exception as error:  # the others can do without it
                traceback.print_exc()
                rows.add(chapter.__name__, note=f"failed: {error!r}"[:200])


if __name__ == "__main__":
    main()
