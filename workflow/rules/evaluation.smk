# The labels against those that people drew. Only with the config's section 'evaluation'.


rule evaluate:
    input:
        index=rules.index_plate.output[0],
        layout=layout_of,
        segmented=all_packs("segment", "fields"),
        references=lambda wildcards: [
            local(str(path)) for path in REFERENCES.get(wildcards.plate, [])
        ],
    output:
        objects=PATHS.file("evaluate", "objects"),
        images=PATHS.file("evaluate", "images"),
        groups=PATHS.file("evaluate", "groups"),
        references=PATHS.file("evaluate", "references"),
        picture=PATHS.file("evaluate", "picture"),
        page=report(
            PATHS.file("evaluate", "page"),
            category="Evaluation",
            caption="../report/evaluation.rst",
            labels={"plate": "{plate}"},
        ),
    log:
        PATHS.log("evaluate"),
    benchmark:
        PATHS.timing("evaluate")
    conda:
        "../../envs/levelfield-core.yaml"
    params:
        n_wells=lambda wildcards: of_plate(wildcards).n_wells,
        store=store_of,
        folder=config["data_folder"],
        objects=config["objects"],
        settings=config["evaluation"],
    message:
        "Comparing plate {wildcards.plate} with its reference labels"
    script:
        "../../scripts/evaluate.py"


rule qc_truth:
    input:
        images=rules.evaluate.output.images,
        objects=rules.qc_plate.output.objects,
        candidates=rules.qc_plate.output.candidates,
        sites=rules.qc_plate.output.sites,
        verdict=rules.qc_plate.output.verdict,
        layout=layout_of,
    output:
        report(
            PATHS.file("qc_truth"),
            category="Verdict",
            caption="../report/truth.rst",
            labels={"plate": "{plate}"},
        ),
    log:
        PATHS.log("qc_truth"),
    benchmark:
        PATHS.timing("qc_truth")
    conda:
        "../../envs/levelfield-core.yaml"
    params:
        n_wells=lambda wildcards: of_plate(wildcards).n_wells,
        science=science("channels", "objects", "qc"),
    message:
        "Setting the references of plate {wildcards.plate} beside its verdict"
    script:
        "../../scripts/qc_truth.py"
