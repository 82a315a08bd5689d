"""The file that holds the weights of the small network: plain data, half precision, a few MB."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

NAME = "levelfield-unet-1"


def read_network(path: Path) -> tuple[dict[str, NDArray[np.float32]], dict[str, str]]:
    """Read weights, and facts about them such as data and licence; nothing is executed.

    Weights have the names that torch gives them.

    Raises
    ------
    ValueError
        If the file is not one that `levelfield.segmentation.networks.unet.save_network` wrote.
    """
    try:
        with safe_open(path, "np") as file:
            facts = dict(file.metadata() or {})
            weights = {
                name: np.asarray(file.get_tensor(name), np.float32)
                for name in file.keys()  # noqa: SIM118
            }
    except (OSError, SafetensorError) as error:
        raise ValueError(f"'{path}' is not a safetensors file of weights ({error})") from error
    if facts.get("network") != NAME:
        raise ValueError(
            f"'{path}' holds weights of {facts.get('network', 'another network')}, not of "
            f"Levelfield's small network ({NAME}); choose the method that they were made for"
        )
    return weights, facts
