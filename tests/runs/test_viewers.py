"""Fields in viewers: found by name, with labels, evidence, and what people drew."""

import warnings

import numpy as np
import pandas as pd
import pytest
from real_images import BBBC013
from report_cases import real_field

from levelfield.cli import main
from levelfield.config.extras import MissingLibraryError, is_installed
from levelfield.io import store
from levelfield.runs import viewers

CHANNELS = [store.Channel("DNA", "3F7FFF", 255), store.Channel("FKHR", "40E060", 255)]
NAPARI = pytest.mark.skipif(
    not is_installed("napari") or not is_installed("napari_ome_zarr"),
    reason="napari is not installed, and no part of Levelfield needs it",
)


@pytest.fixture
def results(tmp_path):
    """A plate of one well with two sites, and the table of its objects."""
    assert BBBC013.is_dir()
    folder = tmp_path / "results" / "P 1"
    image, labels = real_field("C01")
    labels = labels | {"Cells": labels["Nuclei"] * 2}
    field = store.Field((255 * image).astype(np.uint8), labels)
    plate = folder / "P 1.zarr"
    sites = pd.DataFrame({"well": ["C01", "C01"], "site": [1, 2]})
    store.create_plate(plate, "P 1", 96, sites)
    for site in (1, 2):
        store.write_field(plate, "C01", site, field, CHANNELS, "mark", pixel_size_um=0.5)
    (folder / "qc").mkdir()
    (folder / "store.csv").write_text("well,site\nC01,1\nC01,2\n")
    row = {"Metadata_Plate": "P 1", "Metadata_Well": "C01", "object_set": "Nuclei"}
    row |= {"area_px": 100.0, "threshold_bias_px": -0.3, "fingerprint": "x"}
    rows = [
        row | {"Metadata_Site": site, "Metadata_ObjectNumber": number, "merge_evidence": evidence}
        for site, number, evidence in ((1, 5, 0.25), (2, 5, 0.75), (2, 6, 0.5))
    ]
    pd.DataFrame(rows).to_parquet(folder / "qc" / "objects.parquet")
    return folder


