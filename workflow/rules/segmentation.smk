# Labels of every object set, a pack of wells at a time.


rule measure_thresholds:
    input:
        index=rules.index_plate.output[0],
        layout=lambda wildcards: of_plate(wildcards).layout_path,
        illumination=rules.fit_illumination.output.fields,
    output:
        f"{PLATE}/thresholds.csv",
    log:
        f"{PLATE}/logs/measure_thresholds.log",
    benchmark:
        f"{PLATE}/timings/measure_thresholds.tsv"
    conda:
        "../../envs/levelfield.yaml"
    params:
        n_wells=lambda wildcards: of_plate(wildcards).n_wells,
        science=science("images", "channels", "objects"),
    message:
        "Measuring the thresholds of plate {wildcards.plate}"
    script:
        "../../scripts/measure_thresholds.py"


rule measure_diameters:
    input:
        index=rules.index_plate.output[0],
        illumination=rules.fit_illumination.output.fields,
        weights=list(SET_WEIGHTS.values()),
    output:
        f"{PLATE}/diameters.csv",
    log:
        f"{PLATE}/logs/measure_diameters.log",
    benchmark:
        f"{PLATE}/timings/measure_diameters.tsv"
    conda:
        "../../envs/levelfield.yaml"
    params:
        science=science("images", "channels", "objects"),
        weights=list(SET_WEIGHTS),
    message:
        "Measuring the diameters of objects of plate {wildcards.plate}"
    script:
        "../../scripts/measure_diameters.py"


rule segment:
    input:
        index=rules.index_plate.output[0],
        store=rules.create_store.output[0],
        illumination=rules.fit_illumination.output.fields,
        thresholds=rules.measure_thresholds.output[0] if PLATE_THRESHOLDS else [],
        diameters=rules.measure_diameters.output[0] if PLATE_DIAMETERS else [],
        # Which wells are which control matters to labels only where errors are planted.
        layout=lambda wildcards: of_plate(wildcards).layout_path if PLANTED else [],
        classifiers=expand(rules.train_pixel_classifier.output, classifier=CLASSIFIERS),
        weights=list(SET_WEIGHTS.values()),
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
        label_folder=config["data_folder"],
        n_wells=lambda wildcards: of_plate(wildcards).n_wells,
        science=science("images", "channels", "objects"),
        saturated_percent=config["qc"]["saturated_percent"],
        weights=list(SET_WEIGHTS),
    message:
        "Segmenting {wildcards.pack} of plate {wildcards.plate}"
    script:
        "../../scripts/segment.py"
