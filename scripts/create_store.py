"""Write the metadata of a plate's OME-Zarr store, before any field is written."""

from pathlib import Path

from levelfield.execution.logs import job_log
from levelfield.execution.space import check_space, predicted_bytes
from levelfield.io.plate_index import usable_sites
from levelfield.io.store import create_plate
from levelfield.io.tables import read_csv, write_csv

with job_log(snakemake.log[0]) as log:
    plate = snakemake.wildcards.plate
    index = read_csv(snakemake.input.index)
    needed = predicted_bytes(index, snakemake.params.n_sets)
    check_space(plate, needed, Path(snakemake.output[0]).parent)
    sites = usable_sites(index)
    store, version = snakemake.params.store, snakemake.params.version
    create_plate(store, plate, snakemake.params.n_wells, sites, version)
    log.info(
        "plate %s: an OME-Zarr %s store for %d fields in %s", plate, version, len(sites), store
    )
    write_csv(sites, snakemake.output[0])
