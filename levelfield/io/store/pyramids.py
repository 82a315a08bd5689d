"""Images and labels at several sizes, as viewers want them, and their chunks in the store."""

from collections.abc import Sequence

import numpy as np
import zarr
from zarr.codecs import BloscCodec

from levelfield.arrays import AnyArray

_TARGET_CHUNK = 640  # px; near the size at which whole-field and cropped reads are both quick
_SMALLEST_LEVEL = 128  # px; a smaller level shows nothing more in a viewer


def write_levels(group: zarr.Group, levels: Sequence[AnyArray], axes: str) -> None:
    """Write the levels of a pyramid; `axes` are the names of their dimensions."""
    for level, pixels in enumerate(levels):
        planes, sizes = pixels.shape[:-2], pixels.shape[-2:]
        sides = [chunk_side(size) for size in sizes]
        whole = [side * -(-size // side) for side, size in zip(sides, sizes, strict=True)]
        array = group.create_array(
            str(level),
            shape=pixels.shape,
            dtype=pixels.dtype,
            chunks=(*(1 for _ in planes), *sides),
            shards=(*planes, *whole),  # one file per level: shared file systems run out of inodes
            compressors=BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle"),
            dimension_names=list(axes),
        )
        array[...] = pixels


def chunk_side(size: int) -> int:
    """Return a chunk side that divides an image side into equal parts of about 640 px."""
    return -(-size // -(-size // _TARGET_CHUNK))


def image_pyramid(image: AnyArray) -> list[AnyArray]:
    """Return an image (C, Y, X) and its halvings by area mean, to about 128 px."""
    levels = [image]
    while min(levels[-1].shape[-2:]) >= 2 * _SMALLEST_LEVEL:
        above = levels[-1]
        rows, columns = above.shape[-2] // 2, above.shape[-1] // 2
        blocks = above[..., : 2 * rows, : 2 * columns]
        blocks = blocks.reshape(*above.shape[:-2], rows, 2, columns, 2)
        levels.append(np.rint(blocks.mean(axis=(-3, -1), dtype=np.float32)).astype(image.dtype))
    return levels


def label_pyramid(labels: AnyArray) -> list[AnyArray]:
    """Return labels (Y, X) and their halvings by every second pixel, to about 128 px."""
    levels = [labels]
    while min(levels[-1].shape) >= 2 * _SMALLEST_LEVEL:
        rows, columns = (size // 2 * 2 for size in levels[-1].shape)
        levels.append(levels[-1][:rows:2, :columns:2])
    return levels
