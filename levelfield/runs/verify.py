"""Find stored pixels that are missing or altered, and have them made again."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from levelfield.config.results import in_plate, store_in
from levelfield.io.store import find_damage, invalidate_field
from levelfield.io.tables import read_csv


@dataclass(frozen=True)
class Damage:
    """What is wrong with one field.

    Attributes
    ----------
    well, site : str, int
        The field.
    pack : str
        The job that makes it.
    parts : dict of str to str
        ``missing`` or ``altered`` by name: ``image`` or an object set.
    """

    well: str
    site: int
    pack: str
    parts: dict[str, str]


@dataclass(frozen=True)
class Verification:
    """What was found in a plate's store.

    Attributes
    ----------
    n_fields : int
        Fields that were looked at.
    n_waiting : int
        Fields that have yet to be segmented.
    damages : list of Damage
        In plate order of the packs.
    """

    n_fields: int
    n_waiting: int
    damages: list[Damage]


def verify_plate(results: Path) -> Verification:
    """Compare every stored field of a plate with the checksums in its tables.

    Parameters
    ----------
    results : Path
        The plate's folder of results.

    Raises
    ------
    FileNotFoundError
        If the folder holds no segmented plate.
    """
    store, planned = store_in(results), in_plate(results, "create_store")
    if not planned.is_file():
        raise FileNotFoundError(
            f"'{results}' holds no segmented plate (no store.csv). Give the plate's folder "
            "of results, for instance results/PLATE, or its name."
        )
    n_fields, n_known, damages = 0, 0, []
    segmented = in_plate(results, "segment", pack="*")
    for path in sorted(segmented.parent.glob(segmented.name)):
        table = read_csv(path)
        n_known += len(table)
        sound = table[table["fault"] == ""]
        n_fields += len(sound)
        sums = [column for column in table if column.startswith("checksum_")]
        for row in sound.to_dict("records"):
            expected = {name.removeprefix("checksum_"): row[name] for name in sums}
            well, site = row["Metadata_Well"], int(row["Metadata_Site"])
            if parts := find_damage(store, well, site, expected):
                damages.append(Damage(well, site, path.stem, parts))
    return Verification(n_fields, len(read_csv(planned)) - n_known, damages)


def invalidate(results: Path, damages: list[Damage]) -> list[Path]:
    """Have damaged fields made again by the next run, and only them.

    The fields lose their fingerprints and the tables of their packs are put aside; sound
    fields of those packs keep theirs and are not segmented again.

    Returns
    -------
    list of Path
        The tables that were removed.
    """
    store = store_in(results)
    for damage in damages:
        invalidate_field(store, damage.well, damage.site)
    packs = sorted({damage.pack for damage in damages})
    tables = [in_plate(results, "segment", pack=pack) for pack in packs]
    for table in tables:
        table.unlink()
    return tables


def damage_table(damages: list[Damage]) -> pd.DataFrame:
    """Return damages as a table for people: well, site, what, how, pack."""
    rows = [
        {"well": d.well, "site": d.site, "what": name, "how": how, "pack": d.pack}
        for d in damages
        for name, how in d.parts.items()
    ]
    return pd.DataFrame(rows, columns=["well", "site", "what", "how", "pack"])
