"""Collect what people corrected on segmented plates."""

from pathlib import Path

from levelfield.config.networks import network_settings
from levelfield.config.settings import Science
from levelfield.execution.logs import job_log
from levelfield.images.sites import sites_of
from levelfield.io.tables import read_csv
from levelfield.steps.collect_training import CorrectedPlate, collect_generation
from levelfield.steps.fields import field_reader, read_flat_fields

with job_log(snakemake.log[0]):
    params, science = snakemake.params, Science(snakemake.params.science)
    settings = network_settings(params.science)[params.network].corrections
    plates = []
    for index, fields, store in zip(
        snakemake.input.index, snakemake.input.illumination, params.stores, strict=True
    ):
        table = read_csv(index)
        sites = sites_of(table, [well for well in table["well"].unique() if well])
        places = tuple((site.well, site.number) for site in sites)
        reader = field_reader(store, science, read_flat_fields(fields), [settings.object_set])
        plates.append(CorrectedPlate(Path(store).stem, places, reader))
    collect_generation(
        plates,
        next(made for made in science.object_sets if made.name == settings.object_set),
        settings,
        [Path(path) for path in params.reviews],
        Path(params.schema),
        Path(snakemake.output.sheet).parent,
        [Path(path) for path in params.earlier],
    )
