"""What the device, the networks alone and attention alone reach."""

from functools import partial

import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.flop_counter import FlopCounterMode

from gpu_parts.bench import HALF, PLAIN
from gpu_parts.measure import busy_share, forget_peak, memory, timed


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
    bench.operations = operations(bench)
    rows.add("operations per tile", tflops=bench.operations / 1e12)
    batches = [8, 16, 32, 64, 128] if bench.is_gpu else [1, 2]
    half = bench.ours.network(HALF)
    for batch in batches:
        network_row(bench, "levelfield's network alone", half.module, half.precision, batch)
    for batch in batches[2:4] or batches[:1]:
        network_row(bench, "cellpose's network alone", bench.half.net, half.precision, batch)
    plain, batch = bench.ours.network(PLAIN), batches[min(2, len(batches) - 1)]
    network_row(bench, "levelfield's network alone, float32", plain.module, torch.float32, batch)
    network_row(bench, "cellpose's network alone, float32", bench.plain.net, torch.float32, batch)
    tiles = torch.rand(batch, 3, 256, 256, device=device, dtype=half.precision)
    busy_share(lambda: half.run(tiles), device, rows, "levelfield's network")
    _attention(bench)


def operations(bench):
    """Count the operations that Cellpose's own network needs for a tile."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        bench.plain.net(torch.zeros(1, 3, 256, 256, device=bench.device))
    return counter.get_total_flops()


def network_row(bench, name, module, precision, batch):
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
