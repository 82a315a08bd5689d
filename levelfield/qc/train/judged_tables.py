"""What the product says of plates whose truth is known, as tables."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from levelfield.qc.train.calibrate import ALIKE
from levelfield.qc.train.intervals import named, rms_by_groups, share_by_groups
from levelfield.qc.train.judge import Judged
from levelfield.qc.train.phenotypes import EXTREME
from levelfield.qc.train.segmentations import KINDS
from levelfield.questions import FOUND, MEASURES, SPLIT_MERGE, THRESHOLD

ALL_KINDS = "all"
PHENOTYPE = "phenotype"
HALF, FULL, LARGE = (0.4, 0.6), 1.0, (1.2, 1.6)
"""Sizes of a true error over its margin: about half of it, beyond it, and about 1.4 of it."""
_PLANTED = {
    "splits": (SPLIT_MERGE, "splits"),
    "merges": (SPLIT_MERGE, "merges"),
    "drops": (FOUND, "missed"),
    "moved": (THRESHOLD, "bias"),
}
"""Question and measure of a planted error, by the first word of its name."""


def scaled(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the true error over the margin, and errors in units."""
    is_error = (rows["measure"] != "agreement") | (rows["scope"] == "difference")
    limit, truth = (rows[name].where(is_error, 1 - rows[name]) for name in ("margin", "truth"))
    scale = rows["measure"].map({name: measure.scale for name, measure in MEASURES.items()})
    return rows.assign(size=truth.abs() / limit, error=(rows["value"] - rows["truth"]) * scale)


