"""The worker's side of the exchange: read images from a folder, write labels into it.

Runs in other environments: standard library and numpy only. What lies in the folder is described
in `levelfield.segmentation.workers.exchange`.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

# Takes the model, images (C, Y, X) and parameters; returns labels (Y, X) of each.
Segment = Callable[[Any, Sequence[np.ndarray], dict[str, Any]], Sequence[np.ndarray]]


def serve(load: Callable[[Path, str], Any], segment: Segment) -> None:
    """Load a model, then segment whatever comes, until the other side closes its end.

    Called by a script with the arguments MODEL DEVICE FOLDER.

    Parameters
    ----------
    load : callable
        From the model's file and the device, as torch calls it, to the model.
    segment : Segment
    """
    # Answers go to what was standard output; whatever a package prints goes to the log instead.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    path, device, folder = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    loaded: list[Any] = []

    _answer(answers, folder, lambda: loaded.append(load(path, device)))
    for line in sys.stdin:
        request = Path(line.rstrip("\n"))
        _answer(answers, request, partial(_segment, loaded[0], request, segment))


def prepare_torch(device: str) -> None:
    """Refuse a GPU that torch does not see, and leave the other cores to other workers."""
    import torch

    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(
            f"device is {device!r}, but the torch of this environment ({torch.__version__}) sees "
            "no GPU; build the environment with a torch for this driver, or set 'device: cpu'"
        )
    torch.set_num_threads(1)


def _segment(model: Any, folder: Path, segment: Segment) -> None:
    request = json.loads((folder / "request.json").read_text())
    images = [np.load(folder / f"image_{number}.npy") for number in range(request["n_images"])]
    for number, labels in enumerate(segment(model, images, request["parameters"])):
        np.save(folder / f"labels_{number}.npy", np.asarray(labels).astype(np.int32))


def _answer(answers: Any, folder: Path, task: Callable[[], None]) -> None:
    """Run a task and tell how it went: an answer is one word, the reasons lie in the folder."""
    word = "done"
    try:
        task()
    except Exception as error:  # the other side decides what an error means
        traceback.print_exc()
        facts = {"kind": type(error).__name__, "message": str(error)}
        (folder / "error.json").write_text(json.dumps(facts))
        word = "failed"
    answers.write(word + "\n")
    answers.flush()
