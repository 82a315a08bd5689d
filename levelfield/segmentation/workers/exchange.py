"""Talk to a segmenter in another environment through files.

A worker is a process that runs ``run_<name>.py`` with the Python of the environment ``<name>``. It
loads its model once. For each request there is a folder:

* ``request.json``: ``n_images`` and ``parameters``;
* ``image_<i>.npy``: (C, Y, X) float32, intensity 0-1;
* the worker adds ``labels_<i>.npy``, (Y, X) int32, or ``error.json`` with ``kind`` and ``message``.

The folder's path is written to the worker's standard input; ``done`` or ``failed`` comes back.
"""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from levelfield.arrays import Image, Labels
from levelfield.segmentation.device_clock import DEVICE_CLOCK
from levelfield.segmentation.device_faults import MachineFault, is_gpu_failure
from levelfield.segmentation.devices import choose_device
from levelfield.segmentation.options import SizeFilter
from levelfield.segmentation.result import Segmentation, filtered

SCRIPTS = Path(__file__).parent
ENVIRONMENTS = "LEVELFIELD_ENVIRONMENTS"
"""Environment variable that names the folder of the environments; else ``.venvs``."""

_LOG_LINES = 12  # of a dead worker's last words
# Kinds of errors in a worker that are no image's; only their names come back.
_MACHINE_FAULTS = ("MemoryError", "OutOfMemoryError", "AcceleratorError", "OSError")


def environment_python(name: str) -> Path:
    """Return the Python of an environment.

    Raises
    ------
    ValueError
        If the environment has not been built.
    """
    folder = Path(os.environ.get(ENVIRONMENTS) or SCRIPTS.parents[2] / ".venvs") / name
    python = folder / "bin" / "python"
    if not python.exists():
        raise ValueError(
            f"method {name} runs in an environment of its own, and there is none at '{folder}'. "
            f"Build it once with `make env-{name}` in Levelfield's folder, or name the folder that "
            f"holds it in the variable {ENVIRONMENTS}"
        )
    return python


class Worker:
    """A segmenter in another environment, with its model loaded; several threads may use it.

    The environment and the script have its name. The rule for the device is one for
    `levelfield.segmentation.devices.choose_device`: a worker must not fall back to the CPU where a
    GPU was granted.

    Raises
    ------
    ValueError
        If the environment has not been built, or the worker cannot load the model.
    """

    def __init__(self, name: str, model: Path, rule: str) -> None:
        device = choose_device(rule)
        self.name, self.device_name = name, device.name
        self._lock = Lock()
        # On the node's own disk: what is exchanged is read once, by a neighbour.
        self._folder = tempfile.TemporaryDirectory(prefix=f"levelfield-{name}-")
        self._root = Path(self._folder.name)
        script = SCRIPTS / f"run_{name}.py"
        command = (environment_python(name), script, model.resolve(), device.place, self._root)
        self._command = [str(part) for part in command]
        self._start()

    def segment(self, images: Sequence[Image], parameters: Mapping[str, Any]) -> list[Labels]:
        """Segment images (C, Y, X); return labels (Y, X) as the other package made them.

        Raises
        ------
        ValueError
            If the worker says that an image or a parameter is wrong.
        RuntimeError
            If the worker has died. The next images get a new one: what one image is too large for
            must not be the end of all.
        """
        with tempfile.TemporaryDirectory(dir=self._root) as name:
            folder = Path(name)
            for number, image in enumerate(images):
                np.save(folder / f"image_{number}.npy", image)
            request = {"n_images": len(images), "parameters": dict(parameters)}
            (folder / "request.json").write_text(json.dumps(request))
            with self._lock, DEVICE_CLOCK:  # other threads write and read their images meanwhile
                self._ask(folder)
            labels = [np.load(folder / f"labels_{number}.npy") for number in range(len(images))]
        for image, found in zip(images, labels, strict=True):
            if found.shape != image.shape[1:]:
                raise RuntimeError(
                    f"method {self.name} returned labels of {found.shape} px for an image of "
                    f"{image.shape[1:]} px; its package has changed in a way that is not known here"
                )
        return labels

    def _ask(self, folder: Path) -> None:
        """Have the worker answer a request; a worker that has died gets a successor first."""
        if self._process.poll() is not None:
            self._start()
        try:
            self._process.stdin.write(f"{folder}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._death() from None
        self._read_answer(folder)

    def close(self) -> None:
        """End the worker and remove its folder."""
        self._process.communicate()
        self._folder.cleanup()

    def _start(self) -> None:
        with (self._root / "log.txt").open("w") as log:
            self._process: Any = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=os.environ | {"PYTHONNOUSERSITE": "1"},
            )
        self._read_answer(self._root)

    def _read_answer(self, folder: Path) -> None:
        answer = self._process.stdout.readline().strip()
        if answer == "failed":
            facts = json.loads((folder / "error.json").read_text())
            text = f"{facts['message']} ({facts['kind']})"
            # The name of the kind is all that is left of it.
            if facts["kind"] in _MACHINE_FAULTS or is_gpu_failure(RuntimeError(text)):
                raise MachineFault(f"the worker of method {self.name} failed: {text}.")
            raise ValueError(f"method {self.name}: {text}")
        if answer != "done":
            raise self._death()

    def _death(self) -> RuntimeError:
        status = self._process.wait()
        last = (self._root / "log.txt").read_text().splitlines()[-_LOG_LINES:]
        killed = status == -signal.SIGKILL  # else the image may have been its death
        return (MachineFault if killed else RuntimeError)(
            f"the worker of method {self.name} ended with status {status} (-9: killed, mostly for "
            "memory). Its last words:\n" + "\n".join(last)
        )


def segment_with_worker(
    images: Sequence[Image], options: SizeFilter, inputs: Sequence[Mapping[str, Any]]
) -> list[Segmentation]:
    """Have a worker segment images, and keep the objects of the size that the options want."""
    from levelfield.labels.objects import largest_parts

    sent = options.model_dump(exclude=set(SizeFilter.model_fields))
    found = inputs[0]["model"].segment(images, sent)
    return [filtered(largest_parts(labels), options, {}) for labels in found]
