# Is the segmentation good enough, in both control classes?


rule qc_evidence:
    input:
        segmented=rules.segment.output[0],
        illumination=rules.fit_illumination.output.fields,
    output:
        # update: a field whose labels are as before keeps its rows.
        evidence=update(f"{PLATE}/qc/evidence/{{pack}}.parquet"),
        pairs=update(f"{PLATE}/qc/pairs/{{pack}}.parquet"),
        candidates=update(f"{PLATE}/qc/candidates/{{pack}}.parquet"),
        fields=update(f"{PLATE}/qc/fields/{{pack}}.parquet"),
    log:
        f"{PLATE}/logs/qc_evidence_{{pack}}.log",
    benchmark:
        f"{PLATE}/timings/qc_evidence_{{pack}}.tsv"
    conda:
        "../../envs/levelfield-core.yaml"
    params:
        store=f"{PLATE}/{{plate}}.zarr",
        science=science("images", "channels", "objects"),
        threshold_level=config["qc"]["threshold_level"],
    message:
        "Collecting the evidence of {wildcards.pack} of plate {wildcards.plate}"
    script:
        "../../scripts/qc_evidence.py"


localrules:
    check_review,


# A rule of its own: Snakemake takes away what a failed job made before, and a wrong line in a sheet
# must not cost the verdict and the list that the sheet was filled from.
rule check_review:
    input:
        lambda wildcards: review_file(wildcards),
    output:
        f"{PLATE}/qc/review_checked.csv",
    log:
        f"{PLATE}/logs/check_review.log",
    conda:
        "../../envs/levelfield-core.yaml"
    params:
        schema=str(SCHEMAS / "review.yaml"),
    message:
        "Checking the review of plate {wildcards.plate}"
    script:
        "../../scripts/check_review.py"


rule qc_plate:
    input:
        segmented=all_packs("segment/{pack}.csv"),
        evidence=all_packs("qc/evidence/{pack}.parquet"),
        pairs=all_packs("qc/pairs/{pack}.parquet"),
        candidates=all_packs("qc/candidates/{pack}.parquet"),
        fields=all_packs("qc/fields/{pack}.parquet"),
        sites=rules.summarise_plate.output.sites,
        plate=rules.summarise_plate.output.plate,
        layout=lambda wildcards: of_plate(wildcards).layout_path,
        review=lambda wildcards: (
            rules.check_review.output[0] if review_file(wildcards) else []
        ),
    output:
        objects=f"{PLATE}/qc/objects.parquet",
        candidates=f"{PLATE}/qc/candidates.parquet",
        sites=f"{PLATE}/qc/sites.csv",
        wells=f"{PLATE}/qc/wells.csv",
        estimates=f"{PLATE}/qc/estimates.csv",
        counts=f"{PLATE}/qc/counts.csv",
        trend=f"{PLATE}/qc/trend.csv",
        not_covered=f"{PLATE}/qc/not_covered.csv",
        confounders=f"{PLATE}/qc/confounders.csv",
        reviewed=f"{PLATE}/qc/reviewed.csv",
        reviewers=f"{PLATE}/qc/reviewers.csv",
        review_list=f"{PLATE}/qc/review_list.csv",
        verdict=report(
            f"{PLATE}/qc/verdict.csv",
            category="Verdict",
            caption="../report/verdict.rst",
            labels={"plate": "{plate}"},
        ),
        answers=f"{PLATE}/qc/answers.csv",
    log:
        f"{PLATE}/logs/qc_plate.log",
    benchmark:
        f"{PLATE}/timings/qc_plate.tsv"
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


rule qc_screen:
    input:
        estimates=expand(rules.qc_plate.output.estimates, plate=PLATES),
        reviewed=expand(rules.qc_plate.output.reviewed, plate=PLATES),
        answers=expand(rules.qc_plate.output.answers, plate=PLATES),
        plates=expand(rules.summarise_plate.output.plate, plate=PLATES),
    output:
        verdict=report(
            f"{RESULTS}/screen/verdict.csv",
            category="Verdict",
            caption="../report/verdict.rst",
            labels={"plate": "the whole screen"},
        ),
        answers=f"{RESULTS}/screen/answers.csv",
        drift=f"{RESULTS}/screen/drift.csv",
        plates=f"{RESULTS}/screen/plates.csv",
    log:
        f"{RESULTS}/screen/logs/qc_screen.log",
    benchmark:
        f"{RESULTS}/screen/timings/qc_screen.tsv"
    conda:
        "../../envs/levelfield-core.yaml"
    params:
        science=science("channels", "objects", "qc"),
    message:
        "Judging the screen"
    script:
        "../../scripts/qc_screen.py"
