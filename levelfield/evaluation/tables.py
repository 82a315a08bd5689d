"""Many evaluated images as tables: objects, images, and any grouping of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from levelfield.evaluation.image import evaluate_image
from levelfield.evaluation.scores import score_objects

ALL_SIZES = "all"
SIZE_CLASSES = ("small", "medium", "large")
STATISTICS = ("mean_of_images", "sd_of_images", "pooled")

Labelled = tuple[Mapping[str, Any], ArrayLike, ArrayLike]


class EvaluationTables(NamedTuple):
    """The three tables of `evaluation_tables`."""

    objects: pd.DataFrame
    images: pd.DataFrame
    groups: pd.DataFrame


def evaluation_tables(
    predictions: Iterable[Labelled],
    by: Sequence[str] = (),
    *,
    size_edges_px: tuple[float, float] | None = None,
    **options: Any,
) -> EvaluationTables:
    """Evaluate many images and summarise them by group and object size.

    Parameters
    ----------
    predictions : iterable of (metadata, prediction, reference)
        Metadata names the image, e.g. ``{"Metadata_Plate": …, "Metadata_Well": …,
        "Metadata_Site": …, "Metadata_ControlType": …}``; all images have the same names, and no
        two images the same values. Label images are read one at a time, so pass a generator.
    by : sequence of str
        Metadata columns that form the groups, e.g. ``["Metadata_ControlType"]``; empty = all
        images together. Use `summarise` for further groupings of the same tables.
    size_edges_px : (float, float), optional
        Areas in px that separate small, medium and large objects; default: the quartiles of the
        areas of all reference objects. Give them to compare runs with different images.
    **options
        Passed to `evaluate_image`.

    Returns
    -------
    EvaluationTables
        ``objects`` as `evaluate_image` describes, with the metadata and ``size_class``;
        ``images`` with a row of scores per image and size class (``"all"`` first); ``groups``
        as `summarise` returns. The column ``image`` counts the images from 0 and joins them.
    """
    objects, images = evaluate_images(predictions, size_edges_px=size_edges_px, **options)
    return EvaluationTables(objects, images, summarise(objects, images, by))


def evaluate_images(
    predictions: Iterable[Labelled],
    *,
    size_edges_px: tuple[float, float] | None = None,
    **options: Any,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Evaluate many images; arguments and tables are those of `evaluation_tables`.

    Raises
    ------
    ValueError
        If there are no images, an image has other metadata names than the first, two images have
        the same metadata, or an image cannot be evaluated (the error names the image).
    """
    metadata, tables = [], []
    for description, prediction, reference in predictions:
        try:
            tables.append(evaluate_image(prediction, reference, **options).objects)
        except ValueError as error:
            raise ValueError(f"Image {dict(description)}: {error}") from error
        metadata.append(dict(description))
    _check_metadata(metadata, tables)
    described = pd.DataFrame({"image": np.arange(len(metadata))}).join(pd.DataFrame(metadata))
    objects = pd.concat(tables, ignore_index=True)
    objects.insert(0, "image", np.repeat(np.arange(len(metadata)), [len(t) for t in tables]))
    edges = size_edges_px or _quartiles(objects)
    objects["size_class"] = _size_classes(objects["size_area_px"], edges)
    objects = described.merge(objects, on="image", validate="one_to_many")
    return objects, _image_table(objects, described, edges)


