"""Find stored pixels that are missing or altered, and have them made again."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from levelfield.config.results import in_plate, packs_in, store_in
from levelfield.io.store import find_damage, invalidate_field
from levelfield.io.tables import read_csv


@dataclass(frozen=True)
class Damage:
    """What is wrong with one field, and the pack of the job that makes it."""

    well: str
    site: int
    pack: str
    parts: dict[str, str]
    """``missing`` or ``altered`` by name: ``image`` or an object set."""


@dataclass(frozen=True)
class Verification:
    """What was found in a plate's store: fields looked at, yet to be segmented, and damaged."""

    n_fields: int
    n_waiting: int
    damages: list[Damage]


def verify_plate(results: Path) -> Verification:
    """Compare every stored field of a plate, by its results, with the checksums in its tables."""
    store, planned = store_in(results), read_csv(in_plate(results, "create_store"))
    n_fields, n_known, damages = 0, 0, []
    for path in packs_in(results, "segment"):
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
    return Verification(n_fields, len(planned) - n_known, damages)


def invalidate(results: Path, damages: list[Damage]) -> list[Path]:
    """Have damaged fields made again by the next run, and only them.

    The fields lose their fingerprints and the tables of their packs are removed, and returned;
    sound fields of those packs keep theirs and are not segmented again.
    """
    store = store_in(results)
    for damage in damages:
        invalidate_field(store, damage.well, damage.site)
    packs = {damage.pack for damage in damages}
    tables = [path for path in packs_in(results, "segment") if path.stem in packs]
    for table in tables:
        table.unlink()
    return tables


def damage_table(damages: list[Damage]) -> pd.DataFrame:
    """Return damages as a table for people: well, site, what, how, pack."""
    rows = [
        (damage.well, damage.site, name, how, damage.pack)
        for damage in damages
        for name, how in damage.parts.items()
    ]
    return pd.DataFrame(rows, columns=["well", "site", "what", "how", "pack"])
