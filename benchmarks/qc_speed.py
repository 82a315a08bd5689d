"""CPU time and memory of the QC's evidence: opinion, features and candidates.

    python benchmarks/qc_speed.py --data FOLDER

``FOLDER`` holds ``bbbc013``, ``bbbc038_train`` and ``aitslab_nuclei``. Every group runs in
a process of its own, so that its peak of memory is its own; a process in a job reads the store as
well. ``bbbc013_1080x1080`` is BBBC013, mirrored at the edges up to this size. Writes
``results/qc_speed.csv``.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd

RESULT = Path(__file__).parent / "results" / "qc_speed.csv"
LARGE = "bbbc013_1080x1080"
GROUPS = ("bbbc013", LARGE, "256x256_0", "360x360_0", "520x696_0", "aits_170702000001")
FIELDS = 5
STEPS = ("opinion", "features", "candidates")


def images_of(data: Path, group: str) -> list[np.ndarray]:
    """Return a few images (Y, X) float32 of a group."""
    if group.startswith("bbbc013"):
        paths = sorted((data / "bbbc013" / "images").glob("Channel2-*.tif"))[::19][:FIELDS]
    else:
        folder = data / ("aitslab_nuclei" if group.startswith("aits") else "bbbc038_train")
        index = pd.read_csv(folder / "index.csv")
        names = sorted(index.loc[index["group"] == group, "name"])[:FIELDS]
        paths = [folder / "images" / f"{name}.png" for name in names]
    images = [pixels_of(path) for path in paths]
    if group != LARGE:
        return images
    missing = [[(0, 1080 - side) for side in image.shape] for image in images]
    return [np.pad(*each, mode="symmetric") for each in zip(images, missing, strict=True)]


def pixels_of(path: Path) -> np.ndarray:
    from PIL import Image

    pixels = np.asarray(Image.open(path))
    top = np.iinfo(pixels.dtype).max
    pixels = pixels[..., :3].mean(axis=-1) if pixels.ndim == 3 else pixels
    return pixels.astype(np.float32) / np.float32(top)


def label(data: Path, group: str, path: Path) -> None:
    """Segment the group's images: not in the process that is measured."""
    from levelfield.segmentation import segment_objects

    images = images_of(data, group)
    labels = [segment_objects(image[None], "classical", {}).labels for image in images]
    pairs = zip(images, labels, strict=True)
    np.savez(path, **{f"{kind}{k}": array for k, pair in enumerate(pairs)
                      for kind, array in zip(("image", "labels"), pair, strict=True)})  # fmt: skip


def measure(path: Path) -> dict[str, float]:
    """Measure this process: CPU seconds per 1,000 objects after a first round, and peak MB."""
    import levelfield.steps.qc_evidence as work

    stored = np.load(path)
    n_fields = len(stored.files) // 2
    for _ in range(2):
        seconds, objects = dict.fromkeys(STEPS, 0.0), 0
        for k in range(n_fields):
            image, labels = stored[f"image{k}"], stored[f"labels{k}"]
            for step, spent in zip(STEPS, evidence_seconds(work, image, labels), strict=True):
                seconds[step] += spent
            objects += len(np.unique(labels)) - 1
            work.give_back_memory()
    seconds["all"] = sum(seconds.values())
    found = {f"{name}_seconds": 1000 * value / objects for name, value in seconds.items()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"n_fields": n_fields, "n_objects": objects, **found, "peak_mb": peak}


def evidence_seconds(work: ModuleType, image: np.ndarray, labels: np.ndarray) -> list[float]:
    """Return the CPU seconds of the `STEPS` of one field, in the pipeline's order."""
    times = [time.process_time()]
    opinion = work.ask_second_opinion(image, labels)
    work.give_back_memory()
    times.append(time.process_time())
    work.field_features(labels, image, opinion=opinion)
    times.append(time.process_time())
    work.find_candidates(labels, image, opinion)
    times.append(time.process_time())
    return list(np.diff(times))


def main() -> None:
    """Measure every group and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--step", choices=("label", "measure"), help=argparse.SUPPRESS)
    parser.add_argument("--group", help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step == "label":
        label(given.data, given.group, given.path)
        return
    if given.step == "measure":
        print(json.dumps(measure(given.path)))
        return
    rows = []
    path = RESULT.with_name("qc_speed_fields.npz")
    for group in GROUPS:
        command = [sys.executable, __file__, "--data", str(given.data)]
        command += ["--group", group, "--path", str(path), "--step"]
        subprocess.run([*command, "label"], check=True)
        done = subprocess.run([*command, "measure"], check=True, capture_output=True, text=True)
        rows.append({"group": group, **json.loads(done.stdout)})
    path.unlink()
    table = pd.DataFrame(rows).round(3)
    print(table.to_string(index=False))
    table.to_csv(RESULT, index=False)


if __name__ == "__main__":
    main()
