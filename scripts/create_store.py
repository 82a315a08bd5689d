"""Write the metadata of a plate's OME-Zarr store, before any field is written."""

from levelfield.formats.index import usable_sites
from levelfield.pipeline.logs import job_log
from levelfield.pipeline.tables import read_csv, write_csv
from levelfield.store import create_plate

with job_log(snakemake.log[0]) as log:
    plate = snakemake.wildcards.plate
    sites = usable_sites(read_csv(snakemake.input.index))
    create_plate(snakemake.params.store, plate, snakemake.params.n_wells, sites)
    log.info("plate %s: a store for %d fields in %s", plate, len(sites), snakemake.params.store)
    write_csv(sites, snakemake.output[0])
