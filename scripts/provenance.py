"""Note what a plate was made from, and with what, as an RO-Crate."""

import json
from pathlib import Path

from levelfield.execution.logs import job_log
from levelfield.io.provenance import run_crate
from levelfield.io.tables import write_text

with job_log(snakemake.log[0]):
    path = Path(snakemake.output[0])
    crate = run_crate(
        snakemake.wildcards.plate,
        path.parent,
        {
            "raw images": snakemake.params.url or snakemake.input.images,
            "layout": snakemake.input.layout,
        },
        map(Path, [*snakemake.input.results, *snakemake.input.thumbnails]),
        snakemake.params.config,
    )
    write_text(json.dumps(crate, indent=2) + "\n", path)
