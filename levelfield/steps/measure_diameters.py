"""Measure the typical object of each object set once for a whole plate.

Measured per image, the scale and with it the outlines would follow what a treatment does to the
cells, and drift between the controls.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name

import numpy as np
import pandas as pd

from levelfield.arrays import Image
from levelfield.config.checks import sets_with_plate_diameter
from levelfield.config.settings import ObjectSetSettings, Science
from levelfield.illumination import FlatField
from levelfield.images.preprocessing import apply_steps
from levelfield.images.sites import pixel_size_um, plate_dtype, sites_of
from levelfield.segmentation.methods.classical import FIRST_DIAMETER
from levelfield.segmentation.pixel_classifier import PixelClassifier, foreground_probability
from levelfield.segmentation.registry import METHODS, load_model
from levelfield.segmentation.sizes import with_px
from levelfield.segmentation.typical import TypicalObject
from levelfield.steps.fields import plate_images
from levelfield.steps.fit_illumination import spread_sample

log = logging.getLogger("levelfield")

_SITES = 8  # more change the diameter by less than what it matters
COLUMNS = ("object_set", "n_sites", "n_objects", "diameter", "contrast")


def measure_diameters(
    index: pd.DataFrame,
    science: Science,
    flat_fields: Mapping[str, FlatField],
    weights: Mapping[str, Path],
    device: str,
    classifiers: Mapping[str, PixelClassifier] | None = None,
) -> pd.DataFrame:
    """Measure the typical object of every set that asks for it, on sites of the whole plate.

    Returns
    -------
    DataFrame
        `COLUMNS`, a row per object set; ``diameter`` is the median equivalent diameter in px,
        ``contrast`` the median height above the background in intensity as the segmenter sees it,
        NaN for methods that do not want it.

    Raises
    ------
    ValueError
        If a network finds no object on any site of the sample. A plate on which a threshold finds
        none is told in the log, and its sizes are those of objects of 20 px.
    """
    rows = []
    wells = [well for well in index["well"].unique() if well]
    sample = spread_sample(sites_of(index, wells), _SITES)
    corrected = plate_images(science, plate_dtype(index), flat_fields)
    for made in sets_with_plate_diameter(science.object_sets, METHODS):
        seen = (corrected.seen_by_segmenter(site, made) for site in sample)
        images = [_prepared(image, made, classifiers or {}) for image in seen if image is not None]
        typical = _typical(made, images, weights, device, pixel_size_um(index))
        n_sites, n_objects = len(images), typical.n_objects
        log.info(
            "%s: %d objects of %g px on %d sites", made.name, n_objects, typical.diameter, n_sites
        )
        rows.append((made.name, n_sites, n_objects, typical.diameter, typical.contrast))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _prepared(
    image: Image, made: ObjectSetSettings, classifiers: Mapping[str, PixelClassifier]
) -> Image:
    if made.classifier:
        image = foreground_probability(image, classifiers[made.classifier])[None]
    return apply_steps(image, made.steps)


def _typical(
    made: ObjectSetSettings,
    images: Sequence[Image],
    weights: Mapping[str, Path],
    device: str,
    pixel_size: float | None,
) -> TypicalObject:
    """Measure the typical object of one set, in digits that another processor finds too."""
    method = METHODS[made.method]
    if method.measure:
        parameters = with_px(made.parameters, pixel_size)
        options = method.options.read(parameters, f"method {made.method}")
        measured = resolve_name(method.measure)(images, options)
        if not measured.n_objects:
            log.warning(
                "%s: no object was found on %d sites spread over the plate; its sizes are those of "
                "objects of %g px. If there are objects, give their diameter as parameters: "
                "{diameter: <px>}.",
                made.name,
                len(images),
                FIRST_DIAMETER,
            )
            return TypicalObject(FIRST_DIAMETER)
        return replace(
            measured,
            diameter=_rounded(measured.diameter),
            contrast=float(f"{measured.contrast:.2g}"),
        )
    diameters = load_model(made.method, weights[made.weights], device).measure_diameters(
        [image[0] for image in images]
    )
    if not len(diameters):
        raise ValueError(
            f"objects.{made.name}: no object was found on {len(images)} sites spread over the "
            "plate, so its diameter cannot be measured. Look at the images, or give the "
            "diameter as parameters: {diameter: <px>}."
        )
    return TypicalObject(_rounded(float(np.median(diameters))), n_objects=len(diameters))


def _rounded(diameter: float) -> float:
    """Return whole px, and tenths of small objects."""
    return float(np.round(diameter, 0 if diameter >= 10 else 1))
