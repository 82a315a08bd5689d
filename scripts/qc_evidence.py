"""Collect the evidence for the QC of a pack of wells."""

from pathlib import Path

from levelfield.config.results import checkpoints_of
from levelfield.config.settings import Science
from levelfield.execution.checkpoints import Checkpoint
from levelfield.execution.logs import job_log
from levelfield.io.tables import read_csv, read_previous, write_parquet
from levelfield.steps.fields import field_reader, read_flat_fields
from levelfield.steps.qc_evidence import TABLES, EvidenceJob, evidence_pack, judged_sets

with job_log(snakemake.log[0]):
    plate, pack = snakemake.wildcards.plate, snakemake.wildcards.pack
    science = Science(snakemake.params.science)
    flat_fields = read_flat_fields(snakemake.input.illumination)
    job = EvidenceJob(
        field_reader(snakemake.params.store, science, flat_fields),
        judged_sets(science),
        snakemake.params.threshold_level,
    )
    paths = {name: Path(snakemake.output[name]) for name in TABLES}
    checkpoint = Checkpoint(checkpoints_of(snakemake.params.store), f"qc_evidence_{pack}")
    tables = evidence_pack(
        read_csv(snakemake.input.segmented),
        job,
        read_previous(paths),
        snakemake.threads,
        f"evidence {plate} {pack}",
        checkpoint,
    )
    checkpoint.check()
    for name, path in paths.items():
        write_parquet(tables[name], path)
    checkpoint.remove()
