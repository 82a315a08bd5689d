"""Whether enough of a plate can be used for the rest of the run to be worth its time."""

from collections import Counter

import pandas as pd

from levelfield.io.export import STORED_PROJECTION
from levelfield.io.plate_index import IndexFault

_EXAMPLES = 3
_REASONS = 3


def check_left_out(
    index: pd.DataFrame, plate: str, layout: pd.DataFrame, limit: float, notes: str = ""
) -> None:
    """Raise `IndexFault` if nothing of a plate can be used, or more is left out than allowed.

    Wells that the layout does not hold do not count. `limit` is in percent of the sites; `notes`
    say what became of images that are not in the index. The text shows three of the files, and
    what was read from their names or from the metadata.
    """
    own = index[index["well"].isin(layout["Metadata_Well"]) | (index["well"] == "")]
    faulty = own.groupby(["well", "site"], sort=False)["fault"].agg(lambda f: (f != "").any())
    n_sites, n_faulty = len(faulty), int(faulty.sum())
    percent = 100.0 * n_faulty / n_sites if n_sites else 100.0
    if n_faulty < n_sites and percent <= limit:
        return
    if own.empty:
        raise IndexFault(_none_in_layout(index, plate, layout))
    head = "nothing of it can be used" if n_faulty == n_sites else f"at most {limit:g} % may be"
    bad = own[own["fault"] != ""]
    reasons = Counter(text.split(": '")[0] for text in bad["fault"]).most_common(_REASONS)
    told = "; ".join(f"{reason} ({number} images)" for reason, number in reasons)
    raise IndexFault(
        f"plate {plate}: {n_faulty} of {n_sites} sites would be left out ({percent:.0f} %; "
        f"{head}), so the run stops before it segments anything. Why: {told}.\n"
        f"Three of the files, and what is read of them:\n{_examples(bad)}\n"
        f"{notes}{' ' if notes else ''}Correct images.format or images.pattern if this is not what "
        "they are, or put the files right. To measure the rest all the same, raise "
        "images.left_out_percent; with more than qc.excluded_sites_percent of its sites left out "
        "the plate then gets no verdict."
    )


def _examples(rows: pd.DataFrame) -> str:
    chosen = rows.sort_values("path", ascending=False, kind="stable").drop_duplicates("fault")
    chosen = pd.concat([chosen, rows]).drop_duplicates(["path", "well", "site", "channel"])
    lines = []
    for row in chosen.head(_EXAMPLES).itertuples():
        z = "stored projection" if row.z == STORED_PROJECTION else f"z {row.z}"
        site = f", site {row.site}" if row.site >= 0 else ""
        read = f"well {row.well or '?'}{site}, channel {row.channel or '?'}, {z}, time {row.time}"
        lines.append(f"  {row.path or 'no file'}: {read}: {row.fault}")
    return "\n".join(lines)


def _none_in_layout(index: pd.DataFrame, plate: str, layout: pd.DataFrame) -> str:
    found = sorted(index["well"].unique())
    wanted = list(layout["Metadata_Well"])
    return (
        f"plate {plate}: none of the wells of the images ({_some(found)}) is in the layout "
        f"({_some(wanted)}). Correct the plate's layout, or how wells are read."
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
