# Is the segmentation good enough, in both control classes?


rule qc_evidence:
    input:
        segmented=rules.segment.output[0],
        illumination=rules.fit_illumination.output.fields,
    output:
        # update: a field whose labels are as before keeps its rows.
        evidence=update(PATHS.file("qc_evidence", "evidence")),
        pairs=update(PATHS.file("qc_evidence", "pairs")),
        candidates=update(PATHS.file("qc_evidence", "candidates")),
        fields=update(PATHS.file("qc_evidence", "fields")),
    log:
        PATHS.log("qc_evidence"),
    benchmark:
        PATHS.timing("qc_evidence")
    conda:
        "../../envs/levelfield-core.yaml"
    params:
        store=store_of,
        science=science("images", "channels", "objects"),
        threshold_level=config["qc"]["threshold_level"],
    message:
        "Collecting the evidence of {wildcards.pack} of plate {wildcards.plate}"
    script:
        "../../scripts/qc_evidence.py"


# Where the config asks for it: images of known truth, segmented as the plate is.
rule qc_collages:
    input:
        segmented=all_packs("segment", "fields"),
        evidence=all_packs("qc_evidence", "evidence"),
        index=rules.index_plate.output[0],
        layout=layout_of,
        illumination=rules.fit_illumination.output.fields,
        thresholds=rules.measure_thresholds.output[0] if PLAN.plate_thresholds else [],
        diameters=rules.measure_diameters.output[0] if PLAN.plate_diameters else [],
        classifiers=expand(
            rules.train_pixel_classifier.output, classifier=PLAN.classifiers
        ),
        weights=list(SET_WEIGHTS.values()),
    output:
        **all_files("qc_collages"),
    log:
        PATHS.log("qc_collages"),
    benchmark:
        PATHS.timing("qc_collages")
    conda:
        "../../envs/levelfield.yaml"
    params:
        n_wells=lambda wildcards: of_plate(wildcards).n_wells,
        store=store_of,
        science=science("images", "channels", "objects", "qc"),
        weights=list(SET_WEIGHTS),
    message:
        "Making collages of the control classes of plate {wildcards.plate}"
    script:
        "../../scripts/qc_collages.py"


# A rule of its own: Snakemake takes away what a failed job made before, and a wrong line in a sheet
# must not cost the verdict and the list that the sheet was filled from.
rule check_review:
    input:
        lambda wildcards: review_file(wildcards),
    output:
        PATHS.file("check_review"),
    log:
        PATHS.log("check_review"),
    localrule: True
    conda:
        "../../envs/levelfield-core.yaml"
    params:
        schema=str(SCHEMAS / "review.yaml"),
    message:
        "Checking the review of plate {wildcards.plate}"
    script:
        "../../scripts/check_review.py"


# On demand: levelfield review, or the name of the page.
rule review_page:
    input:
        review_list=PATHS.file("qc_plate", "review_list"),
        objects=PATHS.file("qc_plate", "objects"),
        candidates=PATHS.file("qc_plate", "candidates"),
        layout=layout_of,
        illumination=rules.fit_illumination.output.fields,
    output:
        PATHS.file("review_page"),
    log:
        PATHS.log("review_page"),
    benchmark:
        PATHS.timing("review_page")
    conda:
        "../../envs/levelfield-core.yaml"
    params:
        n_wells=lambda wildcards: of_plate(wildcards).n_wells,
        store=store_of,
        config=PLAN.science,
        path=lambda wildcards: str(PLAN.review_path(wildcards.plate)),
    message:
        "Drawing what people should look at on plate {wildcards.plate}"
    script:
        "../../scripts/review_page.py"


rule qc_plate:
    input:
        segmented=all_packs("segment", "fields"),
        evidence=all_packs("qc_evidence", "evidence"),
        pairs=all_packs("qc_evidence", "pairs"),
        candidates=all_packs("qc_evidence", "candidates"),
        fields=all_packs("qc_evidence", "fields"),
        sites=rules.summarise_plate.output.sites,
        plate=rules.summarise_plate.output.plate,
        layout=layout_of,
        review=lambda wildcards: (
            rules.check_review.output[0] if review_file(wildcards) else []
        ),
        calibration=(
            local(config["qc"]["calibration"]) if "calibration" in config["qc"] else []
        ),
    output:
        **all_files("qc_plate", but=["verdict"]),
        verdict=report(
            PATHS.file("qc_plate", "verdict"),
            category="Verdict",
            caption="../report/verdict.rst",
            labels={"plate": "{plate}"},
        ),
    log:
        PATHS.log("qc_plate"),
    benchmark:
        PATHS.timing("qc_plate")
    conda:
        "../../envs/levelfield-core.yaml"
    params:
        n_wells=lambda wildcards: of_plate(wildcards).n_wells,
        science=science("channels", "objects", "qc"),
        schema=str(SCHEMAS / "review.yaml"),
    message:
        "Judging plate {wildcards.plate}"
    script:
        "../../scripts/qc_plate.py"
