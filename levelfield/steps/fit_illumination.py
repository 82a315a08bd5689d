"""Fit the flat field of every channel of a plate to a sample of its sites."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from levelfield import illumination
from levelfield.arrays import AnyArray
from levelfield.config.settings import ChannelSettings, IlluminationSettings, Science
from levelfield.execution.progress import map_fields
from levelfield.illumination import CameraOffset, FlatField
from levelfield.images.planes import PlaneError, pixel_fault, read_plane
from levelfield.images.sites import (
    Site,
    SiteFault,
    intensity_maximum,
    plate_dtype,
    read_channel,
    sites_of,
)

log = logging.getLogger("levelfield")


def fit_plate(
    index: pd.DataFrame, science: Science, workers: int, what: str
) -> dict[str, FlatField]:
    """Fit the flat field of every channel, reading one image at a time.

    Raises
    ------
    ValueError
        If no site of the plate can be used, or an offset lies above the signal.
    """
    sites = sites_of(index, list(index["well"].unique()))
    if not sites:
        raise ValueError(
            f"plate {index['plate'].iloc[0]}: not one site is usable. Their faults are in the "
            f"plate's index.csv; the first is '{index.loc[index['fault'] != '', 'fault'].iloc[0]}'."
        )
    sample = spread_sample(sites, science.illumination.sample_sites)
    planes = index[index["fault"] == ""].iloc[0]
    shape = (int(planes["size_y"]), int(planes["size_x"]))
    maximum = intensity_maximum(science.images.bit_depth, plate_dtype(index))
    fields = {}
    for name, channel in science.channels.items():
        read = partial(_thumbnail, channel=name, projection=science.projections[name])
        found = map_fields(read, sample, workers, f"{what} {name}")
        stack = [thumbnail for thumbnail in found if thumbnail is not None]
        thumbnails = np.stack(stack) if stack else np.zeros((0, *shape), np.float32)
        fitted = _fit_channel(thumbnails, shape, channel, science.illumination, maximum)
        darkest, brightest = illumination.display_range(thumbnails, fitted, maximum)
        fields[name] = replace(fitted, darkest=darkest, brightest=brightest)
        log.info("%s: %s. %s", name, fields[name].status, fields[name].reason)
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
    return None if pixel_fault(image) else illumination.downsample(image)


def _fit_channel(
    thumbnails: AnyArray,
    shape: tuple[int, int],
    channel: ChannelSettings,
    settings: IlluminationSettings,
    maximum: int,
) -> FlatField:
    given: dict[str, Any] = {} if settings.degree is None else {"degree": settings.degree}
    offset = _camera_offset(channel.camera_offset, thumbnails, maximum, given)
    if not settings.correct:
        return _no_correction(shape, offset, len(thumbnails))
    if settings.minimum_sites is not None:
        given["minimum_images"] = settings.minimum_sites
    return illumination.fit_flat_field(thumbnails, shape, offset, maximum=maximum, **given)


def _camera_offset(
    setting: float | str, thumbnails: AnyArray, maximum: int, given: Mapping[str, Any]
) -> CameraOffset:
    if setting == "auto":
        return illumination.estimate_camera_offset(thumbnails, maximum=maximum, **given)
    if isinstance(setting, str):
        try:
            return illumination.camera_offset_from_dark_frame(read_plane(Path(setting)))
        except PlaneError as error:
            raise ValueError(
                f"channels: camera_offset names the dark frame '{setting}', which {error}. "
                "Give a number of counts, the path of an image, or 'auto'."
            ) from None
    return illumination.camera_offset_from_config(setting)


def _no_correction(shape: tuple[int, int], offset: CameraOffset, n_images: int) -> FlatField:
    """Return a field of ones; of offsets only those that are known are still subtracted."""
    if offset.source == "estimated":
        offset = illumination.camera_offset_from_config(0.0)
    return FlatField(
        field=np.ones(shape, np.float32),
        camera_offset=offset,
        status="off",
        reason="The config asks for no correction (illumination.correct: false).",
        n_images=n_images,
        degree=0,
    )
