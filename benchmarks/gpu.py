"""Sites per second of Cellpose here and in `CellposeModel.eval`, on the same images and weights.

Both run in one process on one device, alternating. Prints and writes ``results/gpu.csv``:

* sites per second for 1 to 1,000 sites, the ratio, how much of the time kernels ran on the GPU
  (from the profiler, in a run of its own), the largest memory of GPU and process, and whether the
  masks agree (average precision at an IoU of 0.9 between the two);
* the seconds per site of each stage, measured one after the other, with the GPU idle in between;
* the memory in use while the 3,456 sites of a plate go through;
* sites per second of the small network that is shipped, which has no counterpart.

Weights: those of ``--weights``, or random ones of the same network, which take the same time.
With random weights the objects would be random too, so that both get, once the network has run,
the flows of real labels to find objects in. With real ones both find what the network predicts.

Run, on a machine with a GPU: ``python benchmarks/gpu.py``. On a CPU (the network has 305 million
parameters; a small one of the same kind shows that all works): ``OMP_NUM_THREADS=1 python
benchmarks/gpu.py --network small --side 256 --sites 1 4 --plate 50``.
"""

import argparse
import contextlib
import datetime
import platform
import resource
import tempfile
import time
from functools import partial
from importlib.metadata import version
from itertools import cycle, islice
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import torch
from cellpose import dynamics, models, transforms, utils, vit
from cellpose.metrics import average_precision
from PIL import Image
from segment_anything.modeling.image_encoder import ImageEncoderViT

from levelfield.segmentation import load_model, segment_images
from levelfield.segmentation.devices import choose_device
from levelfield.segmentation.methods.cellpose import CellposeOptions
from levelfield.segmentation.networks.cellpose import model
from levelfield.segmentation.networks.cellpose.model import CellposeModel

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = REPOSITORY / "benchmarks" / "results"
DATA = REPOSITORY / "tests" / "data" / "bbbc038_train"
SMALL_NETWORK = REPOSITORY / "levelfield" / "weights" / "nuclei.safetensors"
COUNTS = 65535.0
DISTINCT = 4  # sites; more are repetitions of these


class Ours(CellposeModel):
    """Finds objects in given flows, after the network has run."""

    flows = None

    def _predict(self, canvases, options):
        for output in super()._predict(canvases, options):
            yield output if self.flows is None else self.flows.clone()


class Theirs(models.CellposeModel):
    """The same for Cellpose's own class."""

    flows = None

    def _run_net(self, x, **options):
        found = super()._run_net(x, **options)
        if self.flows is None:
            return found
        return self.flows[:2, None].copy(), self.flows[2][None].copy(), found[2]


def mosaic(side, shift):
    """Return a site (1, side, side) of real images, and its labels."""
    image, labels = np.zeros((side, side), np.float32), np.zeros((side, side), np.int32)
    names = sorted(path.name for path in (DATA / "labels").glob("*.png"))
    small = [name for name in names if read(name, "labels").shape == (256, 256)]
    corners = [(row, column) for row in range(0, side, 256) for column in range(0, side, 256)]
    for (row, column), name in zip(corners, islice(cycle(small), shift, None), strict=False):
        part = labels[row : row + 256, column : column + 256]
        found = read(name, "labels")[: part.shape[0], : part.shape[1]].astype(np.int32)
        part[:] = np.where(found > 0, found + labels.max(), 0)
        plane = read(name, "images")[: part.shape[0], : part.shape[1]]
        image[row : row + 256, column : column + 256] = plane / 255
    return image[None], labels


def read(name, folder):
    return np.asarray(Image.open(DATA / folder / name))


def flows_of(labels):
    """Return what a perfect network would say of labels: (3, Y, X)."""
    cpu = torch.device("cpu")
    _, inside, down, across = dynamics.labels_to_flows([labels.copy()], device=cpu)[0]
    return np.stack([5 * down, 5 * across, 12 * inside - 6]).astype(np.float32)


class SmallSam(torch.nn.Module):
    """In place of Segment Anything, with two layers."""

    def __init__(self, checkpoint=None):
        super().__init__()
        norm = partial(torch.nn.LayerNorm, eps=1e-6)
        self.image_encoder = ImageEncoderViT(
            depth=2, embed_dim=64, num_heads=2, out_chans=256, norm_layer=norm, use_rel_pos=True
        )


