# What is learned: pixel classifiers, and networks from annotated images and from corrections.


wildcard_constraints:
    network="|".join(NETWORKS) or "-",
    generation=r"\d+",


localrules:
    train_networks,


rule train_pixel_classifier:
    input:
        lambda wildcards: config["pixel_classifiers"][wildcards.classifier]["training"],
    output:
        f"{RESULTS}/classifiers/{{classifier}}.npz",
    log:
        f"{RESULTS}/classifiers/logs/{{classifier}}.log",
    benchmark:
        f"{RESULTS}/classifiers/timings/{{classifier}}.tsv"
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
        sheet=f"{RESULTS}/networks/{{uncollected}}/collected.csv",
        reviews=f"{RESULTS}/networks/{{uncollected}}/reviews.csv",
        corrections=f"{RESULTS}/networks/{{uncollected}}/corrections.csv",
        images=directory(f"{RESULTS}/networks/{{uncollected}}/corrected"),
    log:
        f"{RESULTS}/networks/{{uncollected}}/logs/collect_training.log",
    benchmark:
        f"{RESULTS}/networks/{{uncollected}}/timings/collect_training.tsv"
    wildcard_constraints:
        uncollected="|".join(map(re.escape, UNCOLLECTED)) or "-",
    conda:
        "../../envs/levelfield.yaml"
    params:
        network=lambda wildcards: UNCOLLECTED[wildcards.uncollected].name,
        reviews=lambda wildcards: [
            str(path)
            for path in review_files(
                UNCOLLECTED[wildcards.uncollected].corrections.reviews, list(PLATES)
            )
        ],
        schema=str(SCHEMAS / "review.yaml"),
        stores=expand(f"{PLATE}/{{plate}}.zarr", plate=PLATES),
        earlier=lambda wildcards: generation_files(
            UNCOLLECTED[wildcards.uncollected].name,
            "",
            UNCOLLECTED[wildcards.uncollected].earlier,
        ),
        science=science("images", "channels", "objects", "networks"),
    message:
        "Collecting what people corrected, for {wildcards.uncollected}"
    script:
        "../../scripts/collect_training.py"


rule train_network:
    input:
        sheet=lambda wildcards: NETWORKS[wildcards.network].training or [],
        annotated=training_files,
        collected=collected,
        start=lambda wildcards: (
            f"resources/weights/{NETWORKS[wildcards.network].start}"
            if NETWORKS[wildcards.network].start
            else []
        ),
    output:
        weights=f"{NETWORK}/weights.safetensors",
        split=f"{NETWORK}/split.csv",
        history=f"{NETWORK}/history.csv",
        evaluation=f"{NETWORK}/evaluation.csv",
        generations=f"{NETWORK}/generations.csv",
        pictures=report(
            [f"{NETWORK}/losses.png", f"{NETWORK}/generations.png"],
            category="Training",
            caption="../report/training.rst",
            labels={"network": "{network}", "generation": "{generation}"},
        ),
    log:
        f"{NETWORK}/logs/train_network.log",
    benchmark:
        f"{NETWORK}/timings/train_network.tsv"
    conda:
        "../../envs/levelfield.yaml"
    # One process learns, the other makes the samples; the weights are the same with one.
    threads: 2
    params:
        science=lambda wildcards: {
            "networks": {wildcards.network: config["networks"][wildcards.network]}
        },
        schema=str(SCHEMAS / "network_training.yaml"),
        earlier=lambda wildcards: generation_files(
            wildcards.network, "", range(1, int(wildcards.generation))
        ),
    message:
        "Training generation {wildcards.generation} of network {wildcards.network}"
    script:
        "../../scripts/train_network.py"


rule train_networks:
    input:
        list(TRAINED.values()),
