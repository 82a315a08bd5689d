"""Whole sites: their rate beside `eval`, each stage, little memory, a plate's worth."""

import contextlib
import resource
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from unittest import mock

import torch
from cellpose import dynamics, models, transforms, utils

from gpu_parts.bench import HALF, PLAIN, THREADS
from gpu_parts.images import DISTINCT
from gpu_parts.measure import busy_share, forget_peak, memory, timed
from gpu_parts.peak import network_row, operations
from levelfield.segmentation.methods.cellpose import CellposeOptions
from levelfield.segmentation.networks.cellpose import finishing, model
from levelfield.segmentation.networks.cellpose.network import compile_network


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
            ("fill holes", finishing, "fill_holes"),
            ("filter objects", finishing, "filter_objects"),
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


def compiled(bench):
    """Add the network compiled, alone and in whole sites."""
    half, batch = bench.ours.network(HALF), 32 if bench.is_gpu else 1
    bench.operations = operations(bench)
    tiles = torch.rand(batch, 3, 256, 256, device=bench.device)
    ready, seconds = compile_network(half, tiles)
    name = f"levelfield's network alone, compiled in {seconds:.0f} s"
    network_row(bench, name, ready.module, half.precision, batch)
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
