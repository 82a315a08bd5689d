# Pages for people, and the provenance of every plate.


rule report_plate:
    input:
        layout=lambda wildcards: of_plate(wildcards).layout_path,
        summary=[
            rules.summarise_plate.output.sites,
            rules.summarise_plate.output.wells,
            rules.summarise_plate.output.excluded,
            rules.summarise_plate.output.plate,
            rules.summarise_plate.output.readouts,
        ],
        answers=rules.qc_plate.output.answers,
        verdict=rules.qc_plate.output.verdict,
        counts=rules.qc_plate.output.counts,
        trend=rules.qc_plate.output.trend,
        not_covered=rules.qc_plate.output.not_covered,
        truth=truth_table,
        qc_objects=rules.qc_plate.output.objects,
        candidates=rules.qc_plate.output.candidates,
        qc_sites=rules.qc_plate.output.sites,
        qc_wells=rules.qc_plate.output.wells,
        illumination=rules.fit_illumination.output.fields,
        illumination_table=rules.fit_illumination.output.table,
        pictures=rules.fit_illumination.output.pictures,
    output:
        report(
            f"{PLATE}/report.html",
            category="Reports",
            caption="../report/plate_report.rst",
            labels={"plate": "{plate}"},
        ),
    log:
        f"{PLATE}/logs/report_plate.log",
    benchmark:
        f"{PLATE}/timings/report_plate.tsv"
    conda:
        "../../envs/levelfield-core.yaml"
    params:
        n_wells=lambda wildcards: of_plate(wildcards).n_wells,
        store=f"{PLATE}/{{plate}}.zarr",
        config=SCIENCE,
    message:
        "Writing the report of plate {wildcards.plate}"
    script:
        "../../scripts/report_plate.py"


rule report_screen:
    input:
        plates=rules.qc_screen.output.plates,
        answers=rules.qc_screen.output.answers,
        all_answers=expand(rules.qc_plate.output.answers, plate=PLATES),
        verdict=rules.qc_screen.output.verdict,
        drift=rules.qc_screen.output.drift,
        verdicts=expand(rules.qc_plate.output.verdict, plate=PLATES),
        readouts=expand(rules.summarise_plate.output.readouts, plate=PLATES),
    output:
        report(
            f"{RESULTS}/screen/report.html",
            category="Reports",
            caption="../report/screen_report.rst",
            labels={"plate": "the whole screen"},
        ),
    log:
        f"{RESULTS}/screen/logs/report_screen.log",
    benchmark:
        f"{RESULTS}/screen/timings/report_screen.tsv"
    conda:
        "../../envs/levelfield-core.yaml"
    message:
        "Writing the report of the screen"
    script:
        "../../scripts/report_screen.py"


rule provenance:
    input:
        images=lambda wildcards: of_plate(wildcards).images,
        layout=lambda wildcards: of_plate(wildcards).layout_path,
        results=[
            rules.index_plate.output[0],
            rules.fit_illumination.output.fields,
            *rules.summarise_plate.output,
            *rules.qc_plate.output,
            rules.report_plate.output[0],
        ],
    output:
        f"{PLATE}/ro-crate-metadata.json",
    log:
        f"{PLATE}/logs/provenance.log",
    benchmark:
        f"{PLATE}/timings/provenance.tsv"
    conda:
        "../../envs/levelfield-core.yaml"
    params:
        config=SCIENCE,
    message:
        "Noting what plate {wildcards.plate} was made from, and with what"
    script:
        "../../scripts/provenance.py"
