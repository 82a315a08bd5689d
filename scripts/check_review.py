"""Check what people said, before anything is made of it."""

from levelfield.pipeline.logs import job_log
from levelfield.pipeline.review import read_review
from levelfield.pipeline.tables import write_csv

with job_log(snakemake.log[0]):
    sheet = read_review(snakemake.input[0], snakemake.params.schema)
    write_csv(sheet, snakemake.output[0])
