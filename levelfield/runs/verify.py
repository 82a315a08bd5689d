"""Find stored pixels that are missing or altered, and have them made again."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from levelfield.config.results import in_plate, packs_in, store_in
from levelfield.io.store import find_damage, invalidate_field
from levelfield.io.tables import read_csv


@dataclass(frozen=True)
class Verification:
    """What was found in a plate's store."""

    n_fields: int  # that were looked at
    n_waiting: int  # that have yet to be segmented
    damages: pd.DataFrame
    """``well, site, what, how, pack``: an ``image`` or object set is ``missing`` or ``altered``."""


def verify_plate(results: Path) -> Verification:
    """Compare every stored field of a plate, by its results, with the checksums in its tables."""
    store, planned = store_in(results), read_csv(in_plate(results, "create_store"))
    n_fields, n_known, rows = 0, 0, []
    for path in packs_in(results, "segment"):
        table = read_csv(path)
        n_known += len(table)
        sound = table[table["fault"] == ""]
        n_fields += len(sound)
        sums = [column for column in table if column.startswith("checksum_")]
        for row in sound.to_dict("records"):
            expected = {name.removeprefix("checksum_"): row[name] for name in sums}
            well, site = row["Metadata_Well"], int(row["Metadata_Site"])
            for what, how in find_damage(store, well, site, expected).items():
                rows.append((well, site, what, how, path.stem))
    damages = pd.DataFrame(rows, columns=["well", "site", "what", "how", "pack"])
    return Verification(n_fields, len(planned) - n_known, damages)


def invalidate(results: Path, damages: pd.DataFrame) -> list[Path]:
    """Have damaged fields made again by the next run, and only them.

    The fields lose their fingerprints and the tables of their packs are removed, and returned;
    sound fields of those packs keep theirs and are not segmented again.
    """
    store, packs = store_in(results), set(damages["pack"])
    for damage in damages.itertuples():
        invalidate_field(store, damage.well, damage.site)
    tables = [path for path in packs_in(results, "segment") if path.stem in packs]
    for table in tables:
        table.unlink()
    return tables