def random_weights(folder):
    """Write weights of an untrained network whose every part has an effect."""
    torch.manual_seed(0)
    network = vit.CPSAM()
    for name, value in network.named_parameters():
        if "rel_pos" in name or "pos_embed" in name:
            value.data.normal_(0, 0.02)
    path = Path(folder) / "random"
    network.save_model(path)
    return path


def finish(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(run, device):
    finish(device)
    started = time.perf_counter()
    result = run()
    finish(device)
    return time.perf_counter() - started, result


def busy_share(run, device):
    """Return the share of the time in which at least one kernel ran on the GPU."""
    if device.type != "cuda":
        return np.nan
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        seconds, _ = timed(run, device)
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in profile.events()
        if event.device_type == torch.autograd.DeviceType.CUDA
    )
    busy, until = 0.0, 0.0
    for start, end in spans:
        busy += max(0.0, end - max(start, until))
        until = max(until, end)
    return busy / 1e6 / seconds


def runs(ours, theirs, images, options):
    """Return what is compared, by name."""
    counts = [(image * COUNTS).transpose(1, 2, 0).copy() for image in images]
    batch = {"batch_size": 64 if theirs.device.type == "cuda" else 8}

    def of_eval():
        return [theirs.eval(one, channel_axis=2, **batch)[0] for one in counts]

    def of_ours(**more):
        return [one.labels for one in ours.stream(iter(images), CellposeOptions(**options, **more))]

    found = {"CellposeModel.eval": of_eval, "levelfield": of_ours}
    if ours.device.type == "cuda":
        found["levelfield, compiled"] = partial(of_ours, compile=True)
    return found


def compare(ours, theirs, sites, numbers, repeats):
    """Return a row per implementation and number of sites."""
    rows = []
    for number in numbers:
        images = list(islice(cycle(sites), number))
        compared = runs(ours, theirs, images, {})
        masks, seconds = {}, {name: [] for name in compared}
        for run in runs(ours, theirs, images[:1], {}).values():
            timed(run, ours.device)  # the first call compiles, and finds the fastest kernels
        for _ in range(repeats):
            for name, run in compared.items():
                spent, masks[name] = timed(run, ours.device)
                seconds[name].append(spent)
        reference = masks["CellposeModel.eval"]
        for name, run in compared.items():
            spent = float(np.median(seconds[name]))
            rows.append(
                {
                    "what": name,
                    "sites": number,
                    "sites_per_s": number / spent,
                    "ratio": float(np.median(seconds["CellposeModel.eval"])) / spent,
                    "gpu_busy": busy_share(run, ours.device),
                    "agreement_ap90": agreement(reference, masks[name]),
                }
                | memory(ours.device)
            )
            print(pd.Series(rows[-1]).to_frame().T.to_string(index=False, header=len(rows) == 1))
    return rows


def agreement(reference, masks):
    pairs = list(zip(reference, masks, strict=True))[:DISTINCT]
    scores = [
        average_precision(a.astype(int), b.astype(int), threshold=[0.9])[0][0] for a, b in pairs
    ]
    return float(np.min(scores))


