"""Fetch the weights of a network, and check them."""

from pathlib import Path

from levelfield.config.weights import Weights
from levelfield.execution.logs import job_log
from levelfield.io.weights import fetch_weights

with job_log(snakemake.log[0]):
    weights = Weights(**snakemake.params.weights)
    fetch_weights(weights, Path(snakemake.output[0]), Path(snakemake.params.cache))
