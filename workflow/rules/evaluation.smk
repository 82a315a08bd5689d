# The labels against those that people drew. Only with the config's section 'evaluation'.


rule evaluate:
    input:
        index=rules.index_plate.output[0],
        layout=lambda wildcards: of_plate(wildcards).layout_path,
        segmented=all_packs("segment/{pack}.csv"),
        references=lambda wildcards: REFERENCES.get(wildcards.plate, []),
    output:
        objects=f"{PLATE}/evaluation/objects.csv",
        images=f"{PLATE}/evaluation/images.csv",
        groups=f"{PLATE}/evaluation/groups.csv",
        references=f"{PLATE}/evaluation/references.csv",
        picture=f"{PLATE}/evaluation/evaluation.png",
        page=report(
            f"{PLATE}/evaluation/evaluation.html",
            category="Evaluation",
            caption="../report/evaluation.rst",
            labels={"plate": "{plate}"},
        ),
    log:
        f"{PLATE}/logs/evaluate.log",
    benchmark:
        f"{PLATE}/timings/evaluate.tsv"
    conda:
        "../../envs/levelfield-core.yaml"
    params:
        n_wells=lambda wildcards: of_plate(wildcards).n_wells,
        store=f"{PLATE}/{{plate}}.zarr",
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
        layout=lambda wildcards: of_plate(wildcards).layout_path,
    output:
        report(
            f"{PLATE}/qc/truth.csv",
            category="Verdict",
            caption="../report/truth.rst",
            labels={"plate": "{plate}"},
        ),
    log:
        f"{PLATE}/logs/qc_truth.log",
    benchmark:
        f"{PLATE}/timings/qc_truth.tsv"
    conda:
        "../../envs/levelfield-core.yaml"
    params:
        n_wells=lambda wildcards: of_plate(wildcards).n_wells,
        science=science("channels", "objects", "qc"),
    message:
        "Setting the references of plate {wildcards.plate} beside its verdict"
    script:
        "../../scripts/qc_truth.py"