def memory(device):
    gpu = torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else np.nan
    return {"gpu_gb": gpu, "process_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}


def stages(ours, theirs, images):
    """Return a row per stage of both: seconds per site, the GPU idle before and after."""
    device = ours.device
    places = {
        "CellposeModel.eval": [
            ("scale intensities", transforms, "normalize_img"),
            ("network and tiles", models, "run_net"),
            ("follow flows", dynamics, "follow_flows"),
            ("find objects", dynamics, "get_masks_torch"),
            ("check flows", dynamics, "remove_bad_flow_masks"),
            ("fill holes", utils, "fill_holes_and_remove_small_masks"),
        ],
        "levelfield": [
            ("scale intensities", model, "normalise"),
            ("network", model.CellposeNetwork, "run"),
            ("objects from flows", model, "find_objects"),
            ("fill holes", model, "fill_holes_and_remove_small_masks"),
        ],
    }
    rows = []
    for name, run in list(runs(ours, theirs, images, {}).items())[:2]:
        spent = dict.fromkeys([stage for stage, _, _ in places[name]], 0.0)
        with contextlib.ExitStack() as stack:
            for stage, owner, function in places[name]:
                stack.enter_context(_watch(owner, function, stage, spent, device))
            total, _ = timed(run, device)
        spent["everything"] = total
        rows += [
            {"what": f"{name}: {stage}", "sites": len(images), "s_per_site": value / len(images)}
            for stage, value in spent.items()
        ]
    return rows


def _watch(owner, function, stage, spent, device):
    original = getattr(owner, function)

    def watched(*arguments, **more):
        seconds, result = timed(lambda: original(*arguments, **more), device)
        spent[stage] += seconds
        return result

    return mock.patch.object(owner, function, watched)


def plate(ours, sites, number):
    """Return rows of the memory in use while as many sites as a plate has go through."""
    rows = []
    page = resource.getpagesize()
    for done, _ in enumerate(ours.stream(islice(cycle(sites), number)), start=1):
        if done == number or done % max(1, number // 8) == 0:
            resident = int(Path("/proc/self/statm").read_text().split()[1]) * page / 1e9
            row = {"what": "memory during a plate", "sites": done, "process_gb": resident}
            rows.append(memory(ours.device) | row)
            print(pd.Series(rows[-1]).to_frame().T.to_string(index=False))
    return rows


def small_network(sites, numbers, rule, repeats):
    """Return a row per number of sites for the shipped network with its default decoder."""
    if not SMALL_NETWORK.is_file():
        return []
    network = load_model("network", SMALL_NETWORK, rule)
    rows = []
    for number in numbers:
        images = list(islice(cycle(sites), number))
        parents = [{"model": network}] * number

        def run(images=images, parents=parents):
            return segment_images(images, "network", {"diameter": 20.0}, parents)

        timed(run, network.device)
        spent = np.median([timed(run, network.device)[0] for _ in range(repeats)])
        row = {"what": "shipped U-Net", "sites": number, "sites_per_s": number / spent}
        rows.append(row | {"gpu_busy": busy_share(run, network.device)} | memory(network.device))
        print(pd.Series(rows[-1]).to_frame().T.to_string(index=False))
    return rows


def write(rows, device_name, arguments):
    packages = ("levelfield", "cellpose", "torch", "numpy")
    header = ", ".join(f"{package} {version(package)}" for package in packages)
    weights = (
        "real weights" if arguments.weights else f"random weights, network {arguments.network}"
    )
    with arguments.out.open("w") as file:
        file.write(
            f"# {datetime.date.today()}, {device_name}, {platform.machine()}, "
            f"{torch.get_num_threads()} CPU thread(s), Python {platform.python_version()}, "
            f"{header}; sites of {arguments.side} px, {weights}, median of {arguments.repeats}\n"
        )
        pd.DataFrame(rows).to_csv(file, index=False, float_format="%.4f")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--weights", type=Path, help="a file of Cellpose 4; random ones if left out"
    )
    parser.add_argument("--network", choices=["full", "small"], default="full")
    parser.add_argument("--side", type=int, default=1080)
    parser.add_argument("--sites", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--plate", type=int, default=3456, help="sites of the memory's measurement")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "gpu.csv")
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    made = [mosaic(arguments.side, 7 * number) for number in range(DISTINCT)]
    sites = [image for image, _ in made]
    small = {"vit_l": SmallSam} if arguments.network == "small" else {}
    with mock.patch.dict(vit.sam_model_registry, small), tempfile.TemporaryDirectory() as folder:
        weights = arguments.weights or random_weights(folder)
        ours = Ours(weights, device)
        half = device.kind == "cuda"
        theirs = Theirs(pretrained_model=str(weights), device=device.torch, use_bfloat16=half)
        if not arguments.weights:
            flows = flows_of(made[0][1])
            ours.flows, theirs.flows = torch.from_numpy(flows).to(device.torch), flows
        rows = compare(ours, theirs, sites, arguments.sites, arguments.repeats)
        rows += stages(ours, theirs, list(islice(cycle(sites), min(8, max(arguments.sites)))))
        rows += plate(ours, sites, arguments.plate)
    rows += small_network(sites, arguments.sites, arguments.device, arguments.repeats)
    write(rows, device.name, arguments)


if __name__ == "__main__":
    main()
