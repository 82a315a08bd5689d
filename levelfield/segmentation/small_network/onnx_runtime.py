"""The small network on a CPU: by ONNX Runtime, on one thread, without torch."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime

from levelfield.arrays import Image
from levelfield.segmentation.small_network.graph import INPUT, Weights, encode_network
from levelfield.segmentation.small_network.prediction import GROUPS, RawOutputs
from levelfield.segmentation.small_network.tiles import MULTIPLE
from levelfield.segmentation.small_network.weights import read_network

_TILE = 416  # px, the largest side of a tile, which takes 100 MB
_SMALLEST = np.zeros((1, 1, MULTIPLE, MULTIPLE), np.float32)


def open_session(model: bytes | Path, keep_memory: bool) -> onnxruntime.InferenceSession:
    """Return a session that computes the same numbers each time, on one thread of the CPU.

    With `keep_memory` it keeps what a tile needed for the next one, which saves a quarter of the
    time; else it gives back each array at once.
    """
    options = onnxruntime.SessionOptions()
    # Work is divided over processes; more threads in each would only get in each other's way.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3  # errors
    options.enable_cpu_mem_arena = keep_memory
    options.enable_mem_pattern = False
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@dataclass(frozen=True)
class OnnxNetwork:
    """The network on a CPU, ready to run: a `Runtime`."""

    weights: Weights
    tile: int = _TILE
    overlap: int = 64
    batch: int = 1  # more would cost memory and gain nothing
    _sessions: dict[tuple[str, ...], onnxruntime.InferenceSession] = field(default_factory=dict)

    def session(self, groups: Sequence[str]) -> onnxruntime.InferenceSession:
        """Return the session that computes some outputs; each is made once."""
        key = tuple(groups)
        if key not in self._sessions:
            self._sessions[key] = open_session(encode_network(self.weights, groups), True)
        return self._sessions[key]

    def __call__(self, images: Image, groups: Sequence[str]) -> RawOutputs:
        """Return raw outputs of normalised tiles (1, Y, X)."""
        found = self.session(groups).run(list(groups), {INPUT: images[:, None]})
        return dict(zip(groups, found, strict=True))

    def rest(self) -> None:
        """Give back the memory that tiles needed; the session does so after a run."""
        options = onnxruntime.RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        for groups, session in self._sessions.items():
            session.run(list(groups), {INPUT: _SMALLEST}, options)


def load_onnx(path: Path) -> tuple[OnnxNetwork, dict[str, str]]:
    """Read weights and make them ready, with the facts about them.

    Raises
    ------
    ValueError
        If the file does not hold weights of this network.
    """
    weights, facts = read_network(path)
    try:
        encode_network(weights, list(GROUPS))
    except KeyError as error:
        raise ValueError(f"'{path}' lacks the weights {error} of the small network") from error
    return OnnxNetwork(weights), facts
