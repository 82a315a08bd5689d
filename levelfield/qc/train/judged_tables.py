"""What the product says of plates whose truth is known, as tables."""

from typing import Any

import pandas as pd

from levelfield.qc.measures import FOUND, MEASURES, SPLIT_MERGE, THRESHOLD
from levelfield.qc.train.calibrate import ALIKE
from levelfield.qc.train.intervals import rms_by_groups, share_by_groups
from levelfield.qc.train.judge import Judged
from levelfield.qc.train.phenotypes import EXTREME
from levelfield.qc.train.segmentations import KINDS

ALL_KINDS = "all"
PHENOTYPE = "phenotype"
HALF, FULL, LARGE = (0.4, 0.6), 1.0, (1.2, 1.6)
"""Sizes of a true error over its margin: about half of it, beyond it, and about 1.4 of it."""


def scaled(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the true error over the margin, and errors in units."""
    limit = rows["margin"].where(
        (rows["measure"] != "agreement") | (rows["scope"] == "difference"), 1 - rows["margin"]
    )
    truth = rows["truth"].where(
        (rows["measure"] != "agreement") | (rows["scope"] == "difference"), 1 - rows["truth"]
    )
    scale = rows["measure"].map({name: measure.scale for name, measure in MEASURES.items()})
    return rows.assign(size=truth.abs() / limit, error=(rows["value"] - rows["truth"]) * scale)


def coverage_table(rows: pd.DataFrame) -> pd.DataFrame:
    """How often 90 % intervals hold the truth, by kind of plate, segmenter, measure and scope."""
    known = rows[rows["low"].notna() & ~rows["what"].isin(EXTREME)]
    found = []
    for (differing, measure, scope), own in known.groupby(["differing", "measure", "scope"]):
        for kind in (*KINDS, ALL_KINDS):
            mine = of_kind(own, kind)
            if len(mine):
                share, low, high = share_by_groups(mine["covered"], mine["group"])
                found.append(
                    {"differing": differing, "measure": measure, "scope": scope, "kind": kind}
                    | {"coverage": share, "coverage_low": low, "coverage_high": high}
                    | {"n": len(mine)}
                )
    return pd.DataFrame(found)


def _when(rows: pd.DataFrame, verdict: str, chosen: pd.Series) -> pd.Series:
    return (rows["verdict"] == verdict).where(chosen)


def rule_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Count false passes, false fails and power of single rows, by measure, scope and segmenter."""
    rows = rows[~rows["what"].isin(EXTREME) & ~rows["differing"].str.endswith("same images")]
    found = []
    for (measure, scope), own in rows.groupby(["measure", "scope"]):
        for kind, alike in (*((kind, False) for kind in (*KINDS, ALL_KINDS)), (ALL_KINDS, True)):
            mine = of_kind(own, kind)
            mine = mine[mine["differing"].isin(ALIKE)] if alike else mine
            row = {"measure": measure, "scope": scope, "kind": kind, "n": len(mine)}
            row["plates"] = "classes look alike" if alike else "all"
            for name, flags in (
                ("passes_below_a_fifth", _when(mine, "pass", mine["size"] < 0.2)),
                ("false_pass", _when(mine, "pass", mine["size"] > FULL)),
                ("false_fail_at_half", _when(mine, "fail", mine["size"].between(*HALF))),
                ("fails_at_1.4", _when(mine, "fail", mine["size"].between(*LARGE))),
                ("fails_beyond_1.6", _when(mine, "fail", mine["size"] > LARGE[1])),
            ):
                value, low, high = share_by_groups(flags, mine["group"])
                row |= {name: value, f"{name}_low": low, f"{name}_high": high}
                row[f"n_{name}"] = int(flags.notna().sum())
            found.append(row)
    return pd.DataFrame(found)


def phenotype_table(judged: Judged, few: pd.DataFrame) -> pd.DataFrame:
    """Error, coverage, answers and false verdicts of differences, by phenotype and segmenter.

    Coverage comes from `few`, whose intervals hold what few images leave open.
    ``paired``: both classes are the same images, as in earlier studies; else disjoint halves.
    """
    rows, answers = judged
    rows = rows[rows["scope"] == "difference"]
    found = []
    for differing in (PHENOTYPE, f"{PHENOTYPE}, same images"):
        own = rows[rows["differing"] == differing]
        said = answers[answers["differing"] == differing]
        names = {name: [name] for name in sorted(own["what"].unique())}
        every = set(names)
        names |= {"all": sorted(every), "all but extreme": sorted(every - set(EXTREME))}
        for what, members in names.items():
            for kind in (*KINDS, ALL_KINDS):
                mine = of_kind(own[own["what"].isin(members)], kind)
                answer = of_kind(said[said["what"].isin(members)], kind)
                if len(mine):
                    head = {"phenotype": what, "kind": kind, "paired": differing != PHENOTYPE}
                    row = head | _of_phenotype(mine, answer)
                    wide = few[(few["differing"] == differing) & few["what"].isin(members)]
                    wide = of_kind(wide[wide["scope"] == "difference"], kind)
                    covered = wide.groupby("measure")["covered"].mean()
                    found.append(row | covered.add_prefix("coverage_").to_dict())
    return pd.DataFrame(found)


def of_kind(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return the rows of one kind of segmenter, or of all of `KINDS`."""
    return table[table["kind"].isin(KINDS if kind == ALL_KINDS else (kind,))]


def _of_phenotype(rows: pd.DataFrame, answers: pd.DataFrame) -> dict[str, float]:
    row: dict[str, float] = {}
    for measure in ("balance", "splits", "merges", "missed", "bias", "agreement"):
        own = rows[rows["measure"] == measure]
        value, low, high = rms_by_groups(own["error"], own["group"])
        row |= {f"rms_{measure}": value, f"rms_{measure}_low": low, f"rms_{measure}_high": high}
    balance = rows[rows["measure"] == "balance"]
    row["false_pass_balance"] = _when(balance, "pass", balance["size"] > FULL).mean()
    row["false_fail_at_half_balance"] = _when(
        balance, "fail", balance["size"].between(*HALF)
    ).mean()
    for question in (SPLIT_MERGE, THRESHOLD, FOUND):
        own = answers[answers["question"] == question]
        row[f"answered_{question}"] = (own["both"] != "undecided").mean()
    row["n"] = len(balance)
    return row


def planted_table(judged: Judged) -> pd.DataFrame:
    """Errors planted into good segmentations of one class and of both: what is read and said."""
    rows, answers = judged
    planted = rows["differing"].str.startswith("planted")
    keys = ["differing", "what", "kind"]
    question = {"splits": SPLIT_MERGE, "merges": SPLIT_MERGE, "drops": FOUND, "moved": THRESHOLD}
    measure = {"splits": "splits", "merges": "merges", "drops": "missed", "moved": "bias"}
    found = []
    groups: Any = rows[planted].groupby(keys, sort=True)
    for (differing, what, kind), own in groups:
        word = what.split(" ")[0]
        if word not in measure:
            continue
        scope = "difference" if differing == "planted" else "poscon"
        of_measure = own[(own["measure"] == measure[word]) & (own["scope"] == scope)]
        balance = own[(own["measure"] == "balance") & (own["scope"] == scope)]
        said = answers[
            (answers["differing"] == differing)
            & (answers["what"] == what)
            & (answers["kind"] == kind)
            & (answers["question"] == question[word])
        ]
        unit = MEASURES[measure[word]].scale
        fails, low, high = share_by_groups(said["verdict"] == "fail", said["group"])
        found.append(
            {"planted": what, "in": "one class" if differing == "planted" else "both"}
            | {"kind": kind, "measure": measure[word], "judged": scope}
            | {"truth": unit * of_measure["truth"].mean()}
            | {"estimate": unit * of_measure["value"].mean()}
            | {"covered": of_measure["covered"].mean()}
            | {"true_balance": 100 * balance["truth"].mean()}
            | {"fails": fails, "fails_low": low, "fails_high": high}
            | {"passes": (said["verdict"] == "pass").mean()}
            | {"shared": said["shared"].mean(), "cancelling": said["cancelling"].mean()}
            | {"n": len(said)}
        )
    return pd.DataFrame(found)


def missed_table(judged: Judged) -> pd.DataFrame:
    """Classes that lose objects, and classes that truly have fewer: what *found* says."""
    rows, answers = judged
    found_answers = answers[answers["question"] == FOUND]
    difference = rows[(rows["measure"] == "missed") & (rows["scope"] == "difference")]
    lost = difference.assign(lost=difference["truth"])
    keys = ["group", "kind", "differing", "what", "plate"]
    both = found_answers.merge(lost[[*keys, "lost"]], on=keys)
    cases = {
        "loses 20 % or more": both["lost"] >= 0.2,
        "loses 10 to 20 %": both["lost"].between(0.1, 0.2),
        "truly fewer cells, loses less than 2.5 %": (both["differing"] == "density")
        & (both["lost"].abs() < 0.025),
        "nothing differs": (both["differing"] == "nothing") & (both["lost"].abs() < 0.025),
    }
    table = []
    for name, chosen in cases.items():
        for kind in (*KINDS, ALL_KINDS):
            mine = of_kind(both[chosen], kind)
            share, low, high = share_by_groups(mine["verdict"] == "fail", mine["group"])
            by_difference = share_by_groups(mine["both"] == "fail", mine["group"])[0]
            table.append(
                {"case": name, "kind": kind, "fails": share, "fails_low": low, "fails_high": high}
                | {"difference_fails": by_difference, "n": len(mine)}
            )
    return pd.DataFrame(table)


def gross_table(judged: Judged) -> pd.DataFrame:
    """Errors that hold in both classes, and errors that cancel: how often split_merge fails."""
    rows, answers = judged
    keys = ["differing", "plate"]
    own = rows[rows["measure"].isin(("balance", "splits", "merges"))]
    size = own.pivot_table(index=keys, columns=["measure", "scope"], values="size")
    both = pd.concat(
        [
            size[measure][["negcon", "poscon"]].min(axis=1)
            for measure in ("balance", "splits", "merges")
        ],
        axis=1,
    ).max(axis=1)
    rates = pd.concat([size[m]["difference"] for m in ("splits", "merges")], axis=1).max(axis=1)
    cancels = (size["balance"]["difference"] < 0.8) & (rates >= LARGE[0])
    said = answers[answers["question"] == SPLIT_MERGE].set_index(keys)
    planted = said.index.get_level_values("differing").str.startswith("planted")
    both, rates, cancels = (each.reindex(said.index) for each in (both, rates, cancels))
    cases = {
        "both classes at 1.0 to 1.2 margins": planted & both.between(1.0, LARGE[0]),
        "both classes beyond 1.2 margins": planted & (both > LARGE[0]),
        "a rate beyond 1.2 margins, the balance within 0.8": planted & cancels.eq(True),
    }
    found = []
    for name, chosen in cases.items():
        mine = said[chosen]
        share, low, high = share_by_groups(mine["verdict"] == "fail", mine["group"])
        found.append(
            {"case": name, "fails": share, "fails_low": low, "fails_high": high}
            | {"shared": mine["shared"].mean(), "cancelling": mine["cancelling"].mean()}
            | {"n": len(mine)}
        )
    return pd.DataFrame(found)
