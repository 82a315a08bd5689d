"""Collect the evidence for the QC of a pack of wells."""

from pathlib import Path

from levelfield.config.results import checkpoints_of
from levelfield.config.settings import Science
from levelfield.execution.checkpoints import Checkpoint
from levelfield.execution.field_cache import remake_tables
from levelfield.execution.logs import job_log
from levelfield.io.tables import read_csv
from levelfield.steps.fields import field_reader, read_flat_fields
from levelfield.steps.qc_evidence import TABLES, EvidenceJob, judged_sets

with job_log(snakemake.log[0]):
    plate, pack = snakemake.wildcards.plate, snakemake.wildcards.pack
    science = Science(snakemake.params.science)
    flat_fields = read_flat_fields(snakemake.input.illumination)
    job = EvidenceJob(
        field_reader(snakemake.params.store, science, flat_fields),
        judged_sets(science),
        snakemake.params.threshold_level,
    )
    segmented = read_csv(snakemake.input.segmented)
    paths = {name: Path(snakemake.output[name]) for name in TABLES}
    checkpoint = Checkpoint(checkpoints_of(snakemake.params.store), f"qc_evidence_{pack}")
    what = f"evidence {plate} {pack}"
    remake_tables(job, segmented, paths, snakemake.threads, what, checkpoint)
