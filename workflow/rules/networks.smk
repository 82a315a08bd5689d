# Which weights there are: fetched from elsewhere, or trained here, and from what.
from levelfield.config.networks import (
    check_networks,
    generation_folder,
    network_settings,
    review_files,
    weights_file,
)
from levelfield.io.weights import CATALOGUE, named_weights
from levelfield.config.sheets import read_sheet


def read_weights(config):
    """The networks that are trained here, and the weights that have to be fetched, by name."""
    networks = network_settings(config)
    sets = config["objects"].values()
    names = {one["weights"] for one in sets if "weights" in one} - set(networks)
    names |= {network.start for network in networks.values() if network.start}
    try:
        check_networks(networks, config)
        return networks, named_weights(names, config["weights"], CATALOGUE)
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
NETWORK = generation_folder(RESULTS, "{network}", "{generation}")


def generation_files(network, name, generations):
    """A file of some generations of a network."""
    return [
        f"{generation_folder(RESULTS, network, number)}/{name}"
        for number in generations
    ]


def uncollected():
    """Networks whose corrections wait to be collected, by the folder of their generation.

    The labels that people looked at are made again with the weights that learn from them, so a
    collection is never made twice: once it is there, no rule makes it, nor that of a generation
    before.
    """
    waiting = {}
    for name, network in NETWORKS.items():
        folder = f"{name}/generation_{network.generation}"
        done = Path(RESULTS, "networks", folder, "collected.csv").is_file()
        if network.corrections and network.generation and not done:
            waiting[folder] = network
    return waiting


UNCOLLECTED = uncollected()


def training_files(wildcards):
    """The images and labels that the sheet of a network names: who changes them trains again."""
    sheet = NETWORKS[wildcards.network].training
    if not sheet:
        return []
    try:
        named = read_sheet(Path(sheet)).reindex(columns=["image", "labels", "known"])
    except ValueError as error:
        raise WorkflowError(str(error)) from None
    return sorted(
        {path for path in named.to_numpy().ravel() if isinstance(path, str) and path}
    )


def collected(wildcards):
    """The collections that a generation learns from: its own and all before it."""
    network = NETWORKS[wildcards.network]
    if not network.corrections:
        return []
    number = int(wildcards.generation)
    for path in generation_files(network.name, "collected.csv", range(1, number)):
        if not Path(path).is_file():
            raise WorkflowError(
                f"networks.{network.name}.generation is {number}, but there is no '{path}': raise "
                "the generation by one at a time, and keep the folders of those before it."
            )
    return generation_files(network.name, "collected.csv", range(1, number + 1))
