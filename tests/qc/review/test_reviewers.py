"""How far two reviewers agree."""

import numpy as np
import pandas as pd
import pytest
from review_cases import PLATE, answered, draws_of, plate

from levelfield.qc.review.answers import read_answers
from levelfield.qc.review.reviewers import cohen_kappa, reviewer_agreement


def test_kappa_of_the_textbook_table():
    one = ["yes"] * 25 + ["no"] * 25
    other = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    kappa, error = cohen_kappa(one, other)
    assert kappa == pytest.approx(0.4)
    assert error == pytest.approx(0.127, abs=0.002)


def test_kappa_is_1_for_agreement_about_0_for_chance_and_unknown_for_one_answer():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 3, (2, 3000))
    assert cohen_kappa(one, one)[0] == pytest.approx(1)
    assert abs(cohen_kappa(one, other)[0]) < 0.05
    assert np.isnan(cohen_kappa(["a", "a"], ["a", "a"])[0])
    assert np.isnan(cohen_kappa([], [])[0])


def test_standard_error_of_kappa_is_its_scatter():
    rng = np.random.default_rng(1)
    found = []
    for _ in range(300):
        one = rng.random(100) < 0.3
        other = np.where(rng.random(100) < 0.8, one, rng.random(100) < 0.3)
        found.append(cohen_kappa(one, other))
    kappas, errors = np.array(found).T
    assert errors.mean() == pytest.approx(kappas.std(), rel=0.15)


def test_two_reviewers_are_averaged_and_compared_per_error():
    objects = plate()
    samples = {name: draw.sample for name, draw in draws_of(objects).items()}
    first = answered(objects)
    first = first[first["object_number"] != "0"].reset_index(drop=True)
    second = first.assign(reviewer="B")
    wrong = second.index % 5 == 0
    second.loc[wrong, ["answer", "m"]] = "too_small", ""
    answers = read_answers(pd.concat([first, second]), PLATE, samples, objects)
    assert len(answers.objects) == 2 * len(first)
    table = reviewer_agreement(PLATE, answers).set_index("answer")
    assert table.loc["any", "n_objects"] == len(first)
    assert table.loc["any", "same"] == pytest.approx(1 - wrong.mean())
    assert table.loc["too_small", "kappa"] == pytest.approx(0)
    assert 0.5 < table.loc["merged", "kappa"] < 1
    assert (
        table.loc["any", "kappa_low"] < table.loc["any", "kappa"] < table.loc["any", "kappa_high"]
    )
    assert reviewer_agreement(PLATE, read_answers(first, PLATE, samples, objects)).empty
