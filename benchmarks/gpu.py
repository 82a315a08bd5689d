"""What a GPU does here: its peak, the networks alone, sites beside `CellposeModel.eval`, faults.

Prints each row as it is made, and writes it at once to ``--out``, so that a run that is cut off
leaves what it found. The parts, of which ``--parts`` chooses some:

* ``peak``: a large matrix product and a copy; Cellpose's network alone in batches of several sizes,
  as it is in `cellpose` and as it is here; attention alone. ``tflops`` counts the operations that
  the network of `cellpose` needs, so that whatever is computed beside them lowers it;
* ``sites``: sites per second for ``--sites`` of them in one process, `eval` and here alternating;
  how long kernels ran meanwhile (from the profiler, in a run of its own); the peak of memory. Both
  are judged against `eval` in float32 (average precision at an IoU of 0.9), and so is `eval` itself
  in bfloat16;
* ``stages``: seconds per site of each stage, with the GPU idle before and after;
* ``little_memory``: the same masks when only a part of the memory is allowed;
* ``small``: sites per second of the small network, and of its parts;
* ``faults``: what becomes of a job when the GPU fails (`gpu_faults`);
* ``compiled``: the network compiled, alone and on whole sites;
* ``plate``: the memory in use while ``--plate`` sites go through.

Weights: those of ``--weights``, or random ones of the same network, which take the same time. From
random ones no objects come, so what the network says in float32 is replaced by the flows of real
labels; in bfloat16 its differences from float32 are added to them.

On a machine with a GPU: ``python benchmarks/gpu.py``; ``benchmarks/wheelhouse.py`` packs what it
needs for one without a package index. On a CPU, with a small network of the same kind:
``OMP_NUM_THREADS=1 python benchmarks/gpu.py --network small --side 256 --sites 1 4 --plate 50``.
"""

import argparse
import contextlib
import csv
import datetime
import platform
import resource
import statistics
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from itertools import cycle, islice
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from cellpose import dynamics, models, transforms, utils, vit
from cellpose.metrics import average_precision
from PIL import Image
from segment_anything.modeling.image_encoder import ImageEncoderViT
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.flop_counter import FlopCounterMode

from levelfield.segmentation import load_model, segment_images
from levelfield.segmentation.devices import choose_device
from levelfield.segmentation.methods.cellpose import CellposeOptions
from levelfield.segmentation.methods.network import NetworkOptions, decode
from levelfield.segmentation.networks.cellpose import model
from levelfield.segmentation.networks.cellpose.model import CellposeModel
from levelfield.segmentation.networks.cellpose.network import compile_network

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = REPOSITORY / "benchmarks" / "results"
DATA = REPOSITORY / "tests" / "data" / "bbbc038_train"
SMALL_NETWORK = REPOSITORY / "levelfield" / "weights" / "nuclei.safetensors"
COUNTS = 65535.0
DISTINCT = 4  # sites; more are repetitions of these
AMPLITUDE = 4.0  # of a random network's outputs: about that of a trained one's
THREADS = 3  # that share a GPU in a job

PLAIN, HALF = CellposeOptions(precision="float32"), CellposeOptions()


class Rows:
    """Rows of results, printed and written as they are made."""

    COLUMNS = (
        *("what", "sites", "sites_per_s", "ratio", "s_per_site", "tflops", "gpu_busy"),
        *("ap90_eval_float32", "ap90_labels", "gpu_gb", "gpu_reserved_gb", "process_gb", "note"),
    )

    def __init__(self, path, header):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", newline="")
        self._file.write(f"# {header}\n")
        self._writer = csv.DictWriter(self._file, self.COLUMNS, lineterminator="\n")
        self._writer.writeheader()
        self._start = time.perf_counter()
        print(header, flush=True)

    @property
    def seconds(self):
        return time.perf_counter() - self._start

    def add(self, what, **found):
        row = {name: f"{v:.4f}" if isinstance(v, float) else v for name, v in found.items()}
        self._writer.writerow({"what": what} | row)
        self._file.flush()
        told = ", ".join(f"{name} {value}" for name, value in row.items())
        print(f"[{self.seconds:5.0f} s] {what}: {told}", flush=True)


