# Which weights there are: fetched from elsewhere, or trained here, and from what.
from levelfield.config.networks import review_files

NETWORKS, WEIGHTS = PLAN.networks, PLAN.weights
TRAINED = [name for name, network in NETWORKS.items() if network.generation]
# The files of weights that object sets name: fetched, or trained here.
SET_WEIGHTS = {name: PLAN.weights_file(name, PATHS) for name in PLAN.named_weights}
UNCOLLECTED = PLAN.uncollected()


def collections(results, network, generations):
    """What was collected for some generations of a network, below some results."""
    return [
        results.file("collect_training", collection=f"{network}/generation_{number}")
        for number in generations
    ]


def generation_folders(network, generations):
    """The folders of some generations of a network, for params."""
    files = collections(PLAN.results, network, generations)
    return [f"{Path(path).parent}/" for path in files]


def training_files(wildcards):
    """The images and labels that the sheet of a network names: who changes them trains again."""
    sheet = NETWORKS[wildcards.network].training
    if not sheet:
        return []
    columns = checked(read_columns, Path(sheet))
    named = [columns.get(name, []) for name in ("image", "labels", "known")]
    return [
        local(path)
        for path in sorted({path for paths in named for path in paths if path})
    ]


def collected(wildcards):
    """The collections that a generation learns from: its own and all before it."""
    network = NETWORKS[wildcards.network]
    if not network.corrections:
        return []
    number = int(wildcards.generation)
    for path in collections(PLAN.results, network.name, range(1, number)):
        if not Path(path).is_file():
            raise WorkflowError(
                f"networks.{network.name}.generation is {number}, but there is no '{path}': raise "
                "the generation by one at a time, and keep the folders of those before it."
            )
    return collections(PATHS, network.name, range(1, number + 1))
