"""The small network as the QC asks it: by ONNX Runtime, on one thread, without torch.

The same network as the method `network` has, in whole numbers of 8 bit
(`levelfield.qc.train.opinion_network`): a third of the time, a tenth of the memory.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnxruntime

from levelfield.arrays import Image
from levelfield.execution.memory import give_back_memory
from levelfield.images.normalisation import normalise
from levelfield.segmentation.small_network.onnx_runtime import open_session
from levelfield.segmentation.small_network.prediction import Prediction, far_phase
from levelfield.segmentation.small_network.targets import AFFINITY_OFFSETS, N_NEAR
from levelfield.segmentation.small_network.tiles import Canvas, Grid, rescale, tiles

SHIPPED_OPINION = Path(__file__).parent / "model" / "second_opinion.onnx"
NAME = "levelfield-opinion-1"
# An image of no more than this side (px) is asked about as a whole; larger ones in tiles of the
# second side, so that a process stays within 500 MB.
_WHOLE, _TILE = 640, 400
# Tiles share so many px, more than an object is wide at the scale at which the network is asked.
_OVERLAP = 48
_FAR = tuple(Grid(thinned=far_phase(offset)) for offset in AFFINITY_OFFSETS[N_NEAR:])


@dataclass(frozen=True)
class OpinionNetwork:
    """A network that is ready to be asked, on one thread of the CPU."""

    session: onnxruntime.InferenceSession

    def predict(self, image: Image, scale: float = 1.0) -> Prediction:
        """Predict one image (Y, X), without `cell_probability` and the star-convex polygons.

        An image of any intensity scale is enlarged by `scale` before; the prediction is as large as
        what comes of it.
        """
        scaled = normalise(rescale(image, scale))
        canvas = Canvas(scaled.shape, _OVERLAP, (Grid(), Grid(), Grid(), *_FAR))
        side = _WHOLE if max(scaled.shape) <= _WHOLE else _TILE
        for tile in tiles(scaled.shape, side, _OVERLAP):
            # Before a tile needs as much as the steps before it took.
            give_back_memory()
            inputs = {"image": tile.cut(scaled)[None, None]}
            outputs = self.session.run(None, inputs)
            together, *others = (output.reshape(-1, *tile.shape) for output in outputs)
            far = np.split(together[1 + N_NEAR :], len(_FAR))
            canvas.add(tile, [together[: 1 + N_NEAR], *others, *far])
            del outputs, together, others, far
        near, classes, shape, *far = canvas.blend()
        return Prediction(
            foreground=near[0],
            classes=classes,
            distance=shape[0],
            flow=shape[1:],
            affinities=near[1:],
            far_affinities=[each[0] for each in far],
        )


@lru_cache(maxsize=4)
def load_opinion(path: Path = SHIPPED_OPINION) -> OpinionNetwork:
    """Load what `levelfield.qc.train.opinion_network` wrote, once per process; else ValueError."""
    try:
        session = open_session(path, keep_memory=False)
    except Exception as error:  # ONNX Runtime's own errors have no common class that is public
        raise ValueError(
            f"'{path}' cannot be read as a network for the second opinion ({error}); write it with "
            "python -m levelfield.qc.train.opinion_network"
        ) from error
    if session.get_modelmeta().custom_metadata_map.get("network") != NAME:
        raise ValueError(
            f"'{path}' is an ONNX file, but not one for the QC's second opinion ({NAME}); write it "
            "with python -m levelfield.qc.train.opinion_network"
        )
    return OpinionNetwork(session)
