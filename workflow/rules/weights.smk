# Weights of networks: fetched on the head node, checked, and only then used; or trained here.
import logging

from levelfield.pipeline.training_settings import (
    check_networks,
    network_settings,
    weights_file,
)
from levelfield.pipeline.weights import find_weights, named_weights


def read_weights(config):
    """The networks that are trained here, and the weights that have to be fetched, by name."""
    networks = network_settings(config)
    sets = config["objects"].values()
    names = {one["weights"] for one in sets if "weights" in one} - set(networks)
    names |= {network.start for network in networks.values() if network.start}
    catalogue = SCHEMAS.parent.parent / "config" / "weights.yaml"
    try:
        check_networks(networks, config)
        return networks, named_weights(names, config["weights"], catalogue)
    except ValueError as error:
        raise WorkflowError(str(error)) from None


NETWORKS, WEIGHTS = read_weights(config)
TRAINED = {
    name: weights_file(RESULTS, network)
    for name, network in NETWORKS.items()
    if network.generation
}
# The files of weights that object sets name: fetched, or trained here.
SET_WEIGHTS = {
    name: (
        weights_file(RESULTS, NETWORKS[name])
        if name in NETWORKS
        else f"resources/weights/{name}"
    )
    for name in sorted(
        {one.weights for one in OBJECT_SETS if one.weights},
    )
}
# What they are, and what may be done with them, belongs into the report; where they lie does not.
SCIENCE["weights"] = {
    name: {"sha256": one.sha256, "licence": one.licence}
    for name, one in WEIGHTS.items()
}
WEIGHTS_CACHE = Path(os.path.expandvars(config["weights_cache"])).expanduser()


onstart:
    # The rule below would find the same, but only beside jobs that were submitted already: weights
    # that cannot be had, or are others than the config says, must stop a run before its first job.
    logging.getLogger("levelfield").addHandler(logging.StreamHandler())
    logging.getLogger("levelfield").setLevel(logging.INFO)
    try:
        for name, weights in WEIGHTS.items():
            find_weights(weights, Path("resources/weights", name), WEIGHTS_CACHE)
    except ValueError as error:
        raise WorkflowError(str(error)) from None


localrules:
    fetch_weights,


rule fetch_weights:
    output:
        ensure(
            "resources/weights/{weights}",
            sha256=lambda wildcards: WEIGHTS[wildcards.weights].sha256,
        ),
    log:
        "resources/weights/logs/{weights}.log",
    params:
        weights=lambda wildcards: vars(WEIGHTS[wildcards.weights]),
        cache=str(WEIGHTS_CACHE),
    message:
        "Fetching the weights {wildcards.weights}"
    script:
        "../../scripts/fetch_weights.py"
