# Raw plate exports -> one index table, and an empty store for the plate.


rule index_plate:
    input:
        images=lambda wildcards: of_plate(wildcards).images,
        # ancient: only other wells (params) make the index again, and with it all that follows.
        layout=lambda wildcards: ancient(of_plate(wildcards).layout_path),
    output:
        f"{PLATE}/index.csv",
    log:
        f"{PLATE}/logs/index_plate.log",
    benchmark:
        f"{PLATE}/timings/index_plate.tsv"
    conda:
        "../../envs/levelfield-core.yaml"
    params:
        n_wells=lambda wildcards: of_plate(wildcards).n_wells,
        wells=lambda wildcards: of_plate(wildcards).wells,
        science=science("images", "channels"),
    message:
        "Listing the images of plate {wildcards.plate}"
    script:
        "../../scripts/index_plate.py"


rule create_store:
    input:
        index=rules.index_plate.output[0],
    output:
        f"{PLATE}/store.csv",
    log:
        f"{PLATE}/logs/create_store.log",
    benchmark:
        f"{PLATE}/timings/create_store.tsv"
    conda:
        "../../envs/levelfield-core.yaml"
    params:
        n_wells=lambda wildcards: of_plate(wildcards).n_wells,
        store=f"{PLATE}/{{plate}}.zarr",
        n_sets=len(SETS),
    message:
        "Creating the OME-Zarr store of plate {wildcards.plate}"
    script:
        "../../scripts/create_store.py"
