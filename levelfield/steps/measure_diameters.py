"""Measure the median diameter of objects once for a whole plate.

Measured per image, the scale of a network and with it its outlines would follow what a treatment
does to the cells, and drift between the controls.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from levelfield.config.checks import sets_with_plate_diameter
from levelfield.config.settings import Science
from levelfield.illumination import FlatField
from levelfield.images.preprocessing import apply_steps
from levelfield.images.sites import plate_dtype, sites_of
from levelfield.segmentation.devices import choose_device
from levelfield.segmentation.registry import METHODS, load_model
from levelfield.steps.fields import plate_images
from levelfield.steps.fit_illumination import spread_sample
from levelfield.steps.self_test import check_device

log = logging.getLogger("levelfield")

_SITES = 8  # more change the diameter by less than what it matters
COLUMNS = ("object_set", "n_sites", "n_objects", "diameter")


def measure_diameters(
    index: pd.DataFrame,
    science: Science,
    flat_fields: Mapping[str, FlatField],
    weights: Mapping[str, Path],
    device: str,
) -> pd.DataFrame:
    """Measure the diameter of every object set that asks for it, on sites of the whole plate.

    Returns
    -------
    DataFrame
        `COLUMNS`, a row per object set; ``diameter`` is the median equivalent diameter in px.

    A GPU is tested first.

    Raises
    ------
    MachineFault
        If it does not compute what it should.
    ValueError
        If no site of the sample can be used, or none has an object.
    """
    place = choose_device(device).place
    if place.startswith("cuda"):
        check_device(place)
    rows = []
    wells = [well for well in index["well"].unique() if well]
    sample = spread_sample(sites_of(index, wells), _SITES)
    corrected = plate_images(science, plate_dtype(index), flat_fields)
    for made in sets_with_plate_diameter(science.object_sets, METHODS):
        seen = (corrected.seen_by_segmenter(site, made) for site in sample)
        images = [apply_steps(image, made.steps)[0] for image in seen if image is not None]
        model = load_model(made.method, weights[made.weights], device)
        diameters = model.measure_diameters(images)
        if not len(diameters):
            raise ValueError(
                f"objects.{made.name}: no object was found on {len(images)} sites spread over the "
                "plate, so its diameter cannot be measured. Look at the images, or give the "
                "diameter as parameters: {diameter: <px>}."
            )
        # Whole px, so that another processor measures the same.
        median = float(np.round(np.median(diameters)))
        n_sites, n_objects = len(images), len(diameters)
        log.info("%s: %d objects of %.0f px on %d sites", made.name, n_objects, median, n_sites)
        rows.append((made.name, n_sites, n_objects, median))
    return pd.DataFrame(rows, columns=list(COLUMNS))
