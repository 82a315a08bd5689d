"""A sample of a plate as a segmenter sees it, for what is measured once for all images."""

from levelfield.arrays import AnyArray
from levelfield.config.settings import ObjectSetSettings
from levelfield.images.sites import Site, SiteFault
from levelfield.steps.fields import PlateImages


def seen_by_segmenter(
    site: Site, object_set: ObjectSetSettings, images: PlateImages
) -> AnyArray | None:
    """Return a site's corrected image (C, Y, X) in the channels of an object set.

    None if the site cannot be used; the job that segments it says why.
    """
    try:
        corrected = images.corrected(images.read(site))
    except SiteFault:
        return None
    return corrected[[images.names.index(name) for name in object_set.channels]]
