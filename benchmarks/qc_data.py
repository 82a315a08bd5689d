"""Segmentations with known errors, and what the QC sees of them: the data behind its evidence.

Every image of BBBC038 (CC0; groups, never `misc`) is segmented in many ways, good and bad, by the
classical method, by the decoders of the small network and by Cellpose's own dynamics on that
network's flows ("Cellpose-like"); objects and seams get their features and, from the reference
labels, the truth. Networks are cross-fitted: those asked about a group never saw it
(benchmarks/folds.csv). Some images come again as *phenotypes*, transformed together with their
reference.

    python benchmarks/qc_data.py --out FOLDER [--groups NAME ...] [--images 24]

Writes FOLDER/<group>_objects.parquet and FOLDER/<group>_pairs.parquet, and to <group>_range.parquet
how images look that are blurred, noisy, crowded or of cytoplasm; about 4 minutes a group.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from scipy import ndimage
from skimage.segmentation import expand_labels

from levelfield.evaluation.image import evaluate_image
from levelfield.evaluation.overlap import count_overlap, number_labels
from levelfield.objects import renumber
from levelfield.qc.evidence.calibration import indicators
from levelfield.qc.evidence.features import NEIGHBOUR, NUMBER, field_features
from levelfield.qc.evidence.geometry import inner_distance
from levelfield.qc.evidence.labelwise import typical_diameter
from levelfield.qc.evidence.scores import FIELD
from levelfield.qc.evidence.second_opinion import SecondOpinion, opinion_scale, second_opinion
from levelfield.segmentation.cellpose.dynamics import find_objects
from levelfield.segmentation.cellpose.options import CellposeOptions
from levelfield.segmentation.network.inference import NetworkModel, load_model, predict, scale_for
from levelfield.segmentation.network.segmenter import decode
from levelfield.segmentation.registry import segment_objects

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "bbbc038_train"
INTENSITY = {"centres": "intensity", "lines": "intensity"}
CLASSICAL = {
    "default": {},
    "split": {"declump": {"depth": 0.0, "suppression_distance": 1.0, "smoothing": 0.5}},
    "split_by_intensity": {"declump": INTENSITY | {"depth": 0.0}},
    "divide_little": {"declump": {"depth": 0.35}},
    "divide_little_by_intensity": {"declump": INTENSITY | {"depth": 0.4}},
    "undivided": {"declump": {"centres": "none"}},
    "low": {"threshold": {"correction": 0.6}},
    "high": {"threshold": {"correction": 1.4}},
    "local": {"threshold": {"window": 64}},
}
NETWORK = {  # decoder, its parameters, and where the outline is drawn
    "flow": ("flow", {}, 0.4),
    "affinity": ("affinity", {}, 0.4),
    "three_class": ("three_class", {}, 0.4),
    "star": ("star", {}, None),
    "flow_low": ("flow", {}, 0.2),
    "flow_high": ("flow", {}, 0.6),
    "flow_by_network": ("flow", {}, None),
    "affinity_merging": ("affinity", {"dividing": 0.15}, 0.4),
    "affinity_splitting": ("affinity", {"dividing": 0.95}, 0.4),
    "components": ("components", {}, 0.4),
}
CELLPOSE = {
    "default": {},
    "keep_all": {"flow_threshold": 0.0, "cell_probability": -2.0},
    "strict": {"flow_threshold": 0.2, "cell_probability": 2.0},
    "few_steps": {"flow_threshold": 0.0, "iterations": 25},
}
PHENOTYPE_SETTINGS = (
    ("classical", "default"),
    ("classical", "split_by_intensity"),
    ("classical", "divide_little"),
    ("network", "flow"),
    ("cellpose", "default"),
)


@dataclass
class Scene:
    """An image with its reference, and what the networks say of it."""

    image: np.ndarray
    reference: np.ndarray
    model: NetworkModel

    @cached_property
    def diameter(self) -> float:
        """Of a typical nucleus, px."""
        return typical_diameter(self.reference)

    @cached_property
    def prediction(self):
        """What the network says, at the scale it segments at."""
        return predict(self.model, self.image, scale_for(self.diameter))

    @lru_cache(maxsize=4)  # noqa: B019
    def opinion(self, scale: float) -> SecondOpinion:
        """Return what it says as the QC asks it."""
        made = self.prediction if scale == scale_for(self.diameter) else None
        return second_opinion(made or predict(self.model, self.image, scale), self.image.shape)

    def __hash__(self) -> int:
        return id(self)

    def labels(self, kind: str, setting: str) -> np.ndarray:
        """Segment in one of the ways."""
        if kind == "classical":
            return segment_objects(self.image[None], "classical", CLASSICAL[setting]).labels
        if kind == "network":
            decoder, decoding, outline = NETWORK[setting]
            pixels = {"image": self.image, "outline": outline}
            return decode(self.prediction, self.image.shape, decoder, decoding, **pixels).labels
        if kind == "cellpose":
            return cellpose_like(self.prediction, self.image.shape, CELLPOSE[setting])
        return self.reference


def cellpose_like(prediction, shape, options: dict) -> np.ndarray:
    """Decode the network's flows by Cellpose's own steps."""
    chosen = CellposeOptions(**options)
    likely = np.clip(prediction.cell_probability, 1e-4, 1 - 1e-4)
    logit = np.log(likely / (1 - likely))
    outputs = np.concatenate([5 * prediction.flow, logit[None]])[None]
    labels = find_objects(torch.from_numpy(np.ascontiguousarray(outputs)), chosen)[0].numpy()
    if labels.shape != shape:
        labels = ndimage.zoom(labels, np.divide(shape, labels.shape), order=0)
    areas = np.bincount(labels.ravel())
    return renumber(np.where(areas[labels] >= chosen.minimum_area, labels, 0).astype(np.int32))


# ------------------------------------------------------------------ phenotypes


def background_of(image: np.ndarray) -> float:
    return float(np.percentile(image, 10))


def resized(image, labels, factors):
    """Zoom an image and its labels alike."""
    smooth = ndimage.gaussian_filter(image, [max(0.0, 0.4 / f - 0.4) for f in factors])
    return ndimage.zoom(smooth, factors, order=1), ndimage.zoom(labels, factors, order=0)


def smaller(image, labels, rng):
    return resized(image, labels, (0.7, 0.7))


def elongated(image, labels, rng):
    return resized(image, labels, (1.3, 0.8))


def dim(image, labels, rng):
    low = background_of(image)
    return low + 0.35 * (image - low), labels


def saturated(image, labels, rng):
    low, high = background_of(image), np.percentile(image[labels > 0], 60)
    return low + (image - low) * (1.0 - low) / max(high - low, 1e-3), labels


def blurred(image, labels, rng):
    return ndimage.gaussian_filter(image, 0.09 * typical_diameter(labels)), labels


def contrast_of(image, labels) -> float:
    return float(np.median(image[labels > 0]) - background_of(image))


def noisy(image, labels, rng):
    return image + rng.normal(0, 0.15 * contrast_of(image, labels), image.shape), labels


def speckled(image, labels, rng, strength=0.25):
    grain = ndimage.gaussian_filter(rng.normal(size=image.shape), 1.2)
    low = background_of(image)
    return low + (image - low) * np.exp(strength * grain / grain.std()), labels


def strongly_speckled(image, labels, rng):
    return speckled(image, labels, rng, 0.7)


def lined(image, labels, rng):
    """Draw a dark line through every nucleus."""
    low, result = background_of(image), image.copy()
    y, x = np.indices(image.shape)
    for number, (centre_y, centre_x) in enumerate(
        ndimage.center_of_mass(labels > 0, labels, np.arange(1, labels.max() + 1)), 1
    ):
        angle = rng.uniform(0, np.pi)
        away = np.abs((y - centre_y) * np.cos(angle) + (x - centre_x) * np.sin(angle))
        line = (labels == number) * np.exp(-0.5 * (away / 1.2) ** 2)
        result -= 0.5 * line * (result - low)
    return result, labels


def dense(image, labels, rng):
    """Add the nuclei of the mirrored field wherever there is room: side by side, as in a monolayer.

    At most a tenth of a nucleus is hidden behind another one. What nuclei look like that lie over
    each other is `overlaid`; what is hidden of them nobody could segment.
    """
    over, more = np.fliplr(labels), np.fliplr(image)
    sizes = np.maximum(np.bincount(over.ravel()), 1)
    hidden = np.bincount(over[labels > 0], minlength=len(sizes)) / sizes
    fits = (hidden <= 0.1) & (np.arange(len(sizes)) > 0)
    kept = np.where(fits[over], over, 0)
    # Each comes with its halo, where no other nucleus of either field is.
    reach = expand_labels(kept, 0.25 * typical_diameter(labels))
    region = (reach > 0) & ((over == 0) | (kept > 0))
    image = np.where(region, np.maximum(image, more), image)
    return image, np.where((labels == 0) & (kept > 0), kept + labels.max(), labels)


def overlaid(image, labels, copies):
    """Lay mirrored copies of the field over it; what is hidden of their nuclei is cut off."""
    for flip in (np.fliplr, np.flipud)[:copies]:
        over = flip(labels)
        number = np.where((over > 0) & (labels == 0), over + labels.max(), 0)
        visible = np.bincount(number.ravel(), minlength=number.max() + 1)
        visible[0] = 0
        least = 0.15 * np.median(np.bincount(labels.ravel())[1:])
        image = np.maximum(image, flip(image))
        labels = labels + np.where(visible[number] > least, number, 0)
    return image, labels


def degraded(name: str, strength: float) -> Callable:
    """Return a change that takes an image outside of what the evidence is calibrated on."""

    def blur(image, labels, rng):
        return ndimage.gaussian_filter(image, strength * typical_diameter(labels)), labels

    def noise(image, labels, rng):
        sigma = strength * contrast_of(image, labels)
        return image + rng.normal(0, sigma, image.shape), labels

    def crowd(image, labels, rng):
        return overlaid(image, labels, int(strength) - 1)

    return {"blur": blur, "noise": noise, "crowd": crowd}[name]


DEGRADED = {
    **{f"blur {s}": degraded("blur", s) for s in (0.1, 0.15, 0.25)},
    **{f"noise {s}": degraded("noise", s) for s in (0.2, 0.3, 0.5)},
    "crowd 3": degraded("crowd", 3),
}


PHENOTYPES: dict[str, Callable] = {
    "smaller": smaller,
    "elongated": elongated,
    "dim": dim,
    "saturated": saturated,
    "blurred": blurred,
    "noisy": noisy,
    "speckled": speckled,
    "strongly_speckled": strongly_speckled,
    "lined": lined,
    "dense": dense,
}


def with_phenotype(name: str, image, labels, seed: int):
    """Transform an image and its reference, and read it out with 8 bits as a camera would."""
    if name == "none":
        return image, labels
    change = (PHENOTYPES | DEGRADED)[name]
    image, labels = change(image, labels, np.random.default_rng(seed))
    image = np.round(np.clip(image, 0, 1) * 255) / 255
    return image.astype(np.float32), renumber(labels.astype(np.int32))


# ------------------------------------------------------------------ truth


def moved_edges(labels: np.ndarray, distance: float) -> np.ndarray:
    """Grow objects by a distance in px, or shrink them where it is negative."""
    if distance > 0:
        return expand_labels(labels, distance)
    return np.where(inner_distance(labels) > -distance, labels, 0).astype(np.int32)


def labelled_features(labels, scene: Scene) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features of one field with the truth beside them."""
    opinion = scene.opinion(opinion_scale(typical_diameter(labels)))
    features = field_features(labels, scene.image, opinion=opinion)
    return with_truth(features, labels, scene.reference)


