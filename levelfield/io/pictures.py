"""Pictures as bytes, the same for the same pixels: WebP, JPEG, and transparent PNG for outlines."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from levelfield.arrays import AnyArray


def rgb(colour: str) -> AnyArray:
    """Return ``#rrggbb`` as three numbers from 0 to 1, float32."""
    digits = colour.lstrip("#")
    return np.array([int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)], np.float32)


def transparent_png(inks: AnyArray, colours: Sequence[str], level: int = 9) -> bytes:
    """Draw pixels above 0 in the colour of that number, on a transparent ground.

    A lower `level` of compression takes less time.
    """
    picture = Image.fromarray(inks.astype(np.uint8))
    parts = [round(255 * float(part)) for colour in colours for part in rgb(colour)]
    picture.putpalette([0, 0, 0, *parts])
    file = io.BytesIO()
    bits = 1 if len(colours) == 1 else 2
    picture.save(file, format="PNG", compress_level=level, transparency=0, bits=bits)
    return file.getvalue()


def webp(picture: AnyArray, quality: int = 92) -> bytes:
    """Return values from 0 to 1 as WebP, grey (Y, X) or in colour (Y, X, 3)."""
    file = io.BytesIO()
    Image.fromarray(_bytes(picture)).save(file, format="WEBP", quality=quality, method=4)
    return file.getvalue()


def jpeg(picture: AnyArray, quality: int = 70) -> bytes:
    """Return values from 0 to 1 (Y, X) as a grey JPEG: larger than WebP, in a tenth of the time."""
    file = io.BytesIO()
    Image.fromarray(_bytes(picture)).save(file, format="JPEG", quality=quality)
    return file.getvalue()


def _bytes(picture: AnyArray) -> AnyArray:
    return np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)