class Planted:
    """In place of what an untrained network says: flows of real labels, and its rounding.

    Parameters
    ----------
    flows, expected : (N, 3, Y, X) float32
        Flows of the labels of N sites, and what the network says in float32 in `eval`.
    """

    def __init__(self, flows, expected, device):
        self.flows, self.expected = flows, expected
        self.on_device = [torch.from_numpy(array).to(device) for array in (flows, expected)]
        self.seconds = 0.0  # that arrays took, which are none of Cellpose's

    def __call__(self, number, output):
        place = number % DISTINCT
        if isinstance(output, torch.Tensor):
            flows, expected = self.on_device
            return flows[place] + (output - expected[place])
        started = time.perf_counter()
        found = self.flows[place] + (output - self.expected[place])
        self.seconds += time.perf_counter() - started
        return found


class Ours(CellposeModel):
    """Finds objects in planted flows, after the network has run."""

    planted = None

    def _predict(self, canvases, options):
        for number, output in enumerate(super()._predict(canvases, options)):
            yield output if self.planted is None else self.planted(number, output)


class Theirs(models.CellposeModel):
    """The same for Cellpose's own class; `number` is that of the site."""

    planted, number = None, 0

    def _run_net(self, x, **options):
        flow, inside, styles = super()._run_net(x, **options)
        if self.planted is None:
            return flow, inside, styles
        found = self.planted(self.number, np.concatenate([flow[:, 0], inside]))
        return found[:2, None].copy(), found[2][None].copy(), styles


class SmallSam(torch.nn.Module):
    """In place of Segment Anything, with two layers."""

    def __init__(self, checkpoint=None):
        super().__init__()
        norm = partial(torch.nn.LayerNorm, eps=1e-6)
        self.image_encoder = ImageEncoderViT(
            depth=2, embed_dim=64, num_heads=2, out_chans=256, norm_layer=norm, use_rel_pos=True
        )


def read(name, folder):
    return np.asarray(Image.open(DATA / folder / name))


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


def flows_of(labels, device):
    """Return what a perfect network would say of labels: (3, Y, X)."""
    _, inside, down, across = dynamics.labels_to_flows([labels.copy()], device=device)[0]
    return np.stack([5 * down, 5 * across, 12 * inside - 6]).astype(np.float32)


def random_weights(folder, device, image):
    """Write weights of an untrained network that answers an image (1, Y, X) with some contrast."""
    torch.manual_seed(0)
    network = vit.CPSAM().eval().to(device)
    for name, value in network.named_parameters():
        if "rel_pos" in name or "pos_embed" in name:
            value.data.normal_(0, 0.02)
    # Outputs vary by AMPLITUDE around 0.
    features = []
    network.encoder.neck.register_forward_hook(lambda _, __, output: features.append(output))
    with torch.inference_mode():
        network(torch.from_numpy(image[:, :256, :256].repeat(3, 0)[None]).to(device))
        found = network.out(features[0])
    scale = AMPLITUDE / found.std((0, 2, 3))
    network.out.weight.data *= scale[:, None, None, None]
    network.out.bias.data = (network.out.bias.data - found.mean((0, 2, 3))) * scale
    path = Path(folder) / "random"
    network.cpu().save_model(path)
    return path


def finish(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(run, device, repeats=1):
    """Return the median of the seconds that a run takes, and the last result."""
    seconds, result = [], None
    for _ in range(repeats):
        finish(device)
        started = time.perf_counter()
        result = run()
        finish(device)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds), result


def busy_share(run, device, rows=None, name=""):
    """Return the share of the time in which a kernel ran on the GPU; name what took most."""
    if device.type != "cuda":
        return ""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        seconds, _ = timed(run, device)
    events = [
        event for event in profile.events() if event.device_type == torch.autograd.DeviceType.CUDA
    ]
    spans = sorted((event.time_range.start, event.time_range.end, event.name) for event in events)
    busy, until, by_kernel = 0.0, 0.0, {}
    for start, end, kernel in spans:
        busy += max(0.0, end - max(start, until))
        until = max(until, end)
        by_kernel[kernel] = by_kernel.get(kernel, 0.0) + end - start
    if rows is not None:
        total = sum(by_kernel.values())
        for kernel, spent in sorted(by_kernel.items(), key=lambda item: -item[1])[:14]:
            rows.add(f"kernels of {name}", ratio=spent / total, note=kernel[:110])
    return busy / 1e6 / seconds


