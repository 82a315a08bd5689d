"""What one job does for its part of a plate: images in, tables and fields out.

Between the algorithms, which know arrays only, and the scripts, which know Snakemake: one module
per stage. A site that fails is recorded with its reason; the others go on.
"""
