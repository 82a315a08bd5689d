# Raw plate exports -> one index table, and an empty store for the plate.


rule index_plate:
    input:
        images=images_of,
        # ancient: only other wells (params) make the index again, and with it all that follows.
        layout=lambda wildcards: ancient(layout_of(wildcards)),
    output:
        PATHS.file("index_plate"),
    log:
        PATHS.log("index_plate"),
    benchmark:
        PATHS.timing("index_plate")
    localrule: LISTED_HERE
    conda:
        "../../envs/levelfield-core.yaml"
    params:
        n_wells=lambda wildcards: of_plate(wildcards).n_wells,
        wells=lambda wildcards: of_plate(wildcards).wells,
        url=images_url,
        science=science("images", "channels"),
    message:
        "Listing the images of plate {wildcards.plate}"
    script:
        "../../scripts/index_plate.py"


rule create_store:
    input:
        index=rules.index_plate.output[0],
    output:
        PATHS.file("create_store"),
    log:
        PATHS.log("create_store"),
    benchmark:
        PATHS.timing("create_store")
    conda:
        "../../envs/levelfield-core.yaml"
    params:
        n_wells=lambda wildcards: of_plate(wildcards).n_wells,
        store=store_of,
        n_sets=len(OBJECT_SETS),
        version=config["store_format"],
    message:
        "Creating the OME-Zarr store of plate {wildcards.plate}"
    script:
        "../../scripts/create_store.py"
