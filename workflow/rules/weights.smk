# Weights of networks: fetched on the head node, checked, and only then used.
import logging

from levelfield.io.weights import find_weights

WEIGHTS_CACHE = Path(os.path.expandvars(config["weights_cache"])).expanduser()


onstart:
    # The rule below would find the same, but only beside jobs that were submitted already: weights
    # that cannot be had, or are others than the config says, must stop a run before its first job.
    logging.getLogger("levelfield").addHandler(logging.StreamHandler())
    logging.getLogger("levelfield").setLevel(logging.INFO)
    try:
        for name, weights in WEIGHTS.items():
            find_weights(
                weights,
                Path(PLAN.results.file("fetch_weights", weights=name)),
                WEIGHTS_CACHE,
            )
    except ValueError as error:
        raise WorkflowError(str(error)) from None


rule fetch_weights:
    output:
        ensure(
            PATHS.file("fetch_weights"),
            sha256=lambda wildcards: WEIGHTS[wildcards.weights].sha256,
        ),
    log:
        PATHS.log("fetch_weights"),
    localrule: True
    conda:
        "../../envs/levelfield.yaml"
    params:
        weights=lambda wildcards: vars(WEIGHTS[wildcards.weights]),
        cache=str(WEIGHTS_CACHE),
    message:
        "Fetching the weights {wildcards.weights}"
    script:
        "../../scripts/fetch_weights.py"
