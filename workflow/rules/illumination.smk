# The flat field of every channel of a plate.


rule fit_illumination:
    input:
        index=rules.index_plate.output[0],
    output:
        fields=f"{PLATE}/illumination.npz",
        table=f"{PLATE}/illumination.csv",
        pictures=report(
            expand(
                f"{PLATE}/illumination/{{channel}}.png",
                channel=CHANNELS,
                allow_missing=True,
            ),
            category="Illumination",
            subcategory="{plate}",
            caption="../report/illumination.rst",
            labels={"plate": "{plate}", "figure": "flat fields"},
        ),
    log:
        f"{PLATE}/logs/fit_illumination.log",
    benchmark:
        f"{PLATE}/timings/fit_illumination.tsv"
    conda:
        "../../envs/levelfield-core.yaml"
    params:
        science=science("images", "channels", "illumination"),
    message:
        "Fitting the flat field of plate {wildcards.plate}"
    script:
        "../../scripts/fit_illumination.py"
