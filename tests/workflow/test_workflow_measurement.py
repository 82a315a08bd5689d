"""What the config's section `measurement` asks for is what the tables hold."""

import anndata
import numpy as np
import pandas as pd
import pytest
from workflow_runs import small_screen

from levelfield.config.checks import check_measurement
from levelfield.config.sheets import ConfigError
from levelfield.io import store
from levelfield.measurement import feature_names

pytestmark = pytest.mark.workflow

PIXEL_UM = 0.5


@pytest.fixture(scope="module")
def screens(finished, tmp_path_factory):
    """Two runs of one screen: in px as parquet, and in µm as CSV with fewer sets and channels."""
    chosen = small_screen(tmp_path_factory.mktemp("um"))
    chosen.change_config(
        images=chosen.config["images"] | {"pixel_size_um": PIXEL_UM},
        packs_per_plate=1,
        readouts={},
        measurement={
            "families": ["AreaShape", "Texture", "Correlation"],
            "object_sets": ["Nuclei"],
            "channels": ["DNA", "FKHR"],
            "channel_pairs": [["FKHR", "DNA"]],
            "unit": "um",
            "well_statistics": ["median", "mad", "count"],
            "tables": "csv",
            "anndata": True,
            "parameters": {"texture_scales": [2], "costes": False},
        },
    )
    chosen.run_well("--", "results/P/wells.csv")
    return finished, chosen


def test_the_chosen_families_channels_and_pairs_are_the_columns(screens):
    _, chosen = screens
    table = chosen.table("objects/Nuclei.csv")
    features = [name for name in table if not name.startswith("Metadata_")]
    assert features == feature_names(
        "Nuclei",
        ["DNA", "FKHR"],
        ["AreaShape", "Texture", "Correlation"],
        [("FKHR", "DNA")],
        texture_scales=[2],
        costes=False,
    )
    assert sorted(path.name for path in (chosen.results / "objects").iterdir()) == [
        "Nuclei.csv",
        "Nuclei.h5ad",
    ]


def test_micrometres_are_pixels_times_their_size(screens):
    plain, chosen = screens
    pixels = pd.read_parquet(plain.results / "objects" / "Nuclei.parquet")
    micrometres = chosen.table("objects/Nuclei.csv")
    area = pixels["Nuclei_AreaShape_Area"].to_numpy(float)
    assert np.allclose(micrometres["Nuclei_AreaShape_Area"], area * PIXEL_UM**2)
    perimeter = pixels["Nuclei_AreaShape_Perimeter"].to_numpy(float)
    assert np.allclose(micrometres["Nuclei_AreaShape_Perimeter"], perimeter * PIXEL_UM)


def test_wells_hold_the_statistics_that_were_asked_for(screens):
    _, chosen = screens
    wells = pd.read_csv(chosen.results / "wells.csv").set_index("Metadata_Well")
    area = chosen.table("objects/Nuclei.csv").groupby("Metadata_Well")["Nuclei_AreaShape_Area"]
    assert np.allclose(wells["Nuclei_AreaShape_Area"], area.median())
    assert (wells["Nuclei_AreaShape_Area_count"] == area.size()).all()
    mad = area.apply(lambda values: (values - values.median()).abs().median())
    assert np.allclose(wells["Nuclei_AreaShape_Area_mad"], mad)


def test_sites_hold_the_features_of_whole_images(screens):
    plain, _ = screens
    sites = plain.table("sites.csv").set_index("Metadata_Well")
    images = pd.read_parquet(plain.results / "measure" / "Image" / "pack1.parquet")
    pixels = store.read_field(plain.results / "P.zarr", "A12", 1, []).image[0] / 255
    assert len(images) + len(sites) > 7
    found = sites.loc["A12", "Image_Intensity_MeanIntensity_DNA"]
    assert float(found) == pytest.approx(pixels.mean(), rel=1e-5)
    occupied = sites.loc["A12", "Image_AreaOccupied_AreaOccupied_Nuclei"]
    labels = store.read_labels(plain.results / "P.zarr", "A12", 1, "Nuclei")
    assert int(occupied) == (labels > 0).sum()


def test_anndata_holds_the_same_objects(screens):
    _, chosen = screens
    table = chosen.table("objects/Nuclei.csv")
    content = anndata.read_h5ad(chosen.results / "objects" / "Nuclei.h5ad")
    assert list(content.obs["Metadata_Well"]) == list(table["Metadata_Well"])
    found = content[:, "Nuclei_AreaShape_Area"].X.ravel()
    assert np.allclose(found, table["Nuclei_AreaShape_Area"])


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"channels": ["GFP"]}, r"measurement\.channels: 'GFP' is not there\. Allowed: DNA, FKHR"),
        ({"object_sets": ["Spots"]}, r"measurement\.object_sets: 'Spots'"),
        ({"channel_pairs": [["DNA", "GFP"]]}, r"measurement\.channel_pairs: 'GFP'"),
    ],
)
def test_names_that_are_not_there_are_refused(screens, settings, says):
    plain, _ = screens
    config = plain.config | {"measurement": {"unit": "px"} | settings}
    with pytest.raises(ConfigError, match=says):
        check_measurement(config)


def test_micrometres_of_images_that_do_not_tell_their_pixels_are_refused(copy):
    copy.change_config(measurement=copy.config["measurement"] | {"unit": "um"})
    (copy.results / "index.csv").unlink()
    done = copy.run("--dry-run")
    assert done.returncode != 0
    assert "Add images.pixel_size_um, or measure in px" in done.stdout
