# Features of every object, and the tables of the whole plate.


rule measure:
    input:
        segmented=rules.segment.output[0],
        illumination=rules.fit_illumination.output.fields,
    output:
        # update: a field whose labels are as before keeps its rows and is not measured again.
        [
            update(PATHS.file("measure", "objects", object_set=name))
            for name in PLAN.measured
        ],
        update(PATHS.file("measure", "image")),
        update(PATHS.file("measure", "thumbnails")),
    log:
        PATHS.log("measure"),
    benchmark:
        PATHS.timing("measure")
    conda:
        "../../envs/levelfield-core.yaml"
    params:
        store=store_of,
        science=science("images", "channels", "objects", "measurement"),
    message:
        "Measuring {wildcards.pack} of plate {wildcards.plate}"
    script:
        "../../scripts/measure.py"


rule summarise_plate:
    input:
        index=rules.index_plate.output[0],
        layout=layout_of,
        segmented=all_packs("segment", "fields"),
        measured=lambda wildcards: [
            path
            for name in (*PLAN.measured, "Image")
            for path in all_packs("measure", "objects", object_set=name)(wildcards)
        ],
    output:
        objects=expand(
            PATHS.file("summarise_plate", "objects"),
            object_set=PLAN.measured,
            ending=config["measurement"]["tables"],
            allow_missing=True,
        ),
        anndata=expand(
            PATHS.file("summarise_plate", "anndata"),
            object_set=PLAN.measured if config["measurement"]["anndata"] else [],
            allow_missing=True,
        ),
        sites=PATHS.file("summarise_plate", "sites"),
        wells=PATHS.file("summarise_plate", "wells"),
        excluded=report(
            PATHS.file("summarise_plate", "excluded"),
            category="Sites left out",
            caption="../report/excluded_sites.rst",
            labels={"plate": "{plate}"},
        ),
        plate=PATHS.file("summarise_plate", "plate"),
        image_quality=PATHS.file("summarise_plate", "image_quality"),
        readouts=report(
            PATHS.file("summarise_plate", "readouts"),
            category="Assay",
            caption="../report/readouts.rst",
            labels={"plate": "{plate}"},
        ),
    log:
        PATHS.log("summarise_plate"),
    benchmark:
        PATHS.timing("summarise_plate")
    conda:
        "../../envs/levelfield-core.yaml"
    params:
        n_wells=lambda wildcards: of_plate(wildcards).n_wells,
        # Here and nowhere before: a date that is added or corrected makes no labels again.
        date=lambda wildcards: of_plate(wildcards).date,
        objects=config["objects"],
        readouts=config["readouts"],
        statistics=config["measurement"]["well_statistics"],
        excluded_percent=config["qc"]["excluded_sites_percent"],
    message:
        "Joining the tables of plate {wildcards.plate}"
    script:
        "../../scripts/summarise_plate.py"
