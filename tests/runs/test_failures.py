"""What failed or was left out: by plate, well, site and rule, with the reason and the log."""

import pandas as pd

from levelfield.io.tables import write_csv
from levelfield.runs.failures import COLUMNS, failures_of_plate, summary
from levelfield.runs.jobs import Job


def excluded(folder, reason):
    folder.mkdir(parents=True)
    row = {"Metadata_Plate": "P", "Metadata_Well": "C07", "Metadata_Site": 3, "reason": reason}
    table = pd.DataFrame([row | {"rule": "segment", "file": "a.tif"}])
    write_csv(table, folder / "excluded_sites.csv")


def test_failures_name_plate_well_site_rule_reason_and_log(tmp_path):
    excluded(tmp_path / "P", "FKHR: every pixel is 0")
    logs = tmp_path / "P" / "logs"
    logs.mkdir()
    (logs / "segment_pack1.log").write_text("site A01 1 is fine")
    (logs / "segment_pack2.log").write_text("site C07 3 is excluded: FKHR: every pixel is 0")
    job = Job(
        "measure", "P", "pack2", ("C07", "C08", "C09"), logs / "measure_pack2.log", logs, logs
    )
    table = failures_of_plate("P", tmp_path / "P", [(job, "SLURM status is: 'TIMEOUT'")])
    assert tuple(table.columns) == COLUMNS
    site, whole = table.to_dict("records")
    assert (site["well"], site["site"], site["rule"]) == ("C07", 3, "segment")
    assert site["log"] == str(logs / "segment_pack2.log")
    assert (whole["well"], whole["site"], whole["rule"]) == ("C07 to C09", -1, "measure")
    assert "TIMEOUT" in whole["reason"]
    told = summary(table, 4)
    assert "of 4 plates, 1 have failures" in told
    assert told.index("P C07 to C09, measure") < told.index("P C07 3, segment")


def test_a_site_numbered_0_is_a_site(tmp_path):
    row = {"plate": "P", "well": "C07", "site": 0, "rule": "segment", "file": "a.tif"}
    table = pd.DataFrame([row | {"reason": "FKHR: every pixel is 0", "log": "x.log"}])
    told = summary(table[list(COLUMNS)], 1)
    assert "1 sites left out, 0 jobs or wells failed" in told
    assert "P C07 0, segment: FKHR" in told


def test_a_run_without_failures_says_so():
    assert "nothing failed" in summary(pd.DataFrame(columns=list(COLUMNS)), 2)
