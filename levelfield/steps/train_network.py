"""Train one generation of a network, and write all that should be known of it."""

import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from levelfield.config.networks import NetworkSettings
from levelfield.config.sheets import ConfigError, SheetError, read_sheet
from levelfield.io.tables import read_csv, write_csv
from levelfield.segmentation.devices import choose_device
from levelfield.steps.training_sheets import read_annotated
from levelfield.training.corrections import UNKNOWN
from levelfield.training.generations import generations
from levelfield.training.kinds import KINDS
from levelfield.training.loop import train
from levelfield.training.picture import draw_generations, draw_losses
from levelfield.training.recipe import Machine, TrainingSettings
from levelfield.training.samples import TrainingImage, training_image
from levelfield.training.scoring import COLUMNS, score_segmenter
from levelfield.training.split import TEST, TRAINING, VALIDATION, split_groups

log = logging.getLogger("levelfield")

_SPLIT = "split.csv"


@dataclass(frozen=True)
class NetworkTraining:
    """What one job trains: with which sheets (collected corrections among them), and where.

    `schema` is the JSON Schema of a row, `start` the file of the weights to start from; `earlier`
    and `folder` are the folders of the generations before this one, and of this one. The device is
    a rule of `levelfield.segmentation.devices.choose_device`; workers make samples.
    """

    network: NetworkSettings
    sheets: tuple[Path, ...]
    schema: Path
    start: Path | None
    earlier: tuple[Path, ...]
    folder: Path
    device: str
    workers: int


def read_training_images(
    sheets: Sequence[Path], schema: Path
) -> tuple[pd.DataFrame, list[TrainingImage]]:
    """Read annotated images, and a table with the ``image`` (path) and ``group`` of each.

    Raises
    ------
    SheetError
        If a sheet, an image or its labels cannot be used.
    """
    rows, images = [], []
    for path in sheets:
        records: Any = read_sheet(path, schema).to_dict("records")
        for line, row in enumerate(records, start=2):
            images.append(_read_image(row, f"{path}, line {line}"))
            rows.append({"image": row["image"], "group": row["group"]})
    table = pd.DataFrame(rows, columns=["image", "group"])
    repeated = table["image"].duplicated()
    if repeated.any():
        raise SheetError(
            f"the image '{table.loc[repeated, 'image'].iloc[0]}' is in the training sheets twice. "
            "Take one of the rows out."
        )
    return table, images


def _read_image(row: Mapping[str, str], where: str) -> TrainingImage:
    paths = [row["labels"], *([row["known"]] if row.get("known") else [])]
    image, (labels, *known) = read_annotated(row["image"], paths, where, n_planes=1)
    for mask in known:
        labels[mask <= 0] = UNKNOWN
    return training_image(row["image"], row["group"], image[0], labels)


def train_network(job: NetworkTraining) -> None:
    """Train, judge and describe one generation.

    Writes into the folder: ``split.csv`` (the role of every image), ``history.csv`` and
    ``losses.png``, ``evaluation.csv`` (every generation on the groups that this one was not trained
    on), ``generations.csv`` and ``generations.png``, and ``weights.safetensors``. While it trains
    there is a checkpoint, from which the same training goes on if it was stopped.

    Raises
    ------
    ValueError
        If an image cannot be used, or no group is left to train on.
    """
    torch.set_num_threads(1)  # or the sums would depend on the number of cores
    network, folder = job.network, job.folder
    table, images = read_training_images(job.sheets, job.schema)
    kind = KINDS[network.method]
    kind.check_images(images)
    settings = kind.settings(network.parameters, fine_tuning=job.start is not None)
    table = table.assign(role=_roles(job, table, settings.seed))
    write_csv(table, folder / _SPLIT)
    chosen = {
        role: [image for image, given in zip(images, table["role"], strict=True) if given == role]
        for role in (TRAINING, VALIDATION, TEST)
    }
    counts = ", ".join(f"{len(some)} {role}" for role, some in chosen.items())
    log.info("%s: %s", network.name, counts)
    start = kind.read(job.start) if job.start else None
    device = choose_device(job.device).place
    checkpoint = folder / f"checkpoint_{_mark(job, settings, table, images)}.pt"
    result = train(
        *(chosen[TRAINING], chosen[VALIDATION], settings, start, Machine(device, job.workers)),
        checkpoint,
        progress(f"train {network.name} {network.generation}", settings.steps),
        kind.recipe,
    )
    if result.stopped_early:
        log.info("stopped: %d checks without a better validation loss", settings.patience)
    write_csv(result.history, folder / "history.csv")
    _save_picture(draw_losses(result.history, network.name), folder / "losses.png")
    kind.write(folder / "weights.safetensors", result.weights, settings, _facts(job, settings))
    _judge(job, chosen, device)
    for path in folder.glob("checkpoint_*.pt"):
        path.unlink()


