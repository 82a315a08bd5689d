"""Measure every object set of one site, all families, one read of the image.

Runs on one thread; sites go to parallel processes. A site of 5 x 1080² px with 229 nuclei and cells
takes 150 MB beyond the image, mostly the intensities of the object pixels in 64 bit and the
granular spectra of the channels; both grow with pixels and channels.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import DTypeLike

from levelfield.arrays import AnyLabels, Floats, Image
from levelfield.measurement import (
    area_shape,
    correlation,
    granularity,
    intensity,
    location,
    neighbors,
    radial_distribution,
    texture,
)
from levelfield.measurement.context import ObjectSet, Site
from levelfield.measurement.features import Column
from levelfield.measurement.parameters import Parameters
from levelfield.measurement.relations import child_counts, parents

MODULES: dict[str, ModuleType] = {
    "AreaShape": area_shape,
    "Location": location,
    "Intensity": intensity,
    "Texture": texture,
    "Granularity": granularity,
    "RadialDistribution": radial_distribution,
    "Correlation": correlation,
    "Neighbors": neighbors,
}
FAMILIES = tuple(MODULES)
OBJECT_NUMBER = "Metadata_ObjectNumber"


def measure_site(
    image: Image,
    channels: Sequence[str],
    object_sets: Mapping[str, AnyLabels],
    families: Iterable[str] | None = None,
    channel_pairs: Sequence[tuple[str, str]] | None = None,
    pixel_size_um: float | None = None,
    *,
    relations: Mapping[str, str] | None = None,
    dtype: DTypeLike = np.float32,
    **parameters: Any,
) -> dict[str, pd.DataFrame]:
    """Measure all objects of one site.

    Parameters
    ----------
    image : (C, Y, X) float32
        Flat-field-corrected intensities, raw / maximum of the bit depth.
    object_sets : mapping of str to (Y, X) integer
        Label images by the name of the object set; 0 = background, gaps are allowed.
    families : iterable of str, optional
        Which of `FAMILIES` to measure, in that order; by default all.
    pixel_size_um : float, optional
        If given, lengths and areas are in µm and µm² (see the reference page), not in px and px².
    relations : mapping of str to str, optional
        Parent set of each child set: adds the columns of `levelfield.measurement.relations`.
    dtype : numpy dtype
        Type of the features, which are computed in float64; object numbers and counts are int32.
    channels, channel_pairs, **parameters : fields of `levelfield.measurement.parameters.Parameters`

    Returns
    -------
    dict of str to DataFrame
        One table per object set, a row per object in ascending order of its label.

    Raises
    ------
    ValueError
        If shapes, names, families or parameters do not fit together.
    """
    choice = _parameters(channels, channel_pairs, parameters)
    chosen = _chosen_families(families)
    _check_relations(relations, object_sets)
    site = Site(image, choice)
    tables = {
        name: _table(name, ObjectSet(site, labels), chosen, choice, pixel_size_um, dtype)
        for name, labels in object_sets.items()
    }
    _add_relations(tables, object_sets, relations or {})
    return tables


def feature_names(
    object_set: str,
    channels: Sequence[str],
    families: Iterable[str] | None = None,
    channel_pairs: Sequence[tuple[str, str]] | None = None,
    *,
    relations: Mapping[str, str] | None = None,
    **parameters: Any,
) -> list[str]:
    """Return the feature columns that `measure_site` gives `object_set`, in order, without pixels.

    The arguments are those of `measure_site`; `Metadata_ObjectNumber` is not listed.
    """
    choice = _parameters(channels, channel_pairs, parameters)
    columns = _columns(_chosen_families(families), choice)
    names = [f"{object_set}_{column.name}" for column in columns]
    return [*names, *_relation_columns(object_set, relations or {})]


def compile_kernels(families: Iterable[str] | None = None) -> None:
    """Compile the kernels of some families or all, so that no job has to (half a minute).

    numba keeps them in ``__pycache__`` beside the modules, or in the folder that the variable
    ``NUMBA_CACHE_DIR`` names, and loads them in a quarter of a second.
    """
    labels = np.zeros((64, 64), np.int32)
    labels[4:20, 4:20], labels[30:50, 30:60] = 1, 2
    image = (np.indices(labels.shape) / labels.size).astype(np.float32)
    measure_site(image, ["first", "second"], {"Objects": labels}, families=families)


def _parameters(
    channels: Sequence[str],
    channel_pairs: Sequence[tuple[str, str]] | None,
    parameters: Mapping[str, Any],
) -> Parameters:
    allowed = set(Parameters.__dataclass_fields__) - {"channels", "channel_pairs"}
    unknown = sorted(set(parameters) - allowed)
    if unknown:
        raise ValueError(
            f"There is no measurement parameter {unknown[0]!r}. "
            f"The parameters are: {', '.join(sorted(allowed))}."
        )
    return Parameters(tuple(channels), channel_pairs, **parameters)


def _chosen_families(families: Iterable[str] | None) -> list[str]:
    if families is None:
        return list(FAMILIES)
    families = list(families)
    unknown = [family for family in families if family not in FAMILIES]
    if unknown:
        raise ValueError(
            f"There is no feature family {unknown[0]!r}. The families are: {', '.join(FAMILIES)}."
        )
    return [family for family in FAMILIES if family in families]


def _columns(families: Sequence[str], parameters: Parameters) -> list[Column]:
    return [column for family in families for column in MODULES[family].columns(parameters)]


def _table(
    name: str,
    objects: ObjectSet,
    families: Sequence[str],
    parameters: Parameters,
    pixel_size_um: float | None,
    dtype: DTypeLike,
) -> pd.DataFrame:
    """Measure one object set and name the columns."""
    columns = _columns(families, parameters)
    blocks = [np.zeros((objects.pixels.count, 0))]
    if objects.pixels.count:
        blocks += [MODULES[family].measure(objects, parameters) for family in families]
        values = np.concatenate(blocks, axis=1)
    else:
        values = np.zeros((0, len(columns)))
    if pixel_size_um is not None:
        values = values * _scales(columns, pixel_size_um)
    series = {OBJECT_NUMBER: objects.pixels.numbers}
    for column, measured in zip(columns, values.T, strict=True):
        kind = np.int32 if column.feature.integer else dtype
        series[f"{name}_{column.name}"] = measured.astype(kind)
    return pd.DataFrame(series)


def _scales(columns: Sequence[Column], pixel_size_um: float) -> Floats:
    if not pixel_size_um > 0:
        raise ValueError(
            f"pixel_size_um is {pixel_size_um}, but a pixel must be larger than 0 µm: give the "
            f"size of a camera pixel in the sample, or leave it out to measure in px."
        )
    return np.array([pixel_size_um**column.feature.length_power for column in columns])


def _relation_columns(name: str, relations: Mapping[str, str]) -> dict[str, str]:
    """Return the columns of an object set, parents first, and the child set of each relation."""
    as_child = {f"{name}_Parent_{parent}": c for c, parent in relations.items() if c == name}
    as_parent = {f"{name}_Children_{c}_Count": c for c, p in relations.items() if p == name}
    return as_child | as_parent


def _check_relations(relations: Mapping[str, str] | None, object_sets: Iterable[str]) -> None:
    for child, parent in (relations or {}).items():
        for name in (child, parent):
            if name not in object_sets:
                raise ValueError(
                    f"The relation {child} -> {parent} names {name}, which is not measured here. "
                    f"The object sets are: {', '.join(object_sets)}."
                )


def _add_relations(
    tables: dict[str, pd.DataFrame], sets: Mapping[str, AnyLabels], relations: Mapping[str, str]
) -> None:
    """Append the Parent and Children columns."""
    found = {child: parents(sets[child], sets[parent]) for child, parent in relations.items()}
    for name, table in tables.items():
        for column, child in _relation_columns(name, relations).items():
            if child == name:
                table[column] = found[child].to_numpy(np.int32)
            else:
                table[column] = child_counts(found[child], table[OBJECT_NUMBER].to_numpy())
