"""Read the label images that other programs made.

CellProfiler (label TIFF), Cellpose (``_cp_masks.tif``, ``_cp_masks.png``, ``_seg.npy``), ilastik
and QuPath (label images exported as TIFF or PNG) and OME-Zarr labels.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile
import zarr
from PIL import Image

from levelfield.arrays import AnyArray, Integers


def label_file(folder: Path, pattern: str, names: Mapping[str, Any]) -> Path:
    """Find the label file of one field.

    Parameters
    ----------
    folder : Path
        Where the label files are.
    pattern : str
        Below the folder, with names in braces: ``{image}_cp_masks.tif``, ``{well}/s{site:02d}.png``
    names : mapping of str to object
        What can stand in braces, e.g. plate, well, site, and image: the raw file's name without
        its ending.

    Raises
    ------
    ValueError
        If the pattern uses an unknown name.
    FileNotFoundError
        If there is no such file.
    """
    try:
        path = folder / pattern.format(**names)
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(
            f"the label pattern {pattern!r} cannot be filled in ({error}); names that can stand in "
            f"braces: {', '.join(names)}"
        ) from None
    if not path.exists():
        raise FileNotFoundError(
            f"no label file {path}: this field has no objects to measure. Correct the pattern "
            f"{pattern!r}, add the file, or take the field out"
        )
    return path


def read_labels(path: Path) -> Integers:
    """Read a label image (Y, X) of any of the supported kinds, decided by the name's ending.

    Those are `.tif`, `.tiff`, `.png`, a Cellpose `_seg.npy`, a plain `.npy`, or the folder of an
    OME-Zarr label image. Nothing is renumbered.

    Raises
    ------
    ValueError
        If the file cannot be a label image.
    """
    suffix = path.suffix.lower()
    if path.is_dir():
        data = _read_zarr(path)
    elif suffix in (".tif", ".tiff"):
        data = tifffile.imread(path)
    elif suffix == ".png":
        with Image.open(path) as image:
            data = np.asarray(image)
    elif suffix == ".npy":
        data = _read_npy(path)
    else:
        raise ValueError(
            f"{path.name}: labels are read from .tif, .tiff, .png, .npy or an OME-Zarr folder; "
            "export them as one of these"
        )
    return _as_labels(np.asarray(data), path.name)


def _as_labels(data: AnyArray, name: str) -> Integers:
    data = np.squeeze(data)
    if data.ndim == 3 and data.shape[-1] in (3, 4):
        raise ValueError(
            f"{name} is a colour picture of labels, in which the numbers are lost. Export the "
            "label image itself (16 or 32 bit, one channel)"
        )
    if data.ndim != 2:
        raise ValueError(f"{name} has the shape {data.shape}; labels must be one plane (y, x)")
    if data.dtype.kind not in "biuf":
        raise ValueError(f"{name} holds {data.dtype} values; labels must be whole numbers")
    numbers = data.astype(np.int64)
    if (numbers != data).any() or numbers.min(initial=0) < 0:
        raise ValueError(
            f"{name} holds fractions or negative numbers; it looks like an image or a probability "
            "map, not labels"
        )
    return numbers


def _read_zarr(path: Path) -> AnyArray:
    """Read the full resolution of an OME-Zarr label image, versions 0.4 and 0.5."""
    group = zarr.open_group(str(path), mode="r")
    metadata: Any = group.attrs.get("ome", group.attrs)
    try:
        dataset = metadata["multiscales"][0]["datasets"][0]["path"]
    except (KeyError, IndexError):
        raise ValueError(
            f"{path.name} is not an OME-Zarr label image: it has no multiscales metadata. Give the "
            "folder of the label itself, e.g. image.zarr/labels/nuclei"
        ) from None
    array: Any = group[dataset]
    return np.asarray(array[...])


def _read_npy(path: Path) -> AnyArray:
    """Read a plain array, or the masks of a Cellpose ``_seg.npy``, whose pickle is not trusted."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        dtype = read_header(file)[2] if read_header else None
        if dtype is None or not dtype.hasobject:
            return np.load(path, allow_pickle=False)
        return _cellpose_masks(file, path.name)


def _cellpose_masks(file: BinaryIO, name: str) -> AnyArray:
    try:
        masks: AnyArray = _ArraysOnly(file).load().item()["masks"]
    except Exception as error:  # a broken or hostile pickle can raise anything
        raise ValueError(
            f"{name} is not a Cellpose segmentation with masks ({error}); save the masks as "
            "_cp_masks.tif instead"
        ) from error
    return masks


class _Ignored:
    """Stands for whatever in a pickle is not an array: takes what it gets and does nothing."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


class _ArraysOnly(pickle.Unpickler):
    """Unpickle arrays and plain containers; whatever else a pickle names is never imported."""

    ALLOWED = frozenset(
        {
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("_codecs", "encode"),
            *(
                (f"numpy.{core}.multiarray", name)
                for core in ("core", "_core")
                for name in ("_reconstruct", "scalar")
            ),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        """Return the few functions that arrays need, and a stand-in for everything else."""
        if (module, name) in self.ALLOWED:
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        return _Ignored

    def persistent_load(self, identifier: Any) -> Any:
        """Refuse references to things outside of the file."""
        raise pickle.UnpicklingError(f"reference {identifier!r} to something outside of the file")
