"""Collect the evidence for the QC of a pack of wells."""

from functools import partial
from pathlib import Path

from levelfield.config.results import checkpoints_of
from levelfield.execution.checkpoints import Checkpoint
from levelfield.execution.field_cache import remake_tables
from levelfield.execution.logs import job_log
from levelfield.io.tables import read_csv
from levelfield.steps.fields import read_flat_fields
from levelfield.steps.qc_evidence import TABLES, evidence_job, evidence_pack

with job_log(snakemake.log[0]):
    plate, pack = snakemake.wildcards.plate, snakemake.wildcards.pack
    job = evidence_job(
        snakemake.params.store,
        snakemake.params.science,
        read_flat_fields(snakemake.input.illumination),
        snakemake.params.threshold_level,
    )
    make = partial(evidence_pack, read_csv(snakemake.input.segmented), job)
    paths = {name: Path(snakemake.output[name]) for name in TABLES}
    checkpoint = Checkpoint(checkpoints_of(snakemake.params.store), f"qc_evidence_{pack}")
    remake_tables(make, paths, snakemake.threads, f"evidence {plate} {pack}", checkpoint)
