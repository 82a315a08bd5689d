# So that plain `snakemake` works at the top; the table of contents is workflow/Snakefile.
include: "workflow/Snakefile"


# What an included file names as its default target, Snakemake does not take over.
rule whole_screen:
    default_target: True
    input:
        screen_results,
        plate_results,
    localrule: True
