"""What is off is told: by limits first, by comparison in large groups only; classes too."""

import numpy as np
import pandas as pd

from levelfield.qc.image_quality import FEWEST_SITES, image_quality_findings

SLOPE, BACKGROUND = "Image_ImageQuality_PowerLogLogSlope_DNA", "Image_ImageQuality_Background_DNA"


def sites(n_negative, n_positive):
    rng = np.random.default_rng(0)
    n = n_negative + n_positive
    return pd.DataFrame(
        {
            "Metadata_Well": [f"{'ABCDEFGH'[i // 12]}{i % 12 + 1:02d}" for i in range(n)],
            "Metadata_Site": 1,
            "Metadata_ControlType": ["negcon"] * n_negative + ["poscon"] * n_positive,
            "Metadata_Perturbation": ["DMSO"] * n_negative + ["drug"] * n_positive,
            SLOPE: rng.normal(-3.3, 0.05, n),
            BACKGROUND: rng.normal(0.05, 0.002, n),
            "Image_ImageQuality_ShiftY_DNA_FKHR": 0.0,
            "Image_ImageQuality_ShiftX_DNA_FKHR": 1.0,
        }
    )


def test_a_sound_plate_has_no_findings_and_the_columns_of_one():
    found = image_quality_findings("P", sites(20, 20))
    assert found.empty
    assert list(found.columns[:3]) == ["plate", "scope", "control_type"]


def test_a_limit_is_told_on_the_smallest_plate():
    table = sites(2, 2)
    table.loc[1, SLOPE] = -5.2
    [finding] = image_quality_findings("P", table)["finding"]
    assert finding == "A02 site 1, DNA: out of focus (−5.2 slope, limit −4.6)"


def test_a_site_is_compared_with_its_class_only_where_that_is_large_enough():
    for size, expected in ((FEWEST_SITES, 1), (FEWEST_SITES - 1, 0)):
        table = sites(size, 0)
        table.loc[3, SLOPE] = -4.2  # within the limit, far from the others
        found = image_quality_findings("P", table)
        assert len(found) == expected
    table = sites(FEWEST_SITES, 0)
    table.loc[3, SLOPE] = -4.2
    row = image_quality_findings("P", table).iloc[0]
    assert (row["well"], row["n_sites"]) == ("A04", FEWEST_SITES)
    assert row["robust_z"] < -6
    assert np.isnan(row["limit"])


def test_a_class_that_is_off_is_told_once_and_its_sites_are_not_outliers():
    table = sites(20, 20)
    table.loc[20:, BACKGROUND] += 0.1  # within the limit: by comparison with the other class
    table.loc[20:, SLOPE] -= 0.02
    found = image_quality_findings("P", table)
    assert list(found["scope"].unique()) == ["class"]
    told = found.set_index("control_type")["finding"]
    assert told["poscon"].startswith("poscon drug, DNA: unusual background as a class (0.15")


def test_a_whole_plate_that_is_off_is_told_by_the_limit():
    table = sites(20, 20)
    table["Image_ImageQuality_ShiftX_DNA_FKHR"] = 5.0
    found = image_quality_findings("P", table)
    assert list(found["scope"]).count("class") == 2
    assert list(found["scope"]).count("site") == 40
    assert found["channel"].unique().tolist() == ["DNA to FKHR"]


def test_missing_values_are_not_judged():
    table = sites(20, 20)
    table[SLOPE] = np.nan
    assert image_quality_findings("P", table).empty
