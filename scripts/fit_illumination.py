"""Fit the flat field of every channel of a plate."""

import pandas as pd

from levelfield.config.settings import Science
from levelfield.execution.logs import job_log
from levelfield.illumination import summary, to_arrays
from levelfield.illumination.picture import draw_flat_field
from levelfield.io.tables import read_csv, write_arrays, write_csv, write_figure
from levelfield.steps.fit_illumination import fit_plate

with job_log(snakemake.log[0]):
    what = f"illumination {snakemake.wildcards.plate}"
    science = Science(snakemake.params.science)
    fields = fit_plate(read_csv(snakemake.input.index), science, snakemake.threads, what)
    for (channel, field), path in zip(fields.items(), snakemake.output.pictures, strict=True):
        write_figure(draw_flat_field(field, channel), path)
    write_csv(pd.DataFrame(summary(fields)), snakemake.output.table)
    write_arrays(to_arrays(fields), snakemake.output.fields)
