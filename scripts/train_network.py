"""Train one generation of a network."""

from dataclasses import replace
from pathlib import Path

from levelfield.config.networks import network_settings
from levelfield.execution.logs import job_log
from levelfield.steps.train_network import NetworkTraining, train_network

with job_log(snakemake.log[0], snakemake.resources.get("gpu", 0)):
    given, params = snakemake.input, snakemake.params
    network = network_settings(params.science)[snakemake.wildcards.network]
    train_network(
        NetworkTraining(
            network=replace(network, generation=int(snakemake.wildcards.generation)),
            sheets=tuple(Path(path) for path in [given.sheet, *given.collected] if path),
            schema=Path(params.schema),
            start=Path(given.start) if given.start else None,
            earlier=tuple(Path(path) for path in params.earlier),
            folder=Path(snakemake.output.weights).parent,
            device=snakemake.config["device"],
            workers=snakemake.threads - 1,
        )
    )
