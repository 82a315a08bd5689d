# Features of every object, and the tables of the whole plate.


rule measure:
    input:
        segmented=rules.segment.output[0],
        illumination=rules.fit_illumination.output.fields,
    output:
        # update: a field whose labels are as before keeps its rows and is not measured again.
        [
            update(f"{PLATE}/measure/{name}/{{pack}}.parquet")
            for name in (*MEASURED, "Image")
        ],
    log:
        f"{PLATE}/logs/measure_{{pack}}.log",
    benchmark:
        f"{PLATE}/timings/measure_{{pack}}.tsv"
    conda:
        "../../envs/levelfield-core.yaml"
    params:
        store=f"{PLATE}/{{plate}}.zarr",
        science=science("images", "channels", "objects", "measurement"),
    message:
        "Measuring {wildcards.pack} of plate {wildcards.plate}"
    script:
        "../../scripts/measure.py"


rule summarise_plate:
    input:
        index=rules.index_plate.output[0],
        layout=lambda wildcards: of_plate(wildcards).layout_path,
        segmented=all_packs("segment/{pack}.csv"),
        measured=lambda wildcards: [
            path
            for name in (*MEASURED, "Image")
            for path in all_packs(f"measure/{name}/{{pack}}.parquet")(wildcards)
        ],
    output:
        objects=expand(
            f"{PLATE}/objects/{{object_set}}.{{ending}}",
            object_set=MEASURED,
            ending=config["measurement"]["tables"],
            allow_missing=True,
        ),
        anndata=expand(
            f"{PLATE}/objects/{{object_set}}.h5ad",
            object_set=MEASURED if config["measurement"]["anndata"] else [],
            allow_missing=True,
        ),
        sites=f"{PLATE}/sites.csv",
        wells=f"{PLATE}/wells.csv",
        excluded=report(
            f"{PLATE}/excluded_sites.csv",
            category="Sites left out",
            caption="../report/excluded_sites.rst",
            labels={"plate": "{plate}"},
        ),
        plate=f"{PLATE}/plate.csv",
        readouts=report(
            f"{PLATE}/readouts.csv",
            category="Assay",
            caption="../report/readouts.rst",
            labels={"plate": "{plate}"},
        ),
    log:
        f"{PLATE}/logs/summarise_plate.log",
    benchmark:
        f"{PLATE}/timings/summarise_plate.tsv"
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