def memory(device):
    """Return the peaks since `forget_peak`, in GB."""
    process = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    if device.type != "cuda":
        return {"process_gb": process}
    return {
        "gpu_gb": torch.cuda.max_memory_allocated(device) / 1e9,
        "gpu_reserved_gb": torch.cuda.max_memory_reserved(device) / 1e9,
        "process_gb": process,
    }


def forget_peak(device):
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


class Bench:
    """Both implementations, the sites, and where rows go."""

    def __init__(self, rows, arguments, device, weights):
        self.rows, self.arguments, self.device = rows, arguments, device.torch
        self.is_gpu = device.kind == "cuda"
        made = [mosaic(arguments.side, 7 * number) for number in range(DISTINCT)]
        self.sites = [image for image, _ in made]
        self.labels = [labels for _, labels in made]
        self.ours = Ours(weights, device)
        self.half, self.plain = (
            Theirs(pretrained_model=str(weights), device=self.device, use_bfloat16=half)
            for half in (self.is_gpu, False)
        )
        if not arguments.weights:
            flows = np.stack([flows_of(labels, self.device) for labels in self.labels])
            counted = [self._counts(image) for image in self.sites]
            expected = [
                self.plain.eval(image, channel_axis=2, batch_size=16, compute_masks=False)[1]
                for image in counted
            ]
            expected = np.stack([np.concatenate([flow, p[None]]) for _, flow, p in expected])
            self._tell_rounding(expected)
            planted = Planted(flows, expected, self.device)
            self.ours.planted = self.half.planted = self.plain.planted = planted
        self.reference = self.eval(self.plain, DISTINCT)

    def _tell_rounding(self, expected):
        """Add how far what a network says is from what it says in float32 in `eval`."""
        for name, options in (("float32", PLAIN), ("half", HALF)):
            found = np.stack(list(self.ours.outputs(self.sites, options)))
            share = np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2))
            self.rows.add(f"levelfield's network, {name}: difference", ratio=float(share))

    def images(self, number):
        return list(islice(cycle(self.sites), number))

    @staticmethod
    def _counts(image):
        return (image * COUNTS).transpose(1, 2, 0).copy()

    def eval(self, theirs, number):
        masks = []
        for theirs.number, image in enumerate(self.images(number)):
            batch = 64 if self.is_gpu else 8
            masks.append(theirs.eval(self._counts(image), channel_axis=2, batch_size=batch)[0])
        return masks

    def levelfield(self, number, options=HALF):
        return [result.labels for result in self.ours.stream(iter(self.images(number)), options)]

    def threads(self, number, options=HALF):
        """Let threads share the GPU, as a job does."""
        images = self.images(number)
        step = max(DISTINCT, number // THREADS // DISTINCT * DISTINCT)
        parts = [images[first : first + step] for first in range(0, number, step)]
        with ThreadPoolExecutor(THREADS) as pool:
            found = pool.map(lambda part: self.ours.segment(part, options), parts)
            return [result.labels for part in found for result in part]

    @property
    def planting_seconds(self):
        return self.ours.planted.seconds if self.ours.planted else 0.0

    def agreement(self, masks):
        def lowest(reference):
            pairs = list(zip(reference, masks, strict=False))[:DISTINCT]
            return min(
                float(average_precision(a.astype(int), b.astype(int), threshold=[0.9])[0][0])
                for a, b in pairs
            )

        return {
            "ap90_eval_float32": lowest(self.reference),
            "ap90_labels": "" if self.arguments.weights else lowest(self.labels),
        }

    def compare(self, runs, number, repeats):
        """Add a row for each run (of a number of sites); the first is what others are timed by."""
        first = None
        for name, run in runs.items():
            forget_peak(self.device)
            before = self.planting_seconds
            spent, masks = timed(partial(run, number), self.device, repeats)
            spent -= (self.planting_seconds - before) / repeats
            first = first or spent
            found = {"sites": number, "sites_per_s": number / spent, "ratio": first / spent}
            self.rows.add(name, **found, **self.agreement(masks), **memory(self.device))


def peak(bench):
    """Add what the device, the networks alone and attention alone reach."""
    rows, device = bench.rows, bench.device
    side, number = (8192, torch.bfloat16) if bench.is_gpu else (512, torch.float32)
    left, right = (torch.randn(side, side, device=device, dtype=number) for _ in range(2))
    timed(lambda: left @ right, device, 3)
    spent, _ = timed(lambda: [left @ right for _ in range(10)], device, 3)
    rows.add("matrix product, half", tflops=10 * 2 * side**3 / spent / 1e12, note=f"{side}²")
    source, target = (torch.empty(side * side * 8, device=device) for _ in range(2))
    spent, _ = timed(lambda: [target.copy_(source) for _ in range(10)], device, 3)
    rows.add("copy", note=f"{10 * 2 * source.nbytes / spent / 1e12:.2f} TB/s")
    bench.operations = _operations(bench)
    rows.add("operations per tile", tflops=bench.operations / 1e12)
    batches = [8, 16, 32, 64, 128] if bench.is_gpu else [1, 2]
    half = bench.ours.network(HALF)
    for batch in batches:
        _network_row(bench, "levelfield's network alone", half.module, half.precision, batch)
    for batch in batches[2:4] or batches[:1]:
        _network_row(bench, "cellpose's network alone", bench.half.net, half.precision, batch)
    plain, batch = bench.ours.network(PLAIN), batches[min(2, len(batches) - 1)]
    _network_row(bench, "levelfield's network alone, float32", plain.module, torch.float32, batch)
    _network_row(bench, "cellpose's network alone, float32", bench.plain.net, torch.float32, batch)
    tiles = torch.rand(batch, 3, 256, 256, device=device, dtype=half.precision)
    busy_share(lambda: half.run(tiles), device, rows, "levelfield's network")
    _attention(bench)


def _operations(bench):
    """Count the operations that Cellpose's own network needs for a tile."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        bench.plain.net(torch.zeros(1, 3, 256, 256, device=bench.device))
    return counter.get_total_flops()


def _network_row(bench, name, module, precision, batch):
    forget_peak(bench.device)
    tiles = torch.rand(batch, 3, 256, 256, device=bench.device, dtype=precision)
    with torch.inference_mode():
        timed(lambda: module(tiles), bench.device, 2)
        spent, _ = timed(lambda: module(tiles), bench.device, 3)
    bench.rows.add(
        name,
        tflops=batch * bench.operations / spent / 1e12,
        note=f"batches of {batch} tiles, {batch / spent:.1f} tiles/s",
        **memory(bench.device),
    )


def _attention(bench):
    """Time attention over 32 tiles as it could be asked for, and the layer's largest product."""
    device = bench.device
    batch, number = (32, torch.bfloat16) if bench.is_gpu else (1, torch.float32)
    for width in (64, 128):
        query, key, value = (
            torch.randn(batch, 16, 1024, width, device=device, dtype=number) for _ in range(3)
        )
        run = partial(scaled_dot_product_attention, query, key, value, scale=1.0)
        timed(run, device, 2)
        spent, _ = timed(run, device, 5)
        note = f"batch {batch}, 16 heads of width {width}: {1e3 * spent:.2f} ms"
        bench.rows.add(
            "attention", tflops=4 * batch * 16 * 1024**2 * width / spent / 1e12, note=note
        )
    bias = torch.randn(batch, 16, 1024, 1024, device=device, dtype=number)
    query, key, value = (part[..., :64] for part in (query, key, value))
    run = partial(scaled_dot_product_attention, query, key, value, attn_mask=bias, scale=1.0)
    timed(run, device, 2)
    spent, _ = timed(run, device, 5)
    bench.rows.add("attention", note=f"width 64 with a bias in memory: {1e3 * spent:.2f} ms")
    tokens = torch.randn(batch * 1024, 1024, device=device, dtype=number)
    layer = torch.nn.Linear(1024, 4096, device=device, dtype=number)
    timed(lambda: layer(tokens), device, 2)
    spent, _ = timed(lambda: layer(tokens), device, 5)
    bench.rows.add(
        "linear layer 1024 to 4096", tflops=2 * tokens.shape[0] * 1024 * 4096 / spent / 1e12
    )


def sites(bench):
    """Add sites per second of whole sites."""
    half = {"CellposeModel.eval": partial(bench.eval, bench.half), "levelfield": bench.levelfield}
    for run in half.values():
        run(1)  # the first call finds the fastest kernels
    for number in bench.arguments.sites:
        bench.compare(half, number, 1 if number > 10 else 3)
    most = max(bench.arguments.sites)
    shared = most // (THREADS * DISTINCT) * THREADS * DISTINCT or most
    bench.compare({f"levelfield, {THREADS} threads": bench.threads}, shared, 1)
    plain = {
        "CellposeModel.eval, float32": partial(bench.eval, bench.plain),
        "levelfield, float32": partial(bench.levelfield, options=PLAIN),
    }
    bench.compare(plain, DISTINCT, 1)
    few = min(10, most)
    for name, run in half.items():
        share = busy_share(partial(run, few), bench.device, bench.rows, name)
        bench.rows.add(name, sites=few, gpu_busy=share)


def stages(bench):
    """Add seconds per site of each stage of both, the GPU idle before and after."""
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
            ("renumber", model, "renumber"),
            ("fill holes", model, "fill_holes_and_remove_small_masks"),
            ("filter objects", model, "filter_objects"),
        ],
    }
    number = min(8, max(bench.arguments.sites))
    runs = {"CellposeModel.eval": partial(bench.eval, bench.half), "levelfield": bench.levelfield}
    for name, run in runs.items():
        spent = dict.fromkeys([stage for stage, _, _ in places[name]], 0.0)
        with contextlib.ExitStack() as stack:
            for stage, owner, function in places[name]:
                stack.enter_context(_watch(owner, function, stage, spent, bench.device))
            spent["everything"], _ = timed(partial(run, number), bench.device)
        for stage, value in spent.items():
            bench.rows.add(f"{name}: {stage}", sites=number, s_per_site=value / number)


