"""The small network: sites per second, and of its parts."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from gpu_parts.bench import THREADS
from gpu_parts.measure import busy_share, forget_peak, memory, timed
from levelfield.segmentation import load_model, segment_images
from levelfield.segmentation.methods.network import NetworkOptions, decode

SMALL_NETWORK = (
    Path(__file__).resolve().parents[2] / "levelfield" / "weights" / "nuclei.safetensors"
)


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
