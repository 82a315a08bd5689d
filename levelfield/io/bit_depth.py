"""How many bits the camera has used, as its images tell."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from levelfield.arrays import AnyArray
from levelfield.images.planes import PlaneError, read_plane
from levelfield.io.plate_index import IndexFault

_SAMPLE = 8  # images, spread over the plate
_CAMERAS = (10, 12, 14)  # bits of cameras that write files of 16
_SATURATED = 3  # pixels of one value that the largest of so many bits may be by chance


def check_bit_depth(planes: pd.DataFrame, plate: str, bit_depth: int | None) -> str:
    """Compare a few images of an index with the bit depth of the config.

    Returns
    -------
    str
        A warning where none is given and the images are those of a camera of fewer bits than the
        files, else nothing.

    Raises
    ------
    IndexFault
        If an image is brighter than the bit depth allows.
    """
    brightest, dtype, saturated, path = 0, "", 0, ""
    for name, pixels in _sample(planes):
        if int(pixels.max()) >= brightest:
            brightest, dtype, path = int(pixels.max()), str(pixels.dtype), name
            saturated = int(np.count_nonzero(pixels == brightest))
    if bit_depth is not None and brightest > 2**bit_depth - 1:
        bits = next(bits for bits in (*_CAMERAS, 16) if brightest < 2**bits)
        raise IndexFault(
            f"plate {plate}: images.bit_depth is {bit_depth}, which allows pixels up to "
            f"{2**bit_depth - 1}, but '{path}' has one of {brightest}: intensities would exceed 1. "
            f"Correct images.bit_depth ({bits} would do), or leave it out."
        )
    if bit_depth is None and dtype == "uint16" and saturated > _SATURATED:
        for bits in _CAMERAS:
            if brightest == 2**bits - 1:
                return (
                    f"plate {plate}: {saturated} pixels of '{path}' have the value {brightest}, "
                    f"the largest of {bits} bits: they look saturated. If the camera has {bits}, "
                    f"add images.bit_depth: {bits}, by which intensities are then divided"
                )
    return ""


def _sample(planes: pd.DataFrame) -> Iterator[tuple[str, AnyArray]]:
    usable = planes[(planes["fault"] == "") & (planes["path"] != "")]
    step = max(len(usable) // _SAMPLE, 1)
    for row in usable.iloc[::step].head(_SAMPLE).itertuples():
        try:
            yield row.path, read_plane(row.path, row.page, row.bytes or None, row.checksum)
        except PlaneError:  # whoever needs the image says so
            continue