def summarise(objects: pd.DataFrame, images: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """Summarise evaluated images, from `evaluate_images`, by group and object size.

    Parameters
    ----------
    by : sequence of str
        Metadata columns that form the groups, e.g. ``["Metadata_Well"]``; empty = one group.

    Returns
    -------
    DataFrame
        Per group and size class three rows, told apart by ``statistic``: ``"mean_of_images"``
        (every image weighs the same; images where a score is undefined are left out of it),
        ``"sd_of_images"`` (its standard deviation over images), and ``"pooled"`` (every object
        weighs the same, as if the group were one image). ``n_images`` counts the images.
    """
    by = list(by)
    _check_columns(images, by)
    keys = [*by, "size_class"]
    names = _score_names(images)
    grouped = images.groupby(keys, sort=True, dropna=False, observed=True)
    spread = {"mean_of_images": grouped[names].mean(), "sd_of_images": grouped[names].std()}
    pooled = _score_both(objects, by).set_index(keys).reindex(grouped.size().index)
    counts = [name for name in names if pd.api.types.is_integer_dtype(images[name])]
    pooled[counts] = pooled[counts].fillna(0)
    table = pd.concat({**spread, "pooled": pooled[names].astype(float)}, names=["statistic"])
    table = table.join(grouped.size().rename("n_images"), on=keys).reset_index()
    table = table.merge(_size_limits(images), on="size_class", validate="many_to_one")
    table["statistic"] = pd.Categorical(table["statistic"], STATISTICS, ordered=True)
    first = [*keys, "area_from_px", "area_to_px", "statistic", "n_images"]
    return table.sort_values([*keys, "statistic"], ignore_index=True)[[*first, *names]]


def _image_table(
    objects: pd.DataFrame, described: pd.DataFrame, edges: tuple[float, float]
) -> pd.DataFrame:
    """Scores per image and size class; images without objects keep their rows."""
    scores = _score_both(objects, ["image"]).set_index(["image", "size_class"])
    counts = [name for name in scores if pd.api.types.is_integer_dtype(scores[name])]
    classes = pd.CategoricalIndex([ALL_SIZES, *SIZE_CLASSES], dtype=_SIZE_DTYPE)
    every = pd.MultiIndex.from_product([described["image"], classes])
    scores = scores.reindex(every.set_names(["image", "size_class"]))
    scores[counts] = scores[counts].fillna(0).astype(np.int64)
    table = described.merge(scores.reset_index(), on="image", validate="one_to_many")
    limits = dict(zip(SIZE_CLASSES, zip((0, *edges), (*edges, np.inf), strict=True), strict=True))
    limits[ALL_SIZES] = (0, np.inf)
    position = table.columns.get_loc("size_class") + 1
    for side, name in enumerate(("area_from_px", "area_to_px")):
        values = [float(limits[size][side]) for size in table["size_class"]]
        table.insert(position + side, name, values)
    return table


def _score_both(objects: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Score all objects of each group, and those of each size class."""
    whole = score_objects(objects.assign(size_class=ALL_SIZES), [*by, "size_class"])
    sized = score_objects(objects, [*by, "size_class"])
    both = pd.concat([whole, sized], ignore_index=True)
    both["size_class"] = both["size_class"].astype(_SIZE_DTYPE)
    return both


_SIZE_DTYPE = pd.CategoricalDtype([ALL_SIZES, *SIZE_CLASSES], ordered=True)


def _size_limits(images: pd.DataFrame) -> pd.DataFrame:
    """Area limits of each size class, which must be the same in all rows."""
    limits = images[["size_class", "area_from_px", "area_to_px"]].drop_duplicates()
    if limits["size_class"].duplicated().any():
        raise ValueError(
            "The images were evaluated with different size classes, so they cannot be summarised "
            "together. Evaluate them in one call, or give every call the same size_edges_px."
        )
    return limits


def _quartiles(objects: pd.DataFrame) -> tuple[float, float]:
    areas = objects.loc[objects["source"] == "reference", "area_px"]
    return float(areas.quantile(0.25)), float(areas.quantile(0.75))


def _size_classes(area: pd.Series, edges: tuple[float, float]) -> pd.Series:
    low, high = edges
    if low > high:
        raise ValueError(f"The size edges {edges} px descend: give the smaller area first.")
    number = np.where(area < low, 0, np.where(area > high, 2, 1))
    return pd.Series(pd.Categorical.from_codes(number + 1, dtype=_SIZE_DTYPE), index=area.index)


def _score_names(images: pd.DataFrame) -> list[str]:
    return list(images.columns[images.columns.get_loc("n_reference") :])


def _check_metadata(metadata: list[dict[str, Any]], tables: list[pd.DataFrame]) -> None:
    if not metadata:
        raise ValueError(
            "There are no images to evaluate. Check that predictions and references were paired."
        )
    for description in metadata:
        if description.keys() != metadata[0].keys():
            raise ValueError(
                f"Image {description} has the metadata {sorted(description)}, but the first image "
                f"has {sorted(metadata[0])}. Describe every image by the same columns."
            )
    own_names = {"image", "size_class", *tables[0].columns, *score_objects(tables[0]).columns}
    if taken := sorted(own_names & metadata[0].keys()):
        raise ValueError(
            f"The metadata names {taken} are columns of the evaluation itself. Rename them, e.g. "
            f"to Metadata_{taken[0]}."
        )
    repeated = pd.DataFrame(metadata).duplicated()
    if metadata[0] and repeated.any():
        raise ValueError(
            f"The metadata {metadata[int(np.argmax(repeated))]} describe more than one image, "
            "which would be counted twice. Drop the repeated image or add a column that differs."
        )


def _check_columns(images: pd.DataFrame, by: list[str]) -> None:
    known = list(images.columns[: images.columns.get_loc("size_class")])
    unknown = [column for column in by if column not in known]
    if unknown:
        raise ValueError(
            f"Cannot group by {unknown}: the images are described by {known} (size classes "
            "are always given)."
        )
