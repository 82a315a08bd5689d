"""The plate browser of the demo, as the workflow writes it."""

import json

import pandas as pd
import pytest
from chromium import MISSING, chromium, find_chromium

pytestmark = [pytest.mark.workflow, pytest.mark.installed]


def test_every_well_with_a_sound_site_has_a_file_of_all_its_objects(demo):
    plate = demo / "BBBC013-demo"
    wells = set(pd.read_csv(plate / "sites.csv")["Metadata_Well"])
    assert {path.stem for path in (plate / "browser").glob("*.js")} == wells
    objects = pd.read_parquet(plate / "qc" / "objects.parquet")
    content = (plate / "browser" / "C07.js").read_text()
    name, sites = json.loads(f"[{content.removeprefix('levelfieldWell(').rstrip()[:-2]}]")
    assert (name, [site["site"] for site in sites]) == ("C07", [1])
    assert set(sites[0]["pictures"]) == {"DNA", "FKHR"}
    assert set(sites[0]["outlines"]) == {"Nuclei", "Cells", "Cytoplasm"}
    own = objects[objects["Metadata_Well"] == "C07"]
    for object_set, rows in own.groupby("object_set"):
        shown = sites[0]["objects"][object_set]
        assert sorted(shown["number"]) == sorted(rows["Metadata_ObjectNumber"])
    light = pd.read_csv(plate / "illumination.csv").set_index("channel")
    ends = light[["display_min_percent", "display_max_percent"]]
    assert (ends.min(axis=None) >= 0) and (ends.max(axis=None) <= 100)
    assert (ends["display_max_percent"] > ends["display_min_percent"] + 5).all()


@pytest.mark.skipif(find_chromium() is None, reason=MISSING)
def test_two_clicks_lead_from_its_verdict_to_an_object(demo, tmp_path):
    page = demo / "BBBC013-demo" / "report.html"
    with chromium(tmp_path) as tab:
        tab.window(1300, 1000)
        tab.open(page.as_uri())
        tab.click(".overview .look[data-set=Nuclei][data-scope=poscon]")
        tab.wait("document.querySelector('#browser-panes canvas[data-painted]')")
        tab.wait("document.querySelector('#browser-objects canvas[data-painted]')")
        tab.click("#browser-objects button")
        tab.wait("document.querySelector('#browser-object-picture').dataset.painted")
        command = tab.run("document.querySelector('#browser-open').textContent")
        assert command.startswith("levelfield open BBBC013-demo ")
        assert tab.errors == []
