# What is learned: pixel classifiers, and networks from annotated images and from corrections.


wildcard_constraints:
    network="|".join(NETWORKS) or "-",
    generation=r"\d+",


rule train_pixel_classifier:
    input:
        lambda wildcards: local(
            config["pixel_classifiers"][wildcards.classifier]["training"]
        ),
    output:
        PATHS.file("train_pixel_classifier"),
    log:
        PATHS.log("train_pixel_classifier"),
    benchmark:
        PATHS.timing("train_pixel_classifier")
    conda:
        "../../envs/levelfield.yaml"
    params:
        science=lambda wildcards: config["pixel_classifiers"][wildcards.classifier],
        schema=str(SCHEMAS / "training.yaml"),
    message:
        "Training the pixel classifier {wildcards.classifier}"
    script:
        "../../scripts/train_pixel_classifier.py"


rule collect_training:
    input:
        index=expand(rules.index_plate.output, plate=PLATES),
        illumination=expand(rules.fit_illumination.output.fields, plate=PLATES),
    output:
        sheet=PATHS.file("collect_training", "sheet"),
        reviews=PATHS.file("collect_training", "reviews"),
        corrections=PATHS.file("collect_training", "corrections"),
        images=directory(PATHS.file("collect_training", "images")),
    log:
        PATHS.log("collect_training"),
    benchmark:
        PATHS.timing("collect_training")
    wildcard_constraints:
        collection="|".join(map(re.escape, UNCOLLECTED)) or "-",
    conda:
        "../../envs/levelfield.yaml"
    params:
        network=lambda wildcards: UNCOLLECTED[wildcards.collection].name,
        reviews=lambda wildcards: [
            str(path)
            for path in review_files(
                UNCOLLECTED[wildcards.collection].corrections.reviews, list(PLATES)
            )
        ],
        schema=str(SCHEMAS / "review.yaml"),
        stores=[PLAN.results.store(name) for name in PLATES],
        earlier=lambda wildcards: generation_folders(
            UNCOLLECTED[wildcards.collection].name,
            UNCOLLECTED[wildcards.collection].earlier,
        ),
        science=science("images", "channels", "objects", "networks"),
    message:
        "Collecting what people corrected, for {wildcards.collection}"
    script:
        "../../scripts/collect_training.py"


rule train_network:
    input:
        sheet=lambda wildcards: [
            local(path) for path in (NETWORKS[wildcards.network].training,) if path
        ],
        annotated=training_files,
        collected=collected,
        start=lambda wildcards: (
            PATHS.file("fetch_weights", weights=NETWORKS[wildcards.network].start)
            if NETWORKS[wildcards.network].start
            else []
        ),
    output:
        weights=PATHS.file("train_network", "weights"),
        split=PATHS.file("train_network", "split"),
        history=PATHS.file("train_network", "history"),
        evaluation=PATHS.file("train_network", "evaluation"),
        generations=PATHS.file("train_network", "generations"),
        pictures=report(
            [
                PATHS.file("train_network", "losses_picture"),
                PATHS.file("train_network", "generations_picture"),
            ],
            category="Training",
            caption="../report/training.rst",
            labels={"network": "{network}", "generation": "{generation}"},
        ),
    log:
        PATHS.log("train_network"),
    benchmark:
        PATHS.timing("train_network")
    conda:
        "../../envs/levelfield.yaml"
    # One process learns, the other makes the samples; the weights are the same with one.
    threads: 2
    params:
        science=lambda wildcards: {
            "networks": {wildcards.network: config["networks"][wildcards.network]}
        },
        schema=str(SCHEMAS / "network_training.yaml"),
        earlier=lambda wildcards: generation_folders(
            wildcards.network, range(1, int(wildcards.generation))
        ),
    message:
        "Training generation {wildcards.generation} of network {wildcards.network}"
    script:
        "../../scripts/train_network.py"


rule train_networks:
    input:
        [PLAN.weights_file(name, PATHS) for name in TRAINED],
    localrule: True
