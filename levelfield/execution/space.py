"""Room on the disk: what a plate will need, what is free, and what could be deleted."""

import shutil
from pathlib import Path

import pandas as pd

from levelfield.config.results import RULES, in_plate, store_in
from levelfield.images.sites import plate_dtype

_STORED_SHARE = 1.0  # of the raw pixels, with the smaller levels; 0.62 in the demo, 0.9 of 16 bits
_LABEL_SHARE = 0.1  # of four bytes a pixel; 0.06 in the demo
_TABLE_BYTES_A_SITE = 1_000_000
_KEPT_FREE = 1.05  # a disk that is filled to the last byte fails everybody on it


def predicted_bytes(index: pd.DataFrame, n_sets: int) -> int:
    """Return about what a plate with that index will take on the disk, rather more than less.

    `n_sets` is the number of object sets.
    """
    sound = index[index["fault"] == ""]
    if sound.empty:
        return 0
    pixels = int((sound["size_y"].astype(int) * sound["size_x"].astype(int)).sum())
    sites = sound.groupby(["well", "site"], sort=False)[["size_y", "size_x"]].first().astype(int)
    image_bytes = _STORED_SHARE * pixels * plate_dtype(index).itemsize
    label_bytes = _LABEL_SHARE * 4 * n_sets * int((sites["size_y"] * sites["size_x"]).sum())
    return int(image_bytes + label_bytes + _TABLE_BYTES_A_SITE * len(sites))


def bytes_in(folder: Path) -> int:
    """Return the size of all files below a folder; 0 without it."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def check_space(plate: str, needed: int, results: Path, free: int | None = None) -> None:
    """Refuse to begin a plate that the disk has no room for.

    What lies in the plate's folder of results already counts as done. The bytes that are free,
    when left out, are those that its file system reports to this user; most file systems with
    quotas report what these leave.

    Raises
    ------
    ValueError
        If there is less room than is still needed.
    """
    free = shutil.disk_usage(results).free if free is None else free
    missing = _KEPT_FREE * max(needed - bytes_in(results), 0) - free
    if missing <= 0:
        return
    raise ValueError(
        f"plate {plate} needs about {needed / 1e9:.1f} GB, and '{results}' lies where "
        f"{free / 1e9:.1f} GB are free: {missing / 1e9:.1f} GB too few. Nothing of the plate was "
        f"begun. Free some room, or name another folder with the config key 'results'. "
        f"{_advice(removable(results.parent)['bytes'])}"
    )


def _advice(spared: pd.Series) -> str:
    if spared.empty:
        return "Nothing in the folder of results can be spared."
    return (
        f"Finished plates hold {spared.sum() / 1e9:.1f} GB that nothing but a new run needs; "
        "`levelfield status --removable` lists it. Levelfield deletes none of it."
    )


def removable(results: Path) -> pd.DataFrame:
    """List what could be deleted of finished plates to save space; nothing is deleted here.

    Returns
    -------
    DataFrame
        ``plate, path, bytes, consequence``, largest first.
    """
    folders = [
        crate.parent for crate in sorted(results.glob(str(in_plate(Path("*"), "provenance"))))
    ]
    rows = [
        (folder.name, str(path), size, consequence)
        for folder in folders
        for path, consequence in _spared(folder).items()
        if (size := bytes_in(path))
    ]
    table = pd.DataFrame(rows, columns=["plate", "path", "bytes", "consequence"])
    return table.sort_values("bytes", ascending=False, kind="stable", ignore_index=True)


def _spared(folder: Path) -> dict[Path, str]:
    """Return what a plate could be without, and what it costs."""
    measured = in_plate(folder, "measure", "image").parents[1]
    evidence = [in_plate(folder, "qc_evidence", name).parent for name in RULES["qc_evidence"].files]
    return {
        store_in(folder): "images and labels are gone; a new run makes them again",
        measured: "the tables of packs; a later change measures the whole plate again",
        **dict.fromkeys(evidence, "as measure, of the QC"),
        in_plate(folder, "measure", "thumbnails").parent: "as measure, of the pictures; the "
        "report has its own copy",
    }
