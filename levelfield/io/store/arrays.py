"""Write one array of the store: a file of its chunks (Zarr v3), or a file per plane (Zarr v2).

The library `zarr` writes the same, but takes several times as long over the small arrays of a field
as compressing them does; it reads what is written here. Formats: the Zarr v3 core specification
with its codecs ``sharding_indexed``, ``bytes``, ``blosc`` and ``crc32c``, and the Zarr v2
specification (zarr-specs.readthedocs.io).
"""

import json
from pathlib import Path
from typing import Any

import google_crc32c
import imagecodecs
import numpy as np

from levelfield.arrays import AnyArray

_TARGET_CHUNK = 1080  # px; one to two MB, and the plane of many a camera in one or four pieces

# By type of pixel, compressor and shuffle of blosc, at level 1 (benchmarks/store.py measures).
# Shuffled bits of 16-bit pixels shrink as far with lz4 as with zstd, in less than half the time;
# those of 8-bit pixels do not; and labels, long runs of one number, are small as they are.
_CODECS = {"u1": ("zstd", "bitshuffle"), "u2": ("lz4", "bitshuffle"), "i4": ("lz4", "noshuffle")}
_SHUFFLES = ("noshuffle", "shuffle", "bitshuffle")  # in the order of blosc's numbers


def write_array(path: Path, pixels: AnyArray, axes: str, version: str) -> None:
    """Write pixels (Y, X) or (C, Y, X) to a folder that is not there yet.

    `axes` are the names of their dimensions, `version` is that of OME-Zarr.
    """
    path.mkdir(parents=True)
    if version == "0.4":
        _write_planes(path, pixels)
    else:
        _write_shard(path, pixels, axes)


def chunk_side(size: int) -> int:
    """Return a chunk side that divides an image side into equal parts of about 1080 px."""
    return -(-size // -(-size // _TARGET_CHUNK))


def compressed(pixels: AnyArray) -> bytes:
    """Compress one chunk."""
    compressor, shuffle = _codec(pixels.dtype)
    buffer: Any = np.ascontiguousarray(pixels)
    encoded = imagecodecs.blosc_encode(
        buffer,
        level=1,
        compressor=compressor,
        shuffle=shuffle,
        typesize=pixels.itemsize,
        numthreads=1,
    )
    return bytes(encoded)


def _codec(dtype: np.dtype[Any]) -> tuple[str, str]:
    return _CODECS.get(dtype.str[1:], ("zstd", "bitshuffle"))


def _write_shard(path: Path, pixels: AnyArray, axes: str) -> None:
    """Write one file of chunks, since shared file systems run out of inodes."""
    planes, sizes = pixels.shape[:-2], pixels.shape[-2:]
    sides = [chunk_side(size) for size in sizes]
    counts = [-(-size // side) for size, side in zip(sizes, sides, strict=True)]
    excess = [n * side - size for n, side, size in zip(counts, sides, sizes, strict=True)]
    if any(excess):
        pixels = np.pad(pixels, [*((0, 0) for _ in planes), *((0, n) for n in excess)])
    chunks = []
    for plane in pixels.reshape(-1, *pixels.shape[-2:]):
        for y in range(0, plane.shape[0], sides[0]):
            for x in range(0, plane.shape[1], sides[1]):
                chunks.append(compressed(plane[y : y + sides[0], x : x + sides[1]]))
    shape, whole = (*planes, *sizes), pixels.shape
    document = _shard_document(shape, whole, (*(1 for _ in planes), *sides), pixels.dtype, axes)
    (path / "zarr.json").write_text(json.dumps(document))
    # Separated by dots, a chunk needs no folders of its own.
    with (path / ".".join(["c", *("0" for _ in shape)])).open("wb") as file:
        file.writelines([*chunks, *_shard_index(chunks)])


def _shard_index(chunks: list[bytes]) -> tuple[bytes, bytes]:
    """Return where each chunk of a shard begins and how long it is, and the checksum of that."""
    lengths = np.array([len(chunk) for chunk in chunks], "<u8")
    index = np.stack([np.cumsum(lengths) - lengths, lengths], axis=1).astype("<u8").tobytes()
    return index, int(google_crc32c.value(index)).to_bytes(4, "little")


def _shard_document(
    shape: tuple[int, ...],
    whole: tuple[int, ...],
    chunk: tuple[int, ...],
    dtype: np.dtype[Any],
    axes: str,
) -> dict[str, Any]:
    compressor, shuffle = _codec(dtype)
    blosc = {
        "typesize": dtype.itemsize,
        "cname": compressor,
        "clevel": 1,
        "shuffle": shuffle,
        "blocksize": 0,
    }
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    sharding = {
        "chunk_shape": chunk,
        "codecs": [little, {"name": "blosc", "configuration": blosc}],
        "index_codecs": [little, {"name": "crc32c"}],
        "index_location": "end",
    }
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": whole}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "fill_value": 0,
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
        "attributes": {},
        "dimension_names": list(axes),
    }


def _write_planes(path: Path, pixels: AnyArray) -> None:
    """Write a file per plane, in the folders that viewers of OME-Zarr 0.4 look for."""
    planes, sizes = pixels.shape[:-2], pixels.shape[-2:]
    compressor, shuffle = _codec(pixels.dtype)
    blosc = {"id": "blosc", "cname": compressor, "clevel": 1, "blocksize": 0}
    document = {
        "zarr_format": 2,
        "shape": pixels.shape,
        "chunks": (*(1 for _ in planes), *sizes),
        "dtype": pixels.dtype.str,
        "compressor": blosc | {"shuffle": _SHUFFLES.index(shuffle)},
        "fill_value": 0,
        "order": "C",
        "filters": None,
        "dimension_separator": "/",
    }
    (path / ".zarray").write_text(json.dumps(document))
    for place in np.ndindex(planes):
        file = path.joinpath(*map(str, place), "0", "0")
        file.parent.mkdir(parents=True)
        file.write_bytes(compressed(pixels[place]))
