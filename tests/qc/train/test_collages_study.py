"""The study that judges what collages say of the evidence."""

import numpy as np
import pandas as pd
import pytest
from qc_training import GROUPS, prepared, small_tasks, small_trees, sources

from levelfield.qc.train import collect_collages, judge_collages
from levelfield.qc.train.collect import TABLES
from levelfield.qc.train.collect_collages import Class, classes_of, collect_class
from levelfield.qc.train.collected import read
from levelfield.qc.train.images import FOLDS
from levelfield.qc.train.judge_collages import TRUE, figures, plate_rows, true_rates
from levelfield.qc.train.phenotypes import PHENOTYPES
from levelfield.questions import QUESTIONS

GROUP = GROUPS[0]
SEGMENTERS = (("classical", "default"),)


@pytest.fixture(scope="module")
def collages(tmp_path_factory):
    """Collages of one small group: both halves, and one phenotype."""
    folder = tmp_path_factory.mktemp("collages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collect_collages, "tasks", lambda _, groups: small_tasks(groups[0], 6, 0))
        patch.setattr(collect_collages, "OF_PHENOTYPES", SEGMENTERS)
        wanted = [own for own in classes_of(GROUP) if own.phenotype in ("none", "dim")]
        parts = [collect_class(own, sources(), 2) for own in wanted]
    for name in TABLES:
        pd.concat([part[name] for part in parts]).to_parquet(folder / f"{GROUP}_{name}.parquet")
    return read(folder, [GROUP])


def test_the_classes_are_two_halves_and_one_of_them_with_every_phenotype():
    classes = classes_of("g")
    assert classes[:2] == [Class("g", 0, "none"), Class("g", 1, "none")]
    assert {own.phenotype for own in classes[2:]} == set(PHENOTYPES)
    assert {own.half for own in classes[2:]} == {1}


def test_collages_are_collected_as_images_are(collages):
    fields = collages.fields
    assert len(fields) == 6
    assert fields.groupby(["half", "phenotype"]).size().eq(2).all()
    assert (fields["n_donors"] >= collect_collages.FEWEST_DONORS).all()
    assert fields["donor_yield"].between(0.1, 1.5).all()
    known = set(prepared().collected.objects.columns)
    assert known <= set(collages.objects.columns)
    assert collages.objects["is_merge"].notna().all()
    # Isolated objects of a good segmentation: nearly all are found.
    rates = true_rates(fields)
    assert rates["missed"] < 0.2
    assert abs(rates["balance"]) < 0.2


def test_a_plate_is_read_in_all_ways(collages):
    with small_trees():
        model = prepared().train(FOLDS[GROUP], "brightness")
    own = prepared().collected.where(
        lambda table: (
            (table["group"] == GROUP)
            & (table["setting"] == "default")
            & (table["planted"] == "none")
        )
    )
    rows = pd.DataFrame(plate_rows(own, collages, ("dim", "saturated"), model))
    assert set(rows["phenotype"]) == {"none", "dim"}  # of the other there are no images
    assert set(rows["measure"]) == set(TRUE)
    values = rows[["plain", "recalibrated", "truth", "collages_read", "collages_truth"]]
    assert np.isfinite(values).all().all()
    assert (values.abs() < 1).all().all()
    balance = rows[rows["measure"] == "balance"]
    assert not np.allclose(balance["plain"], balance["recalibrated"])


def made_up(seed=0):
    """Plates of ten groups: an appearance shifts readings, and collages show by how much."""
    random = np.random.default_rng(seed)
    rows = []
    for group in range(10):
        for setting in range(20):
            base = random.normal(0, 0.01)
            for phenotype, shift in (("none", 0.0), ("dim", 0.12), ("strongly_speckled", 0.5)):
                error = base + shift * random.choice([0, 1])
                truth = random.normal(0, 0.03)
                rows.append(
                    {
                        "group": str(group),
                        "kind": "classical",
                        "setting": str(setting),
                        "family": "brightness",
                        "phenotype": phenotype,
                        "measure": "balance",
                        "donor_yield": 0.1 if error > 0.06 else 0.5,
                        "plain": truth + error,
                        "recalibrated": truth + base,
                        "truth": truth,
                        "collages_read": error,
                        "collages_truth": 0.0,
                    }
                )
    return pd.DataFrame(rows)


def test_figures_tell_what_a_phenotype_adds_and_what_collages_take_away():
    found = figures(made_up()).set_index("estimate")
    plain, recalibrated = found.loc["plain"], found.loc["recalibrated"]
    assert plain["n"] == 200  # without what is extreme, and without plain halves
    assert 7 < plain["rms_beyond_halves"] < 10
    assert recalibrated["rms_beyond_halves"] == pytest.approx(0, abs=1e-9)
    assert plain["rms_enough"] < 1 < plain["rms_beyond_halves"]
    assert 0.4 < plain["enough"] < 0.6
    assert plain["coverage_meter"] > 0.85
    assert plain["narrow_constant"] == 0
    assert plain["narrow_meter"] > 0.35


def test_the_margin_is_that_of_the_verdict():
    assert QUESTIONS["split_merge"].margin.of_difference / 100 == judge_collages.MARGIN
