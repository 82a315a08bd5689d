"""What an RO-Crate says of the files and folders of a run."""

import hashlib

from levelfield.io.provenance import run_crate


def test_files_have_checksums_and_folders_say_what_they_hold(tmp_path):
    page, browser = tmp_path / "report.html", tmp_path / "browser"
    page.write_text("<p>")
    browser.mkdir()
    for name in ("A01.js", "A02.js", "DNA.webp"):
        (browser / name).write_text("12345")
    crate = run_crate("P", tmp_path, {"layout": tmp_path / "layout.csv"}, [page, browser], {})
    known = {entity["@id"]: entity for entity in crate["@graph"]}
    assert known["report.html"]["sha256"] == hashlib.sha256(b"<p>").hexdigest()
    folder = known["browser/"]
    assert folder["@type"] == "Dataset" and folder["contentSize"] == "15"
    assert "3 files" in folder["description"] and "2 js, 1 webp" in folder["description"]
    parts = {part["@id"] for part in known["./"]["hasPart"]}
    assert {"report.html", "browser/"} <= parts == {p["@id"] for p in known["#run"]["result"]}
