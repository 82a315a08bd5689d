# Labels of every object set, a pack of wells at a time.


rule segment:
    input:
        index=rules.index_plate.output[0],
        store=rules.create_store.output[0],
        illumination=rules.fit_illumination.output.fields,
    output:
        f"{PLATE}/segment/{{pack}}.csv",
    log:
        f"{PLATE}/logs/segment_{{pack}}.log",
    benchmark:
        f"{PLATE}/timings/segment_{{pack}}.tsv"
    conda:
        "../../envs/levelfield.yaml"
    params:
        wells=lambda wildcards: of_plate(wildcards).pack(wildcards.pack).wells,
        store=f"{PLATE}/{{plate}}.zarr",
        science=science("images", "channels", "objects"),
        saturated_percent=config["qc"]["saturated_percent"],
    message:
        "Segmenting {wildcards.pack} of plate {wildcards.plate}"
    script:
        "../../scripts/segment.py"