def _roles(job: NetworkTraining, table: pd.DataFrame, seed: int) -> list[str]:
    earlier: dict[str, str] = {}
    if job.earlier:
        before = read_csv(job.earlier[-1] / _SPLIT)
        earlier = dict(zip(before["group"].astype(str), before["role"], strict=True))
    network = job.network
    try:
        roles = split_groups(
            table["group"], network.validation_groups, network.test_groups, seed, earlier
        )
    except ValueError as error:
        raise ConfigError(f"networks.{network.name}: {error}") from None
    return [roles[group] for group in table["group"]]


def _mark(
    job: NetworkTraining,
    settings: TrainingSettings,
    table: pd.DataFrame,
    images: Sequence[TrainingImage],
) -> str:
    """Return what tells this training from any other, for the name of its checkpoint."""
    digest = hashlib.sha256(repr(asdict(settings)).encode())
    digest.update(table.to_csv(index=False).encode())
    for image in images:
        digest.update(image.image.tobytes())
        digest.update(image.labels.tobytes())
    for path in (*job.sheets, *([job.start] if job.start else [])):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _facts(job: NetworkTraining, settings: TrainingSettings) -> dict[str, str]:
    return {
        "name": job.network.name,
        "generation": str(job.network.generation),
        "start": job.network.start,
        "training": ", ".join(map(str, job.sheets)),
        "settings": repr(asdict(settings)),
    }


def progress(what: str, steps: int) -> Callable[[dict[str, float], float], None]:
    """Return a callback of `train` that logs where the training is, its rate and what is left."""
    last = [time.monotonic(), 0.0]

    def tell(row: dict[str, float], seconds_left: float) -> None:
        now, step = time.monotonic(), row["step"]
        rate = (step - last[1]) / max(now - last[0], 1e-9)
        last[:] = [now, step]
        validation = f", validation {row['validation']:.3f}" if "validation" in row else ""
        log.info(
            "%s: step %d/%d, loss %.3f%s, %.1f steps/s, %d min %02d s left",
            *(what, step, steps, row["training"], validation, rate),
            *divmod(round(seconds_left), 60),
        )

    return tell


def _judge(
    job: NetworkTraining, chosen: Mapping[str, Sequence[TrainingImage]], device: str
) -> None:
    """Score all generations on the images that this one was not trained on."""
    kind = KINDS[job.network.method]
    files = [job.start, *(folder / "weights.safetensors" for folder in (*job.earlier, job.folder))]
    diameters = [image.diameter for image in chosen[TRAINING]]
    diameter = float(np.nanmedian(diameters)) if np.isfinite(diameters).any() else None
    tables = []
    for number, path in enumerate(files):
        if path is None or (number and not path.is_file()):
            continue
        segment = kind.segmenter(path, device, diameter)
        if segment is None:
            log.info("generation %d is not scored: %s is only a start", number, path.name)
            continue
        for role in (TEST, VALIDATION):
            if chosen[role]:
                scores = score_segmenter(segment, chosen[role])
                tables.append(scores.assign(generation=number, role=role))
    columns = ["generation", "role", *COLUMNS]
    if not chosen[TEST]:
        log.warning("no group is left for a test: nothing says whether the weights are better")
    evaluation = pd.concat(tables)[columns] if tables else pd.DataFrame(columns=columns)
    write_csv(evaluation, job.folder / "evaluation.csv")
    for row in evaluation[evaluation["group"] == "all"].itertuples():
        log.info(
            "generation %d, %s: AP@0.5 %.3f, AP@0.7 %.3f, splits %.3f, merges %.3f",
            *(row.generation, row.role, row.ap_50, row.ap_70, row.split_rate, row.merge_rate),
        )
    _follow_generations(job, evaluation)


def _follow_generations(job: NetworkTraining, evaluation: pd.DataFrame) -> None:
    files = [folder / "corrections.csv" for folder in (*job.earlier, job.folder)]
    corrections = {n: read_csv(path) for n, path in enumerate(files, start=1) if path.is_file()}
    table = generations(corrections, evaluation, job.network.generation)
    write_csv(table, job.folder / "generations.csv")
    _save_picture(draw_generations(table, job.network.name), job.folder / "generations.png")


def _save_picture(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=110, metadata={"Software": None})
