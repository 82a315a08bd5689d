# Pages for people, and the provenance of every plate.


rule report_plate:
    input:
        layout=layout_of,
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
        collages=collage_files,
        qc_objects=rules.qc_plate.output.objects,
        candidates=rules.qc_plate.output.candidates,
        qc_sites=rules.qc_plate.output.sites,
        qc_wells=rules.qc_plate.output.wells,
        thumbnails=all_packs("measure", "thumbnails"),
        illumination=rules.fit_illumination.output.fields,
        illumination_table=rules.fit_illumination.output.table,
        pictures=rules.fit_illumination.output.pictures,
    output:
        page=report(
            PATHS.file("report_plate"),
            category="Reports",
            caption="../report/plate_report.rst",
            labels={"plate": "{plate}"},
        ),
        # The pictures of wells, which the page loads when somebody looks.
        browser=directory(PATHS.file("report_plate", "browser")),
    log:
        PATHS.log("report_plate"),
    benchmark:
        PATHS.timing("report_plate")
    conda:
        "../../envs/levelfield-core.yaml"
    params:
        n_wells=lambda wildcards: of_plate(wildcards).n_wells,
        store=store_of,
        config=PLAN.science,
    message:
        "Writing the report of plate {wildcards.plate}"
    script:
        "../../scripts/report_plate.py"


rule provenance:
    input:
        images=images_of,
        layout=layout_of,
        results=[
            rules.index_plate.output[0],
            rules.fit_illumination.output.fields,
            *rules.summarise_plate.output,
            *rules.qc_plate.output,
            *rules.report_plate.output,
        ],
        thumbnails=all_packs("measure", "thumbnails"),
    output:
        PATHS.file("provenance"),
    log:
        PATHS.log("provenance"),
    benchmark:
        PATHS.timing("provenance")
    conda:
        "../../envs/levelfield-core.yaml"
    params:
        url=images_url,
        config=PLAN.science,
    message:
        "Noting what plate {wildcards.plate} was made from, and with what"
    script:
        "../../scripts/provenance.py"
