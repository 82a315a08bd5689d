"""Compare the labels of a plate with reference labels, and write the page about it."""

from pathlib import Path

from levelfield.config.layouts import read_layout
from levelfield.config.planted import mark_layout, planted_note
from levelfield.config.settings import Science
from levelfield.execution.logs import job_log
from levelfield.io.provenance import versions
from levelfield.io.tables import read_csv, write_csv, write_figure, write_text
from levelfield.report.evaluation import EvaluationReport, draw_scores, evaluation_page
from levelfield.steps.evaluate import evaluate_plate, usable_fields

with job_log(snakemake.log[0]):
    settings = Science({"evaluation": snakemake.params.settings}).evaluation
    layout = read_layout(snakemake.input.layout, snakemake.params.n_wells)
    fields = usable_fields(
        read_csv(snakemake.input.index),
        [read_csv(path) for path in snakemake.input.segmented],
        mark_layout(layout, snakemake.params.objects),
    )
    plate = snakemake.wildcards.plate
    found = evaluate_plate(plate, fields, settings, snakemake.params.folder, snakemake.params.store)
    for name, table in found._asdict().items():
        write_csv(table, snakemake.output[name])
    picture = Path(snakemake.output.picture)
    write_figure(draw_scores(found.images, settings.by), picture)
    data = EvaluationReport(
        plate=plate,
        settings=settings,
        picture=picture.read_bytes(),
        versions=versions(),
        planted=planted_note(snakemake.params.objects),
        **found._asdict(),
    )
    write_text(evaluation_page(data), snakemake.output.page)
