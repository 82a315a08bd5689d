"""The small network, ready for the method `network` on any device."""

from pathlib import Path

from levelfield.segmentation.devices import choose_device
from levelfield.segmentation.small_network import inference


def load_model(path: Path, device: str = "cpu") -> inference.NetworkModel:
    """Read weights and make them ready; on a GPU of NVIDIA, one that follows the flows itself.

    Parameters and errors are those of `levelfield.segmentation.small_network.inference.load_model`.
    """
    model = inference.load_model(path, device)
    if choose_device(device).kind != "cuda":
        return model
    from levelfield.segmentation.networks.unet_flows import FollowingModel
    from levelfield.segmentation.networks.unet_runtime import TorchNetwork

    if not isinstance(model.runtime, TorchNetwork):
        raise TypeError(f"{device} needs a network of torch, not {type(model.runtime).__name__}")
    return FollowingModel(model.runtime, model.device_name, model.facts)
