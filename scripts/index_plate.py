"""List the raw images of a plate."""

from pathlib import Path

from levelfield.config.layouts import read_layout
from levelfield.execution.logs import job_log
from levelfield.io.tables import write_csv
from levelfield.steps.index_plate import list_images

with job_log(snakemake.log[0]):
    layout = read_layout(snakemake.input.layout, snakemake.params.n_wells)
    folder = snakemake.params.url or Path(str(snakemake.input.images))
    plate = snakemake.wildcards.plate
    # Not by its params: a new limit must not make the index again.
    index = list_images(folder, plate, layout, snakemake.config)
    write_csv(index, snakemake.output[0])