def _watch(owner, function, stage, spent, device):
    original = getattr(owner, function)

    def watched(*arguments, **more):
        seconds, result = timed(lambda: original(*arguments, **more), device)
        spent[stage] += seconds
        return result

    return mock.patch.object(owner, function, watched)


def little_memory(bench):
    """Add how it ends when the allocator may have only a little more than the weights need."""
    if not bench.is_gpu:
        return
    forget_peak(bench.device)
    held = torch.cuda.memory_allocated(bench.device)
    whole = torch.cuda.mem_get_info(bench.device)[1]
    torch.cuda.set_per_process_memory_fraction((held + 3e9) / whole, bench.device)
    try:
        spent, masks = timed(partial(bench.levelfield, DISTINCT), bench.device)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, bench.device)
    portions = {portion.what: portion.size for portion in bench.ours._portions.values()}
    bench.ours._portions.clear()
    found = bench.agreement(masks) | memory(bench.device)
    note = f"3 GB beside the weights; at once afterwards: {portions}"
    bench.rows.add("levelfield", sites=DISTINCT, sites_per_s=DISTINCT / spent, note=note, **found)


def small(bench):
    """Add sites per second of the small network with its default decoder, and of its parts."""
    network = load_model("network", SMALL_NETWORK, bench.arguments.device)
    parameters, device = {"diameter": 20.0}, bench.device

    def whole(images):
        return segment_images(images, "network", parameters, [{"model": network}] * len(images))

    whole(bench.images(2))
    for number in bench.arguments.sites:
        forget_peak(device)
        spent, _ = timed(lambda n=number: whole(bench.images(n)), device, 1 if number > 10 else 3)
        bench.rows.add("small network", sites=number, sites_per_s=number / spent, **memory(device))
    number = max(bench.arguments.sites)
    with ThreadPoolExecutor(2 * THREADS) as pool:
        parts = [bench.images(8)] * max(1, number // 8)
        spent, _ = timed(lambda: list(pool.map(whole, parts)), device)
    done = 8 * len(parts)
    bench.rows.add(f"small network, {2 * THREADS} threads", sites=done, sites_per_s=done / spent)
    planes, groups = [image[0] for image in bench.images(8)], ("foreground", "flow")
    spent, found = timed(lambda: network.predict(planes, 20.0, groups), device, 3)
    bench.rows.add("small network: predict", sites=8, s_per_site=spent / 8)
    options = NetworkOptions.read(parameters, "method network")
    spent, _ = timed(lambda: decode(found[0], planes[0].shape, options, planes[0]), device, 3)
    bench.rows.add("small network: decode", sites=1, s_per_site=spent)
    if bench.is_gpu:
        batch = np.zeros((8, 1088, 1088), np.float32)
        spent, _ = timed(lambda: network.runtime(batch, groups), device, 3)
        bench.rows.add("small network: computed and copied", sites=8, s_per_site=spent / 8)
        share = busy_share(lambda: network.runtime(batch, groups), device, bench.rows, "U-Net")
        bench.rows.add("small network: computed and copied", sites=8, gpu_busy=share)


def faults(bench):
    """Add what becomes of a job when the GPU fails."""
    from gpu_faults import strike

    for row in strike(bench.arguments.device):
        bench.rows.add(**row)


def compiled(bench):
    """Add the network compiled, alone and in whole sites."""
    half, batch = bench.ours.network(HALF), 32 if bench.is_gpu else 1
    bench.operations = _operations(bench)
    tiles = torch.rand(batch, 3, 256, 256, device=bench.device)
    ready, seconds = compile_network(half, tiles)
    name = f"levelfield's network alone, compiled in {seconds:.0f} s"
    _network_row(bench, name, ready.module, half.precision, batch)
    options = CellposeOptions(compile=True)
    run = partial(bench.levelfield, options=options)
    run(1)
    bench.compare({"levelfield, compiled": run}, min(10, max(bench.arguments.sites)), 1)


def plate(bench):
    """Add the memory in use while as many sites as a plate has go through."""
    number, page = bench.arguments.plate, resource.getpagesize()
    forget_peak(bench.device)
    for done, _ in enumerate(bench.ours.stream(islice(cycle(bench.sites), number), HALF), start=1):
        if done == number or done % max(1, number // 8) == 0:
            resident = int(Path("/proc/self/statm").read_text().split()[1]) * page / 1e9
            used = memory(bench.device) | {"process_gb": resident}
            bench.rows.add("memory during a plate", sites=done, **used)


PARTS = (sites, peak, small, faults, stages, little_memory, compiled, plate)


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
    names = [part.__name__ for part in PARTS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--weights", type=Path, help="a file of Cellpose 4; random if left out")
    parser.add_argument("--network", choices=["full", "small"], default="full")
    parser.add_argument("--side", type=int, default=1080)
    parser.add_argument("--sites", type=int, nargs="+", default=[1, 10, 64])
    parser.add_argument("--plate", type=int, default=400)
    parser.add_argument("--parts", nargs="+", choices=names, default=names, metavar="PART")
    parser.add_argument("--seconds", type=float, default=480, help="later no part is begun")
    parser.add_argument("--out", type=Path, default=RESULTS / "gpu.csv")
    return parser.parse_args()


def main():
    arguments = read_arguments()
    device = choose_device(arguments.device)
    rows = Rows(arguments.out, describe(device.name, arguments))
    registered = {"vit_l": SmallSam} if arguments.network == "small" else {}
    with (
        mock.patch.dict(vit.sam_model_registry, registered),
        tempfile.TemporaryDirectory() as folder,
    ):
        image = mosaic(arguments.side, 0)[0]
        weights = arguments.weights or random_weights(folder, device.torch, image)
        bench = Bench(rows, arguments, device, weights)
        rows.add("ready", note=f"after {rows.seconds:.0f} s", **memory(device.torch))
        for part in PARTS:
            if part.__name__ not in arguments.parts:
                continue
            if rows.seconds > arguments.seconds:
                rows.add(part.__name__, note="left out: the time is over")
                continue
            try:
                part(bench)
            except Exception as error:  # the other parts can do without it
                traceback.print_exc()
                rows.add(part.__name__, note=f"failed: {error!r}"[:200])


if __name__ == "__main__":
    main()
