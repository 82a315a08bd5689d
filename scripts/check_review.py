"""Check what people said, before anything is made of it."""

from levelfield.pipeline.logs import job_log
from levelfield.pipeline.review import read_review
from levelfield.pipeline.tables import write_csv
from levelfield.qc.review.answers import check_answers

with job_log(snakemake.log[0]):
    sheet = read_review(snakemake.input[0], snakemake.params.schema)
    check_answers(sheet, snakemake.wildcards.plate)
    write_csv(sheet, snakemake.output[0])