def with_truth(features, labels, reference) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Add the truth to the features of a field."""
    truth = evaluate_image(labels, reference)
    columns = ["is_merge", "is_fragment", "n_parts", "boundary_bias_px", "iou"]
    known = truth.predicted_objects.set_index(NUMBER)
    known = known[[name for name in columns if name in known]]
    objects = features.objects.join(known, on=NUMBER)
    splits = truth.reference_objects.query("is_split")
    objects["excess_in_field"] = int((splits["n_parts"] - 1).sum())
    overlap = count_overlap(number_labels(labels, "p"), number_labels(reference, "r"))
    inside = overlap.of_prediction >= 0.5
    home = np.zeros(labels.max() + 1, np.int64)
    numbers = np.flatnonzero(np.bincount(labels.ravel())[1:]) + 1
    home[numbers[overlap.prediction[inside]]] = overlap.reference[inside] + 1
    fragment = np.zeros(labels.max() + 1, bool)
    fragment[known.index] = known["is_fragment"]
    # Excess fragments fall to the objects that they are of, for estimates by sampling objects.
    parts = pd.Series(home[objects[NUMBER]]).map(
        pd.Series(home[objects[NUMBER]][fragment[objects[NUMBER]]]).value_counts()
    )
    share = fragment[objects[NUMBER]] * (1 - 1 / parts.clip(lower=1).fillna(1).to_numpy())
    objects["true_excess_share"] = share
    one, two = features.pairs[NUMBER], features.pairs[NEIGHBOUR]
    false = (home[one] == home[two]) & (home[one] > 0) & fragment[one] & fragment[two]
    return objects, features.pairs.assign(is_false=np.asarray(false))


# ------------------------------------------------------------------ collection


def cases(phenotype: str) -> Iterator[tuple[str, str, float]]:
    """Kind of segmenter, setting, and distance in px by which outlines are moved then."""
    if phenotype != "none":
        yield from ((kind, setting, 0.0) for kind, setting in PHENOTYPE_SETTINGS)
        return
    for kind, settings in (("classical", CLASSICAL), ("network", NETWORK), ("cellpose", CELLPOSE)):
        yield from ((kind, setting, 0.0) for setting in settings)
    yield from (("classical", "default", 2.0), ("classical", "default", -2.0))
    yield from (("network", "flow", 1.5), ("reference", "reference", 0.0))


def name_of(setting: str, moved: float) -> str:
    return setting if not moved else f"{setting} {moved:+g} px"


def network_for(group: str) -> NetworkModel:
    """Load the network that never saw a group."""
    fold = pd.read_csv(ROOT / "benchmarks" / "folds.csv").set_index("group")["fold"][group]
    return load_model(ROOT / "benchmarks" / "networks" / f"fold{fold}" / "weights.safetensors")


def read_scene(name: str, phenotype: str, model: NetworkModel, seed: int) -> Scene:
    image = np.asarray(Image.open(DATA / "images" / f"{name}.png"), np.float32) / 255
    labels = renumber(np.asarray(Image.open(DATA / "labels" / f"{name}.png")).astype(np.int32))
    return Scene(*with_phenotype(phenotype, image, labels, seed), model)


def collect(group: str, images: int, transformed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features and truth of all objects and touching pairs of a group."""
    index = pd.read_csv(DATA / "index.csv")
    names = index.loc[index["group"] == group, "name"].tolist()[:images]
    model, objects, pairs = network_for(group), [], []
    for place, name in enumerate(names):
        phenotypes = ["none", *(PHENOTYPES if place < transformed else ())]
        for phenotype in phenotypes:
            scene = read_scene(name, phenotype, model, place)
            if scene.reference.max() == 0:
                continue
            for kind, setting, moved in cases(phenotype):
                labels = scene.labels(kind, setting)
                labels = moved_edges(labels, moved) if moved else labels
                if labels.max(initial=0) == 0:
                    continue
                head = {
                    "group": group,
                    "image": name,
                    "phenotype": phenotype,
                    "kind": kind,
                    "setting": name_of(setting, moved),
                }
                one, two = labelled_features(labels, scene)
                objects.append(one.assign(**head, n_reference=int(scene.reference.max())))
                pairs.append(two.assign(**head))
    return pd.concat(objects, ignore_index=True), pd.concat(pairs, ignore_index=True)


