"""A sample of a plate as a segmenter sees it, for what is measured once for all images."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from levelfield.arrays import AnyArray
from levelfield.config.settings import ObjectSetSettings
from levelfield.illumination import FlatField
from levelfield.images.sites import Site, SiteFault, check_pixels, read_site
from levelfield.steps.fields import correct_site, store_channels


def seen_by_segmenter(
    site: Site,
    object_set: ObjectSetSettings,
    science: Mapping[str, Any],
    dtype: np.dtype[Any],
    flat_fields: Mapping[str, FlatField],
) -> AnyArray | None:
    """Return a site's corrected image (C, Y, X) in the channels of an object set.

    None if the site cannot be used; the job that segments it says why.
    """
    channels = store_channels(science, dtype)
    names = [channel.name for channel in channels]
    try:
        image = read_site(site, names, science["images"].get("projection"))
        check_pixels(site, image, names, channels[0].maximum, 100.0)
    except SiteFault:
        return None
    corrected = correct_site(image, names, flat_fields, channels[0].maximum)
    return corrected[[names.index(name) for name in object_set.channels]]
