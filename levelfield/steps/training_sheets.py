"""Images and annotations that training sheets name."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from levelfield.arrays import AnyArray
from levelfield.config.sheets import SheetError
from levelfield.images.planes import PlaneError, read_header, read_plane
from levelfield.segmentation.imported import read_labels


def read_annotated(
    image: str, annotations: Sequence[str], where: str, n_planes: int | None = None
) -> tuple[AnyArray, list[AnyArray]]:
    """Return an image (C, Y, X) as float32, 0-1, and its annotations (Y, X) as int32.

    `where` names sheet and line in an error; of the image `n_planes` are read, or all.

    Raises
    ------
    SheetError
        If a file cannot be read, or is not of the size of the image.
    """
    header = read_header(Path(image))
    if header.fault:
        raise SheetError(f"{where}: '{image}' {header.fault}.")
    try:
        pages = range(n_planes or header.n_pages)
        planes = np.stack([read_plane(Path(image), page) for page in pages])
        labels = [read_labels(Path(path)).astype(np.int32) for path in annotations]
    except (PlaneError, ValueError, OSError) as error:
        raise SheetError(f"{where}: {error}.") from None
    for path, array in zip(annotations, labels, strict=True):
        if array.shape != planes.shape[1:]:
            raise SheetError(
                f"{where}: '{path}' is {array.shape} px and its image {planes.shape[1:]} px. They "
                "must be of one size."
            )
    return planes.astype(np.float32) / np.float32(np.iinfo(planes.dtype).max), labels
