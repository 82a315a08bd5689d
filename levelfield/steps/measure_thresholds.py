"""Measure one threshold for a whole plate, or on its controls, instead of one per image."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from levelfield.arrays import AnyArray
from levelfield.config.settings import THRESHOLD_CONTROLS, ObjectSetSettings, Science
from levelfield.execution.progress import map_fields
from levelfield.illumination import FlatField
from levelfield.images.sites import Site, plate_dtype, sites_of
from levelfield.segmentation import threshold_input, threshold_settings
from levelfield.segmentation.threshold import measure_threshold
from levelfield.steps.fields import PlateImages, plate_images
from levelfield.steps.fit_illumination import spread_sample

_SITES = 60  # more change the threshold by less than a grey level
_PIXELS_PER_SITE = 20_000
COLUMNS = ("object_set", "threshold_from", "method", "n_sites", "n_pixels", "threshold")


def measure_thresholds(
    index: pd.DataFrame,
    wells: Mapping[str, Sequence[str]],
    science: Science,
    flat_fields: Mapping[str, FlatField],
    workers: int,
    what: str,
) -> pd.DataFrame:
    """Measure the plate-wide threshold of every object set that asks for it.

    `wells` are those that it is measured on, by object set
    (`levelfield.config.settings.threshold_wells`).

    Returns
    -------
    DataFrame
        `COLUMNS`, a row per object set; ``threshold`` is in intensity units (0-1), before the
        correction factor and bounds.

    Raises
    ------
    ValueError
        If the layout has no well, or the plate no usable site, that a threshold is measured on.
    """
    rows = []
    images = plate_images(science, plate_dtype(index), flat_fields)
    for made in (each for each in science.object_sets if each.threshold_from != "image"):
        _check_wells(wells[made.name], made.threshold_from)
        sites = spread_sample(sites_of(index, wells[made.name]), _SITES)
        sample = partial(_sample_pixels, object_set=made, images=images)
        samples = map_fields(sample, sites, workers, f"{what} {made.name}")
        pixels = [values for values in samples if values.size]
        if not pixels:
            raise ValueError(
                f"objects.{made.name}: none of the {len(sites)} sites that its threshold would be "
                f"measured on (threshold_from: {made.threshold_from}) can be used."
            )
        settings = threshold_settings(made.method, made.parameters)
        method = settings["method"]
        level = measure_threshold(np.concatenate(pixels), method, settings["log"])
        n_pixels = sum(map(len, pixels))
        rows.append((made.name, made.threshold_from, method, len(pixels), n_pixels, level))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _check_wells(wells: Sequence[str], threshold_from: str) -> None:
    if not wells:
        kinds = " or ".join(THRESHOLD_CONTROLS[threshold_from])
        raise ValueError(
            f"objects: threshold_from is '{threshold_from}', but the layout has no well of type "
            f"{kinds}. Choose 'image' or 'plate', or mark the controls in the layout."
        )


def _sample_pixels(site: Site, object_set: ObjectSetSettings, images: PlateImages) -> AnyArray:
    """Return evenly spread pixels of what the segmenter would threshold; none of a bad site."""
    image = images.seen_by_segmenter(site, object_set)
    if image is None:
        return np.zeros(0, np.float32)
    smoothed = threshold_input(image, object_set.method, object_set.parameters, object_set.steps)
    return smoothed.ravel()[:: max(smoothed.size // _PIXELS_PER_SITE, 1)]


def with_plate_threshold(parameters: Mapping[str, Any], level: float) -> dict[str, Any]:
    """Return a segmenter's parameters with a level that was measured elsewhere."""
    settings = dict(parameters.get("threshold", {}))
    settings.pop("log", None)
    return dict(parameters) | {"threshold": settings | {"method": "manual", "value": level}}
