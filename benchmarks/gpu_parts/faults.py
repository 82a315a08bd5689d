"""A segment job whose GPU fails: it must end, store nothing that the fault touched, and go on.

Jobs of their own segment the same fields of the demonstration images with the small network: one in
peace, and one for each kind of fault, which strikes at the third batch. What such a job stored must
equal what the first one did; then it is started again, and must end with the same table.

On a GPU the faults are real: an assertion in a kernel, after which the process can compute nothing
more; an allocator that gives no more memory; a kernel that does not end. Elsewhere the same errors
are raised.

Run by itself: ``python benchmarks/gpu_parts/faults.py --device cpu``.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from itertools import count
from pathlib import Path
from unittest import mock

import pandas as pd

REPOSITORY = Path(__file__).resolve().parents[2]
WEIGHTS = REPOSITORY / "levelfield" / "weights" / "nuclei.safetensors"
IMAGES = REPOSITORY / "demo" / "BBBC013"
PATTERN = r"Channel(?P<channel>\d)-\d+-(?P<row>[A-H])-(?P<column>\d\d)\.tif$"
WELLS = sorted(path.stem[-4] + path.stem[-2:] for path in IMAGES.glob("Channel2-*.tif"))
NUCLEI = {"method": "network", "weights": "nuclei", "channels": ["DNA"]}
SCIENCE = {
    "channels": {"DNA": {"match": 2}},
    "images": {"format": "pattern", "pattern": PATTERN, "time_point": 0, "bit_depth": None},
    "illumination": {"correct": False, "sample_sites": 4},
    "objects": {"Nuclei": NUCLEI | {"parameters": {"diameter": 20.0}}},
}
PEACE, FAULTS = "none", ("assertion", "memory", "hang")
STRIKES_AT = 3  # of the batches
LONGEST_BATCH = 25.0  # s, after which a job that hangs ends


def fail(kind, on_gpu):
    """Bring a fault about."""
    import torch

    if kind == "hang":
        torch.cuda._sleep(2**40)  # cycles: ten minutes
        torch.cuda.synchronize()
    elif kind == "assertion":
        if not on_gpu:
            raise torch.AcceleratorError("CUDA error: device-side assert triggered")
        beyond = torch.full((1,), 99, device="cuda")
        torch.zeros(4, device="cuda")[beyond].cpu()
    elif kind == "memory":
        if not on_gpu:
            raise torch.OutOfMemoryError("CUDA out of memory")
        torch.cuda.set_per_process_memory_fraction(1e-6)
        torch.cuda.empty_cache()


def segment(kind, folder, device):
    """Be a job: segment the plate into ``<folder>/P.zarr``, and write its table."""
    from levelfield.config.settings import Science
    from levelfield.execution import gpu_workers
    from levelfield.execution.logs import job_log
    from levelfield.io.formats import index_plate
    from levelfield.io.plate_index import usable_sites
    from levelfield.io.store import create_plate
    from levelfield.segmentation.small_network.inference import NetworkModel
    from levelfield.steps.fit_illumination import fit_plate
    from levelfield.steps.segment import JobInputs, segment_pack, segmentation_job

    gpu_workers.LONGEST_BATCH = LONGEST_BATCH
    calls, predict = count(1), NetworkModel.predict
    gate = threading.Lock()

    def predict_or_fail(self, *arguments):
        with gate:
            number = next(calls)
        if kind != PEACE and number == STRIKES_AT:
            fail(kind, self.device_name != "cpu")
        return predict(self, *arguments)

    layout = pd.DataFrame(
        {"Metadata_Well": WELLS, "Metadata_ControlType": "trt", "Metadata_ControlGroup": ""}
    )
    store = folder / "P.zarr"
    with job_log(str(folder / "log")), mock.patch.object(NetworkModel, "predict", predict_or_fail):
        index = index_plate(IMAGES, "P", layout, SCIENCE["images"], SCIENCE["channels"])
        create_plate(store, "P", 96, usable_sites(index))
        inputs = JobInputs(weights={"nuclei": WEIGHTS}, device=device)
        flat_fields = fit_plate(index, Science(SCIENCE), 1, "illumination P")
        job = segmentation_job("P", store, index, Science(SCIENCE), flat_fields, 25.0, inputs)
        table = segment_pack(index, WELLS, job, 1, "segment P")
        table.to_csv(folder / "table.csv", index=False)


def strike(device):
    """Yield a row of what became of the job for each kind of fault."""
    with tempfile.TemporaryDirectory() as root:
        kinds = FAULTS[:2] if device == "cpu" else FAULTS  # nothing watches over a CPU
        folders = {kind: Path(root) / kind for kind in (PEACE, *kinds)}
        for folder in folders.values():
            folder.mkdir()
        first = _run({kind: (kind, folder, device) for kind, folder in folders.items()})
        stored = {kind: _stored(folder) for kind, folder in folders.items()}
        again = _run({kind: (PEACE, folders[kind], device) for kind in kinds})
        peace = (folders[PEACE] / "table.csv").read_text() if first[PEACE][0] == 0 else ""
        yield {
            "what": "job in peace",
            "note": f"exit {first[PEACE][0]}, {len(stored[PEACE])} fields",
        }
        for kind in kinds:
            code, seconds, words = first[kind]
            same = sum(stored[PEACE].get(field) == sums for field, sums in stored[kind].items())
            table = folders[kind] / "table.csv"
            whole = table.exists() and table.read_text() == peace != ""
            note = (
                f"exit {code} after {seconds:.0f} s: {words[:90]!r}; {len(stored[kind])} of "
                f"{len(WELLS)} fields stored, {same} of them as in peace; again: exit "
                f"{again[kind][0]}, the table {'equal' if whole else 'NOT EQUAL'}"
            )
            yield {"what": f"job with a fault: {kind}", "note": note}


def _run(jobs):
    """Run jobs side by side; return exit code, seconds and last words of each."""
    started = time.monotonic()
    running = {
        name: subprocess.Popen(
            [sys.executable, __file__, *("--job", kind, str(folder)), "--device", device],
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, (kind, folder, device) in jobs.items()
    }
    found = {}
    for name, process in running.items():
        device = jobs[name][2]
        try:
            _, told = process.communicate(timeout=90 if device != "cpu" else 900)
        except subprocess.TimeoutExpired:
            process.kill()
            _, told = process.communicate()
            told += "\nlevelfield: did not end"
        words = [line for line in told.splitlines() if line.startswith("levelfield:")] or [
            told[-300:]
        ]
        found[name] = process.returncode, time.monotonic() - started, words[-1]
    return found


def faults(bench):
    """Add what becomes of a job when the GPU fails."""
    for row in strike(bench.arguments.device):
        bench.rows.add(**row)


def _stored(folder):
    """Return the checksums of the fields that a store holds."""
    from levelfield.io.store import stored_field

    fields = {well: stored_field(folder / "P.zarr", well, 1) for well in WELLS}
    return {well: found["checksums"] for well, found in fields.items() if found}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--job", nargs=2, metavar=("KIND", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        segment(arguments.job[0], Path(arguments.job[1]), arguments.device)
    else:
        for row in strike(arguments.device):
            print(f"{row['what']}: {row['note']}")


if __name__ == "__main__":
    main()