def planted(labels: np.ndarray, error: str, dose: float, rng: np.random.Generator) -> np.ndarray:
    """Cut or join a share of the objects, or move all outlines by a distance in px."""
    if error == "moved":
        return moved_edges(labels, dose)
    result, count = labels.copy(), int(labels.max())
    wanted = int(np.ceil(dose * count))
    if error == "splits":
        for number in 1 + rng.permutation(count)[:wanted]:
            y, x = np.nonzero(labels == number)
            if len(y) < 30:
                continue
            away = np.stack([y - y.mean(), x - x.mean()])
            axis = np.linalg.svd(away @ away.T)[0][:, 0]
            other = axis @ away > rng.uniform(-0.1, 0.1) * np.abs(axis @ away).max()
            result[y[other], x[other]] = result.max() + 1
        return result
    pairs = np.unique(touching_pairs(expand_labels(labels, 2)), axis=0)
    for one, other in pairs[rng.permutation(len(pairs))[:wanted]]:
        join = ndimage.binary_closing(np.isin(result, (one, other)), iterations=2)
        result[join & np.isin(result, (0, one, other))] = one
    return renumber(result)


def touching_pairs(labels: np.ndarray) -> np.ndarray:
    """Numbers of objects that touch, (p, 2)."""
    found = []
    for view in (labels, labels.T):
        one, other = view[1:], view[:-1]
        seam = (one != other) & (one > 0) & (other > 0)
        found.append(np.sort(np.stack([one[seam], other[seam]], axis=1), axis=1))
    return np.concatenate(found)


