"""Check what people said, before anything is made of it."""

from levelfield.execution.logs import job_log
from levelfield.io.tables import write_csv
from levelfield.qc.review.answers import check_answers
from levelfield.steps.check_review import read_review

with job_log(snakemake.log[0]):
    sheet = read_review(snakemake.input[0], snakemake.params.schema)
    check_answers(sheet, snakemake.wildcards.plate)
    write_csv(sheet, snakemake.output[0])
