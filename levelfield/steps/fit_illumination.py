"""Fit the flat field of every channel of a plate to a sample of its sites."""

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from levelfield.arrays import AnyArray
from levelfield.config.settings import intensity_maximum, plate_dtype
from levelfield.execution.progress import map_fields
from levelfield.illumination import (
    CameraOffset,
    FlatField,
    camera_offset_from_config,
    camera_offset_from_dark_frame,
    downsample,
    estimate_camera_offset,
    fit_flat_field,
)
from levelfield.images.planes import PlaneError, pixel_fault, read_plane
from levelfield.images.sites import Site, SiteFault, read_channel, sites_of

log = logging.getLogger("levelfield")


def fit_plate(
    index: pd.DataFrame, science: Mapping[str, Any], workers: int, what: str
) -> dict[str, FlatField]:
    """Fit the flat field of every channel, reading one image at a time.

    Parameters
    ----------
    index : DataFrame
        Of the plate.
    science : mapping
        The config's sections ``images``, ``channels`` and ``illumination``.
    workers : int
        Processes.
    what : str
        Of the progress line.

    Returns
    -------
    dict of str to FlatField
        By channel.

    Raises
    ------
    ValueError
        If no site of the plate can be used, or an offset lies above the signal.
    """
    images, settings = science["images"], science["illumination"]
    sites = sites_of(index, list(index["well"].unique()))
    if not sites:
        raise ValueError(
            f"plate {index['plate'].iloc[0]}: not one site is usable. Their faults are in the "
            f"plate's index.csv; the first is '{index.loc[index['fault'] != '', 'fault'].iloc[0]}'."
        )
    sample = spread_sample(sites, settings["sample_sites"])
    planes = index[index["fault"] == ""].iloc[0]
    shape = (int(planes["size_y"]), int(planes["size_x"]))
    maximum = intensity_maximum(images["bit_depth"], plate_dtype(index))
    fields = {}
    for channel, rule in science["channels"].items():
        read = partial(_thumbnail, channel=channel, projection=images.get("projection"))
        thumbnails = map_fields(read, sample, workers, f"{what} {channel}")
        stack = [thumbnail for thumbnail in thumbnails if thumbnail is not None]
        fields[channel] = _fit_channel(stack, shape, rule, settings, maximum)
        log.info("%s: %s. %s", channel, fields[channel].status, fields[channel].reason)
    return fields


def spread_sample(sites: list[Site], size: int) -> list[Site]:
    """Choose sites evenly over the plate; the same ones in every run."""
    if len(sites) <= size:
        return sites
    chosen = np.linspace(0, len(sites) - 1, size).round().astype(int)
    return [sites[i] for i in chosen]


def _thumbnail(site: Site, channel: str, projection: str | None) -> AnyArray | None:
    """Return a small copy of a raw image; None where it cannot be used (`segment` says why)."""
    try:
        image = read_channel(site, channel, projection)
    except SiteFault:
        return None
    return None if pixel_fault(image) else downsample(image)


def _fit_channel(
    stack: list[AnyArray],
    shape: tuple[int, int],
    rule: Mapping[str, Any],
    settings: Mapping[str, Any],
    maximum: int,
) -> FlatField:
    thumbnails = np.stack(stack) if stack else np.zeros((0, *shape), np.float32)
    given = {"degree": settings["degree"]} if "degree" in settings else {}
    offset = _camera_offset(rule.get("camera_offset", "auto"), thumbnails, maximum, given)
    if not settings["correct"]:
        return no_correction(shape, offset, len(stack))
    if "minimum_sites" in settings:
        given["minimum_images"] = settings["minimum_sites"]
    return fit_flat_field(thumbnails, shape, offset, maximum=maximum, **given)


def _camera_offset(
    setting: float | str, thumbnails: AnyArray, maximum: int, given: Mapping[str, Any]
) -> CameraOffset:
    if setting == "auto":
        return estimate_camera_offset(thumbnails, maximum=maximum, **given)
    if isinstance(setting, str):
        try:
            return camera_offset_from_dark_frame(read_plane(Path(setting)))
        except PlaneError as error:
            raise ValueError(
                f"channels: camera_offset names the dark frame '{setting}', which {error}. "
                "Give a number of counts, the path of an image, or 'auto'."
            ) from None
    return camera_offset_from_config(setting)


def no_correction(shape: tuple[int, int], offset: CameraOffset, n_images: int) -> FlatField:
    """Return a field of ones, for a config that asks for no correction.

    A known offset is still subtracted; an estimated one is not, as nothing was asked to be
    estimated.
    """
    if offset.source == "estimated":
        offset = camera_offset_from_config(0.0)
    return FlatField(
        field=np.ones(shape, np.float32),
        camera_offset=offset,
        status="off",
        reason="The config asks for no correction (illumination.correct: false).",
        n_images=n_images,
        degree=0,
    )