PLANTED = [
    *(("splits", dose) for dose in (0.05, 0.1, 0.2)),
    *(("merges", dose) for dose in (0.05, 0.1, 0.2)),
    *(("moved", dose) for dose in (-1.0, 1.0)),
]


def collect_planted(group: str, images: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features and truth of a group with errors planted into two good segmentations."""
    index = pd.read_csv(DATA / "index.csv")
    names = index.loc[index["group"] == group, "name"].tolist()[:images]
    model, objects, pairs = network_for(group), [], []
    for place, name in enumerate(names):
        scene = read_scene(name, "none", model, place)
        for kind, setting in (("classical", "default"), ("network", "flow")):
            good = scene.labels(kind, setting)
            if good.max(initial=0) == 0:
                continue
            for error, dose in (("none", 0.0), *PLANTED):
                rng = np.random.default_rng(place)
                labels = good if error == "none" else planted(good, error, dose, rng)
                head = {"group": group, "image": name, "phenotype": "none", "kind": kind}
                head["setting"] = f"{error} {dose:g}"
                one, two = labelled_features(labels, scene)
                objects.append(one.assign(**head, n_reference=int(scene.reference.max())))
                pairs.append(two.assign(**head))
    return pd.concat(objects, ignore_index=True), pd.concat(pairs, ignore_index=True)


def collect_range(group: str, images: int) -> pd.DataFrame:
    """How images of a group look (`levelfield.qc.evidence.calibration`), plain and degraded."""
    index = pd.read_csv(DATA / "index.csv")
    names = index.loc[index["group"] == group, "name"].tolist()
    names = [names[i] for i in np.unique(np.linspace(0, len(names) - 1, images).astype(int))]
    model, rows = network_for(group), []
    for place, name in enumerate(names):
        for change in ("none", *DEGRADED):
            scene = read_scene(name, change, model, place)
            if scene.reference.max() > 0:
                rows += looks_of_kinds(scene, group, name, change)
    return pd.concat(rows, ignore_index=True)


def looks_of_kinds(scene: Scene, group: str, name: str, change: str) -> list[pd.DataFrame]:
    rows = []
    for kind in ("classical", "network", "cellpose"):
        labels = scene.labels(kind, "flow" if kind == "network" else "default")
        rows.append(looks_of(scene, labels, (group, name, change, kind)))
    return rows


def collect_bbbc013(images: int) -> pd.DataFrame:
    """Do so for BBBC013: nuclei, and the cytoplasmic stain segmented as if it were nuclei.

    Without references, the classical labels of plain nuclei take their place. Drugs move the stain
    into the nuclei: only of negative wells is it one of the cytoplasm.
    """
    folder, rows = DATA.parent / "bbbc013", []
    model = load_model(ROOT / "levelfield" / "weights" / "nuclei.safetensors")
    wells = pd.read_csv(folder / "platemap.csv")
    negative = set(wells.loc[wells["role"] == "negative", "well"])
    for path in sorted(folder.rglob("Channel1-*.tif")):
        row, column = path.stem.split("-")[2:]
        if f"{row}{int(column):02d}" in negative:
            scene = classical_scene(path, model)
            rows += looks_of_kinds(scene, "bbbc013", path.stem, "cytoplasm")
    for place, path in enumerate(sorted(folder.rglob("Channel2-*.tif"))[:: 96 // images]):
        plain = classical_scene(path, model)
        rows += looks_of_kinds(plain, "bbbc013", path.stem, "none")
        if place % 2:
            continue
        for change in DEGRADED:
            changed = with_phenotype(change, plain.image, plain.reference, place)
            rows += looks_of_kinds(Scene(*changed, model), "bbbc013", path.stem, change)
    return pd.concat(rows, ignore_index=True)


def classical_scene(path: Path, model: NetworkModel) -> Scene:
    image = np.asarray(Image.open(path), np.float32) / 255
    return Scene(image, segment_objects(image[None], "classical", {}).labels, model)


def looks_of(scene: Scene, labels: np.ndarray, head: tuple[str, str, str, str]) -> pd.DataFrame:
    if labels.max(initial=0) == 0:
        return pd.DataFrame()
    opinion = scene.opinion(opinion_scale(typical_diameter(labels)))
    objects = field_features(labels, scene.image, opinion=opinion).objects
    names = ("group", "image", "change", "kind")
    field = dict(zip(FIELD, (head[0], head[1], 1, "Nuclei"), strict=True))
    table = indicators(objects.assign(**field)).reset_index(drop=True)
    return table.assign(**dict(zip(names, head, strict=True)))


def store(folder: Path, name: str, objects: pd.DataFrame, pairs: pd.DataFrame) -> None:
    """Write both tables, floats in single precision."""
    for what, table in (("objects", objects), ("pairs", pairs)):
        number = table.select_dtypes("float64").columns
        table.astype(dict.fromkeys(number, np.float32)).to_parquet(
            folder / f"{name}_{what}.parquet"
        )


def main() -> None:
    """Collect all groups, or some."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--groups", nargs="*")
    parser.add_argument("--images", type=int, default=24, help="images per group")
    parser.add_argument("--planted", type=int, default=12, help="of these, also with errors")
    parser.add_argument("--transformed", type=int, default=4, help="of these, also as phenotypes")
    parser.add_argument("--only-range", action="store_true", help="only how images look")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    folds = pd.read_csv(ROOT / "benchmarks" / "folds.csv")
    for group in options.groups or ["bbbc013", *folds.loc[folds["fold"] > 0, "group"]]:
        started = time.perf_counter()
        if group == "bbbc013":
            looks = collect_bbbc013(2 * options.planted)
        else:
            looks = collect_range(group, 2 * options.transformed)
        looks.to_parquet(options.out / f"{group}_range.parquet")
        if group == "bbbc013" or options.only_range:
            continue
        store(options.out, f"{group}_planted", *collect_planted(group, options.planted))
        objects, pairs = collect(group, options.images, options.transformed)
        store(options.out, group, objects, pairs)
        print(
            f"{group}: {len(objects)} objects, {len(pairs)} pairs, "
            f"{time.perf_counter() - started:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