def by_kind(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Give the rows of each kind of segmenter, and those of all of `KINDS` together."""
    for kind in KINDS:
        yield kind, table[table["kind"] == kind]
    yield ALL_KINDS, table[table["kind"].isin(KINDS)]


def coverage_table(rows: pd.DataFrame) -> pd.DataFrame:
    """How often 90 % intervals hold the truth, by kind of plate, segmenter, measure and scope."""
    known = rows[rows["low"].notna() & ~rows["what"].isin(EXTREME)]
    return pd.DataFrame(
        {"differing": differing, "measure": measure, "scope": scope, "kind": kind}
        | named("coverage", share_by_groups(mine["covered"], mine["group"]))
        | {"n": len(mine)}
        for (differing, measure, scope), own in _groups(known, ["differing", "measure", "scope"])
        for kind, mine in by_kind(own)
        if len(mine)
    )


def _groups(table: pd.DataFrame, keys: list[str]) -> Any:
    return table.groupby(keys)


def _when(rows: pd.DataFrame, verdict: str, chosen: pd.Series) -> pd.Series:
    return (rows["verdict"] == verdict).where(chosen)


def rule_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Count false passes, false fails and power of single rows, by measure, scope and segmenter."""
    rows = rows[~rows["what"].isin(EXTREME) & ~rows["differing"].str.endswith("same images")]
    found = []
    for (measure, scope), own in _groups(rows, ["measure", "scope"]):
        alike = own[own["kind"].isin(KINDS) & own["differing"].isin(ALIKE)]
        cases = [(kind, "all", mine) for kind, mine in by_kind(own)]
        for kind, plates, mine in (*cases, (ALL_KINDS, "classes look alike", alike)):
            row = {"measure": measure, "scope": scope, "kind": kind, "n": len(mine)}
            row["plates"] = plates
            size = mine["size"]
            for name, flags in (
                ("passes_below_a_fifth", _when(mine, "pass", size < 0.2)),
                ("false_pass", _when(mine, "pass", size > FULL)),
                ("false_fail_at_half", _when(mine, "fail", size.between(*HALF))),
                ("fails_at_1.4", _when(mine, "fail", size.between(*LARGE))),
                ("fails_beyond_1.6", _when(mine, "fail", size > LARGE[1])),
            ):
                row |= named(name, share_by_groups(flags, mine["group"]))
                row[f"n_{name}"] = int(flags.notna().sum())
            found.append(row)
    return pd.DataFrame(found)


def phenotype_table(judged: Judged, few: pd.DataFrame) -> pd.DataFrame:
    """Error, coverage, answers and false verdicts of differences, by phenotype and segmenter.

    Coverage comes from `few`, whose intervals hold what few images leave open.
    ``paired``: both classes are the same images, as in earlier studies; else disjoint halves.
    """
    rows, answers = judged
    rows, few = (table[table["scope"] == "difference"] for table in (rows, few))
    found = []
    for differing in (PHENOTYPE, f"{PHENOTYPE}, same images"):
        own, said, wide = (table[table["differing"] == differing] for table in (rows, answers, few))
        every = sorted(own["what"].unique())
        usual = [name for name in every if name not in EXTREME]
        names = {name: [name] for name in every} | {"all": every, "all but extreme": usual}
        for what, members in names.items():
            chosen = (table[table["what"].isin(members)] for table in (own, said, wide))
            for parts in zip(*map(by_kind, chosen), strict=True):
                (kind, mine), (_, answer), (_, covered) = parts
                if len(mine):
                    row = {"phenotype": what, "kind": kind, "paired": differing != PHENOTYPE}
                    share = covered.groupby("measure")["covered"].mean()
                    row |= _of_phenotype(mine, answer) | share.add_prefix("coverage_").to_dict()
                    found.append(row)
    return pd.DataFrame(found)


def _of_phenotype(rows: pd.DataFrame, answers: pd.DataFrame) -> dict[str, float]:
    row: dict[str, float] = {}
    for measure in ("balance", "splits", "merges", "missed", "bias", "agreement"):
        own = rows[rows["measure"] == measure]
        row |= named(f"rms_{measure}", rms_by_groups(own["error"], own["group"]))
    balance = rows[rows["measure"] == "balance"]
    at_half = balance["size"].between(*HALF)
    row["false_pass_balance"] = _when(balance, "pass", balance["size"] > FULL).mean()
    row["false_fail_at_half_balance"] = _when(balance, "fail", at_half).mean()
    for question in (SPLIT_MERGE, THRESHOLD, FOUND):
        own = answers[answers["question"] == question]
        row[f"answered_{question}"] = (own["both"] != "undecided").mean()
    row["n"] = len(balance)
    return row


def planted_table(judged: Judged) -> pd.DataFrame:
    """Errors planted into good segmentations of one class and of both: what is read and said."""
    rows, answers = judged
    keys = ["differing", "what", "kind"]
    said_of = dict(iter(_groups(answers, [*keys, "question"])))
    found = []
    for key, own in _groups(rows[rows["differing"].str.startswith("planted")], keys):
        differing, what, kind = key
        question, measure = _PLANTED.get(what.split(" ")[0], ("", ""))
        if not measure:
            continue
        scope = "difference" if differing == "planted" else "poscon"
        own = own[own["scope"] == scope]
        of_measure, balance = (own[own["measure"] == name] for name in (measure, "balance"))
        said = said_of.get((*key, question), answers.iloc[:0])
        unit = MEASURES[measure].scale
        found.append(
            {"planted": what, "in": "one class" if differing == "planted" else "both"}
            | {"kind": kind, "measure": measure, "judged": scope}
            | {"truth": unit * of_measure["truth"].mean()}
            | {"estimate": unit * of_measure["value"].mean()}
            | {"covered": of_measure["covered"].mean()}
            | {"true_balance": 100 * balance["truth"].mean()}
            | _fails(said)
            | {"passes": (said["verdict"] == "pass").mean()}
            | {name: said[name].mean() for name in ("shared", "cancelling")}
            | {"n": len(said)}
        )
    return pd.DataFrame(found)


def _fails(answers: pd.DataFrame) -> dict[str, float]:
    return named("fails", share_by_groups(answers["verdict"] == "fail", answers["group"]))


def missed_table(judged: Judged) -> pd.DataFrame:
    """Classes that lose objects, and classes that truly have fewer: what *found* says."""
    rows, answers = judged
    lost = rows[(rows["measure"] == "missed") & (rows["scope"] == "difference")]
    lost = lost.rename(columns={"truth": "lost"})
    keys = ["group", "kind", "differing", "what", "plate"]
    both = answers[answers["question"] == FOUND].merge(lost[[*keys, "lost"]], on=keys)
    hardly = both["lost"].abs() < 0.025
    cases = {
        "loses 20 % or more": both["lost"] >= 0.2,
        "loses 10 to 20 %": both["lost"].between(0.1, 0.2),
        "truly fewer cells, loses less than 2.5 %": (both["differing"] == "density") & hardly,
        "nothing differs": (both["differing"] == "nothing") & hardly,
    }
    return pd.DataFrame(
        {"case": name, "kind": kind}
        | _fails(mine)
        | {"difference_fails": share_by_groups(mine["both"] == "fail", mine["group"])[0]}
        | {"n": len(mine)}
        for name, chosen in cases.items()
        for kind, mine in by_kind(both[chosen])
    )


def gross_table(judged: Judged) -> pd.DataFrame:
    """Errors that hold in both classes, and errors that cancel: how often split_merge fails."""
    rows, answers = judged
    keys, measures = ["differing", "plate"], ["balance", "splits", "merges"]
    own = rows[rows["measure"].isin(measures)]
    size = own.pivot_table(index=keys, columns=["measure", "scope"], values="size")
    both = pd.concat(
        [size[measure][["negcon", "poscon"]].min(axis=1) for measure in measures], axis=1
    ).max(axis=1)
    rates = pd.concat([size[m]["difference"] for m in ("splits", "merges")], axis=1).max(axis=1)
    cancels = (size["balance"]["difference"] < 0.8) & (rates >= LARGE[0])
    said = answers[answers["question"] == SPLIT_MERGE].set_index(keys)
    planted = said.index.get_level_values("differing").str.startswith("planted")
    both, cancels = (each.reindex(said.index) for each in (both, cancels))
    cases = {
        "both classes at 1.0 to 1.2 margins": both.between(1.0, LARGE[0]),
        "both classes beyond 1.2 margins": both > LARGE[0],
        "a rate beyond 1.2 margins, the balance within 0.8": cancels.eq(True),
    }
    return pd.DataFrame(
        {"case": name}
        | _fails(mine)
        | {figure: mine[figure].mean() for figure in ("shared", "cancelling")}
        | {"n": len(mine)}
        for name, chosen in cases.items()
        for mine in [said[planted & chosen]]
    )
