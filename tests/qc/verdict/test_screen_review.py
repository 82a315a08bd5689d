"""A screen of 300 plates by 200 crops."""

from dataclasses import replace

import numpy as np
import pytest
from qc_plates import CALIBRATED, readings_of, review_said, row_of, wells_of

from levelfield.qc.statistics.decision import Bound, decide
from levelfield.qc.statistics.estimates import Estimate
from levelfield.qc.verdict.rule import judge
from levelfield.qc.verdict.screen import screen_cases
from levelfield.qc.verdict.screen_review import (
    CROPS_PER_CLASS,
    PLATES,
    crops_wanted,
    estimate_of_screen,
    review_plan,
    screen_order,
)

KEY = ("Nuclei", "balance", "difference", "drug")


def said(value, n_reviewed=2 * CROPS_PER_CLASS, key=KEY, plate="", **options):
    wells = Estimate(value, 0.04**2, float("inf"), 16)
    row = review_said(key, these_wells=wells, state="partial", n_reviewed=n_reviewed, **options)
    return replace(row, plate=plate)


def screen(random, kind, mean=0.0, between=0.02, of_crops=0.04):
    """Plates that differ by 2 pp; five crops a class leave 4 pp open on each."""
    true = mean + between * random.standard_normal(300)
    names = [f"P{i:03d}" for i in range(300)]
    read = 0.3 * true + 0.02 + 0.01 * random.standard_normal(300)
    if kind == "useless":
        read = 0.05 * random.standard_normal(300)
    looked_at = set(screen_order(names)[:PLATES])
    rows = [
        (
            name,
            read[i],
            said(true[i] + of_crops * random.standard_normal()) if name in looked_at else None,
        )
        for i, name in enumerate(names)
    ]
    return true.mean(), rows


@pytest.mark.parametrize("kind", ["good", "useless"])
def test_200_crops_decide_a_screen_of_300_plates(kind):
    random = np.random.default_rng(0)
    covered, decided = [], []
    for _ in range(150):
        true, rows = screen(random, kind)
        estimate, number = estimate_of_screen(rows)
        low, high = estimate.interval(0.9)
        covered.append(low <= true <= high)
        decided.append(decide(estimate, Bound(0.05)) == "pass")
        assert number * 2 * CROPS_PER_CLASS <= 200
    assert np.mean(covered) >= 0.86 and np.mean(decided) >= 0.95
    wrong = [
        decide(estimate_of_screen(screen(random, kind, 0.06)[1])[0], Bound(0.05))
        for _ in range(100)
    ]
    assert wrong.count("pass") <= 2


def test_plates_count_in_their_order_and_without_a_gap():
    random = np.random.default_rng(1)
    _, rows = screen(random, "good")
    order = screen_order(name for name, _, _ in rows)
    third = [(name, read, None if name == order[2] else row) for name, read, row in rows]
    assert estimate_of_screen(third) is None
    tenth = [(name, read, None if name == order[9] else row) for name, read, row in rows]
    assert estimate_of_screen(tenth)[1] == 9
    assert crops_wanted(300) == CROPS_PER_CLASS and crops_wanted(4) == 25


def test_the_plan_names_plates_crops_and_what_is_done():
    reviewed = []
    for i in range(30):
        rows = [
            said(0.0, 5 if i < 15 else 0, ("Nuclei", "balance", scope, "drug"), f"P{i}")
            for scope in ("negcon", "poscon")
        ]
        reviewed.append(rows)
    plan = review_plan(reviewed)
    assert [row.order for row in plan] == list(range(1, 21))
    assert {row.state for row in plan if int(row.plate[1:]) < 15} == {"done"}
    assert {row.state for row in plan if int(row.plate[1:]) >= 15} == {"open"}
    assert {(row.crops_per_class, row.minutes) for row in plan} == {(5, 1)}


def test_a_screen_is_decided_by_the_plates_that_were_looked_at():
    wells = wells_of("A") | wells_of("B", merge=0.3)
    plates = [readings_of(wells, rules=CALIBRATED, plate=f"P{k}", seed=k) for k in range(8)]
    names = [own[0].plate for own in plates]
    first = set(screen_order(names)[:7])
    reviews = [
        [said(0.001 * k, 30, one.key) for one in own if one.adjustment == "raw"]
        if own[0].plate in first
        else []
        for k, own in enumerate(plates)
    ]
    row = row_of(
        judge(screen_cases(plates, reviews, CALIBRATED), CALIBRATED), "merges", "difference"
    )
    assert (row.basis, row.verdict, row.review.state) == ("review", "pass", "enough")
