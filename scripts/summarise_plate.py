"""Join the tables of a plate's packs, and list the sites that were left out."""

from levelfield.config.layouts import read_layout
from levelfield.config.planted import mark_layout
from levelfield.execution.logs import job_log
from levelfield.io.tables import read_csv, read_packs, write_anndata, write_csv, write_table
from levelfield.steps.summarise_plate import SummarySettings, summarise_plate

with job_log(snakemake.log[0]) as log:
    plate = snakemake.wildcards.plate
    layout = read_layout(snakemake.input.layout, snakemake.params.n_wells)
    summary = summarise_plate(
        plate,
        index=read_csv(snakemake.input.index),
        layout=mark_layout(layout, snakemake.params.objects),
        segmented=[read_csv(path) for path in snakemake.input.segmented],
        measured=read_packs(snakemake.input.measured),
        settings=SummarySettings(
            readouts=snakemake.params.readouts,
            excluded_limit=snakemake.params.excluded_percent,
            statistics=snakemake.params.statistics,
            date=snakemake.params.date,
        ),
    )
    for table, path in zip(summary.objects.values(), snakemake.output.objects, strict=True):
        write_table(table, path)
    for table, path in zip(summary.objects.values(), snakemake.output.anndata, strict=False):
        write_anndata(table, path)
    for name in ("sites", "wells", "excluded", "plate", "readouts", "image_quality"):
        write_csv(getattr(summary, name), snakemake.output[name])
    for line in summary.messages:
        log.info(line)
