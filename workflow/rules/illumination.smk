# The flat field of every channel of a plate.


rule fit_illumination:
    input:
        index=rules.index_plate.output[0],
    output:
        fields=PATHS.file("fit_illumination", "fields"),
        table=PATHS.file("fit_illumination", "table"),
        pictures=report(
            expand(
                PATHS.file("fit_illumination", "pictures"),
                channel=CHANNELS,
                allow_missing=True,
            ),
            category="Illumination",
            subcategory="{plate}",
            caption="../report/illumination.rst",
            labels={"plate": "{plate}", "figure": "flat fields"},
        ),
    log:
        PATHS.log("fit_illumination"),
    benchmark:
        PATHS.timing("fit_illumination")
    conda:
        "../../envs/levelfield-core.yaml"
    params:
        science=science("images", "channels", "illumination"),
    message:
        "Fitting the flat field of plate {wildcards.plate}"
    script:
        "../../scripts/fit_illumination.py"
