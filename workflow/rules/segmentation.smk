# Labels of every object set, a pack of wells at a time.


rule measure_thresholds:
    input:
        index=rules.index_plate.output[0],
        illumination=rules.fit_illumination.output.fields,
    output:
        PATHS.file("measure_thresholds"),
    log:
        PATHS.log("measure_thresholds"),
    benchmark:
        PATHS.timing("measure_thresholds")
    conda:
        "../../envs/levelfield.yaml"
    params:
        # Of the layout, the wells alone: another name of a perturbation measures nothing again.
        wells=lambda wildcards: threshold_wells(
            OBJECT_SETS, of_plate(wildcards).control_types
        ),
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
        PATHS.file("measure_diameters"),
    log:
        PATHS.log("measure_diameters"),
    benchmark:
        PATHS.timing("measure_diameters")
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
        thresholds=rules.measure_thresholds.output[0] if PLAN.plate_thresholds else [],
        diameters=rules.measure_diameters.output[0] if PLAN.plate_diameters else [],
        classifiers=expand(
            rules.train_pixel_classifier.output, classifier=PLAN.classifiers
        ),
        weights=list(SET_WEIGHTS.values()),
    output:
        PATHS.file("segment"),
    log:
        PATHS.log("segment"),
    benchmark:
        PATHS.timing("segment")
    conda:
        "../../envs/levelfield.yaml"
    resources:
        mem_mb=of_pack(segment_megabytes),
        runtime=of_pack(segment_minutes),
    params:
        wells=lambda wildcards: of_plate(wildcards).packs[wildcards.pack],
        store=store_of,
        label_folder=config["data_folder"],
        # Of the layout, no more than this: another name of a perturbation makes no labels again.
        planted_wells=wells_with_planted,
        science=science("images", "channels", "objects"),
        saturated_percent=config["qc"]["saturated_percent"],
        weights=list(SET_WEIGHTS),
    message:
        "Segmenting {wildcards.pack} of plate {wildcards.plate}"
    script:
        "../../scripts/segment.py"
