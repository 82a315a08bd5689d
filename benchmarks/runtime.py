"""Compare the small network on ONNX Runtime (a CPU) with the same network on torch.

Labels of the method `network` with its defaults on real images, time and memory of a field of
1080 x 1080 px on one thread. Run in an environment with torch:

    OMP_NUM_THREADS=1 python benchmarks/runtime.py --out benchmarks/results/runtime.csv
"""

import argparse
import csv
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from skimage.io import imread

from levelfield.evaluation import evaluate_image
from levelfield.segmentation import segment_objects
from levelfield.segmentation.small_network.inference import NetworkModel, load_model

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = ROOT / "levelfield" / "weights" / "nuclei.safetensors"
BBBC038 = ROOT / "tests" / "data" / "bbbc038_train"
BBBC013 = ROOT / "demo" / "BBBC013"
SIDE = 1080
REPEATS = 5

# A process that segments fields as a job does, with what a job has loaded.
WORKER = """
import sys
from pathlib import Path
import numpy as np
import levelfield.steps.segment
from levelfield.segmentation import segment_objects
from levelfield.segmentation.small_network.inference import NetworkModel, load_model
image = np.load(sys.argv[3])
if sys.argv[1] == "torch":
    import torch
    from levelfield.segmentation.networks.unet import load_network
    from levelfield.segmentation.networks.unet_runtime import prepare
    torch.set_num_threads(1)
    runtime = prepare(load_network(Path(sys.argv[2]))[0], torch.device("cpu"))
    model = NetworkModel(runtime, "cpu", {})
else:
    model = load_model(Path(sys.argv[2]))
for _ in range(3):
    segment_objects(image[None], "network", {}, {"model": model})
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) / 1024)
"""


def torch_model() -> NetworkModel:
    """Return the network as torch computes it on one thread."""
    import torch

    from levelfield.segmentation.networks.unet import load_network
    from levelfield.segmentation.networks.unet_runtime import prepare

    torch.set_num_threads(1)
    return NetworkModel(prepare(load_network(WEIGHTS)[0], torch.device("cpu")), "cpu", {})


def plane(path: Path) -> np.ndarray:
    """Read an image (Y, X), 0 to 1."""
    pixels = imread(path)
    pixels = pixels[..., 0] if pixels.ndim == 3 else pixels
    return pixels.astype(np.float32) / np.iinfo(pixels.dtype).max


def real_images(per_group: int, wells: int) -> list[tuple[str, np.ndarray]]:
    """Return images of every acquisition of BBBC038, and fields of the demo plate."""
    index = pd.read_csv(BBBC038 / "index.csv")
    here = [(BBBC038 / "images" / f"{name}.png").exists() for name in index["name"]]
    index = index[here].groupby("group").head(per_group)
    found = [("BBBC038", plane(BBBC038 / "images" / f"{name}.png")) for name in index["name"]]
    paths = sorted(BBBC013.rglob("Channel2-*"))[:wells]
    return found + [("BBBC013", plane(path)) for path in paths]


def large_image() -> np.ndarray:
    """Return real nuclei at SIDE x SIDE px: a field of the demo plate and its mirror images."""
    field = plane(sorted(BBBC013.rglob("Channel2-*"))[0])
    return np.pad(field, [(0, max(SIDE - side, 0)) for side in field.shape], "symmetric")[
        :SIDE, :SIDE
    ]


def compare_labels(ours: NetworkModel, theirs: NetworkModel, images: list) -> list[tuple]:
    """Return how far the labels of both differ, by data set."""
    rows = []
    for name, image in images:
        labels = [
            segment_objects(image[None], "network", {}, {"model": model}).labels
            for model in (ours, theirs)
        ]
        foreground = np.mean((labels[0] > 0) != (labels[1] > 0))
        rows.append((name, foreground, evaluate_image(*labels).scores["ap_90"]))
    table = pd.DataFrame(rows, columns=["data", "differing", "ap_90"])
    found = []
    for name, group in table.groupby("data"):
        found += [
            (name, "images", len(group), ""),
            (name, "pixels that differ, mean share", group["differing"].mean(), ""),
            (name, "pixels that differ, largest share", group["differing"].max(), ""),
            (name, "AP@0.9, mean", group["ap_90"].mean(), ""),
            (name, "AP@0.9, lowest", group["ap_90"].min(), ""),
        ]
    return found


def compare_time(ours: NetworkModel, theirs: NetworkModel, image: np.ndarray) -> list[tuple]:
    """Return CPU seconds of a prediction, the least of several that take turns."""
    seconds: dict[str, list[float]] = {"ONNX Runtime": [], "torch": []}
    for _ in range(REPEATS):
        for name, model in (("ONNX Runtime", ours), ("torch", theirs)):
            start = time.process_time()
            model.predict([image], None, ("foreground", "flow"))
            seconds[name].append(time.process_time() - start)
    best = {name: min(values) for name, values in seconds.items()}
    rows = [(f"{SIDE} px", f"prediction, {name}", value, "CPU s") for name, value in best.items()]
    ratio = best["ONNX Runtime"] / best["torch"]
    return [*rows, (f"{SIDE} px", "prediction, ONNX Runtime / torch", ratio, "")]


def compare_memory(image: np.ndarray, folder: Path) -> list[tuple]:
    """Return the peak memory of a process that segments."""
    path = folder / "field.npy"
    np.save(path, image)
    rows = []
    for kind, name in (("onnx", "ONNX Runtime"), ("torch", "torch")):
        command = [sys.executable, "-c", WORKER, kind, str(WEIGHTS), str(path)]
        said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
        rows.append((f"{SIDE} px", f"peak memory of a worker, {name}", float(said), "MB"))
    return rows


def main() -> None:
    """Measure, and write a table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--per-group", type=int, default=2, help="images per acquisition")
    parser.add_argument("--wells", type=int, default=8, help="fields of the demo plate")
    options = parser.parse_args()
    ours, theirs = load_model(WEIGHTS), torch_model()
    images = real_images(options.per_group, options.wells)
    images.append((f"{SIDE} px", large_image()))
    rows = compare_labels(ours, theirs, images)
    rows += compare_time(ours, theirs, large_image())
    with TemporaryDirectory() as folder:
        rows += compare_memory(large_image(), Path(folder))
    with options.out.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("data", "what", "value", "unit"))
        writer.writerows((data, what, f"{value:.6g}", unit) for data, what, value, unit in rows)
    print(options.out.read_text())


if __name__ == "__main__":
    main()
