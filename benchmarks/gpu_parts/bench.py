"""Both implementations of Cellpose, the sites, and where rows go."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import cycle, islice

import numpy as np
from cellpose.metrics import average_precision

from gpu_parts.images import COUNTS, DISTINCT, flows_of, mosaic
from gpu_parts.measure import forget_peak, memory, timed
from gpu_parts.planted import Ours, Planted, Theirs
from levelfield.segmentation.methods.cellpose import CellposeOptions

THREADS = 3  # that share a GPU in a job
PLAIN, HALF = CellposeOptions(precision="float32"), CellposeOptions()


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
