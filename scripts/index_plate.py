"""List the raw images of a plate."""

from pathlib import Path

from levelfield.config.layouts import read_layout
from levelfield.execution.logs import job_log
from levelfield.io.formats import index_plate
from levelfield.io.tables import write_csv

with job_log(snakemake.log[0]) as log:
    plate = snakemake.wildcards.plate
    science = snakemake.params.science
    layout = read_layout(snakemake.input.layout, snakemake.params.n_wells)
    index = index_plate(
        Path(snakemake.input.images), plate, layout, science["images"], science["channels"]
    )
    faulty = (index["fault"] != "").sum()
    log.info("plate %s: %d planes listed, %d of them with a fault", plate, len(index), faulty)
    write_csv(index, snakemake.output[0])