def test_a_field_and_an_object_are_found_however_the_well_is_written(results):
    look = viewers.find_look(results, "c1", 2, "Cells", 10)
    assert (look.well, look.site, look.object_set, look.number) == ("C01", 2, "Cells", 10)
    assert look.field == results / "P 1.zarr" / "C" / "01" / "2"
    assert viewers.find_look(results, "C01", None, None, None).site == 1


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("D01", None, None, None), "well D01 of plate P 1 has no field"),
        (("C01", 7, None, None), "no site 7. Its sites are 1, 2"),
        (("C01", 1, "Nucleus", None), "no object set 'Nucleus'. The sets are Nuclei, Cells"),
        (("C01", 1, "Cells", 11), "no Cells number 11"),
        (("well", 1, None, None), "'well' is not a well name"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(results, asked, said):
    with pytest.raises(ValueError, match=said):
        viewers.find_look(results, *asked)


def test_the_evidence_of_every_object_stands_at_its_number(results):
    table = viewers.evidence_of(viewers.find_look(results, "C01", 2, "Nuclei", None), "Nuclei")
    numbers = np.unique(store.read_labels(results / "P 1.zarr", "C01", 2, "Nuclei"))
    assert list(table["index"]) == list(numbers) and numbers[0] == 0
    known = table.set_index("index")["merge_evidence"]
    assert known[5] == 0.75 and known[6] == 0.5 and known.notna().sum() == 2
    (results / "qc" / "objects.parquet").unlink()
    look = viewers.find_look(results, "C01", 2, "Nuclei", None)
    assert list(viewers.evidence_of(look, "Nuclei")) == ["index"]


def test_the_printed_call_of_ngio_reads_the_field(results, capsys):
    arguments = ["open", "P 1", "C01", "--site", "2", "--set", "Cells", "--print"]
    assert main([*arguments, "--results", str(results.parent)]) == 0
    printed = capsys.readouterr().out
    assert f"napari --plugin napari-ome-zarr '{results}/P 1.zarr/C/01/2'" in printed
    code = printed.split("ngio (pip install ngio):\n")[1]
    found: dict = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec("\n".join(line.strip() for line in code.splitlines()), found)
    image, labels = real_field("C01")
    assert found["pixels"].shape == image.shape
    assert np.array_equal(np.squeeze(found["labels"]), 2 * labels["Nuclei"])
    assert "http://127.0.0.1:8000/P%201/P%201.zarr/C/01/2" in printed


def test_without_napari_the_error_names_what_to_install(results, monkeypatch, capsys):
    monkeypatch.setattr(viewers, "is_installed", lambda name: name == "napari")
    with pytest.raises(MissingLibraryError, match="pip install 'napari\\[all\\]' napari-ome-zarr"):
        viewers.open_in_napari(viewers.find_look(results, "C01", 1, None, None))
    assert main(["open", "P 1", "C01", "--results", str(results.parent)]) == 2
    said = capsys.readouterr().err
    assert "needs napari-ome-zarr, which is not installed" in said and "--print" in said


def test_what_is_drawn_lies_beside_the_labels_and_replaces_what_was_drawn(results):
    plate = results / "P 1.zarr"
    drawn = np.zeros(store.read_labels(plate, "C01", 1, "Nuclei").shape, np.int64)
    for value in (3, 4):
        drawn[10:50, 10:50] = value
        place = store.write_edited(plate, "C01", 1, "Nuclei", drawn, 0.5)
    assert place == plate / "C" / "01" / "1" / "labels" / "Nuclei_edited"
    assert np.array_equal(store.read_labels(plate, "C01", 1, "Nuclei_edited"), drawn)
    look = viewers.find_look(results, "C01", 1, None, None)
    assert store.label_names(plate, "C01", 1) == ["Nuclei", "Cells", "Nuclei_edited"]
    assert look.sets == ["Nuclei", "Cells"]
    assert sorted(path.name for path in place.parent.iterdir()) == [
        *("Cells", "Nuclei", "Nuclei_edited", "zarr.json")
    ]
    with pytest.raises(ValueError, match=r"\(20, 20\) px were drawn for C01, site 1, which is"):
        store.write_edited(plate, "C01", 1, "Nuclei", drawn[:20, :20])
    field = store.read_field(plate, "C01", 1, ["Nuclei"])
    store.write_field(plate, "C01", 1, field, CHANNELS, "again", pixel_size_um=0.5)
    assert np.array_equal(store.read_labels(plate, "C01", 1, "Nuclei_edited"), drawn)


@NAPARI
def test_napari_shows_labels_with_evidence_and_saves_what_is_drawn(results):
    import npe2
    from napari.components import ViewerModel

    npe2.PluginManager.instance().discover()
    look = viewers.find_look(results, "C01", 2, "Nuclei", 5)
    viewer = ViewerModel()
    viewers.show(viewer, look)
    names = [layer.name for layer in viewer.layers]
    assert names[-2:] == ["Nuclei", "Cells"]
    labels = viewer.layers["Nuclei"]
    features = labels.features.set_index("index")
    assert features["merge_evidence"][5] == 0.75 and labels.selected_label == 5
    rows, columns = np.nonzero(store.read_labels(look.store, "C01", 2, "Nuclei") == 5)
    assert viewer.camera.center[-2:] == pytest.approx((rows.mean() / 2, columns.mean() / 2))
    assert viewers.save_drawings(viewer, look) == []
    viewers.begin_drawing(viewer, look)
    viewer.layers["Nuclei_edited"].data[:20, :20] = 999
    (saved,) = viewers.save_drawings(viewer, look)
    assert saved.name == "Nuclei_edited"
    again = ViewerModel()
    viewers.show(again, look)
    assert (again.layers["Nuclei_edited"].data[:20, :20] == 999).all()
    assert [layer.name for layer in again.layers].count("Nuclei_edited") == 1
