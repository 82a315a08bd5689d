"""Screens that grow, plates that fail, and what is foretold of a run: in the real workflow."""

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import yaml
from real_images import BBBC013 as DEMO_IMAGES
from real_images import REPOSITORY
from workflow_runs import Screen, digests, small_screen

from levelfield.execution.logs import read_job_log
from levelfield.runs.estimate import estimate, measure_costs
from levelfield.runs.jobs import planned_jobs
from levelfield.runs.plan import read_plan_file

pytestmark = pytest.mark.workflow

WELLS = {"A01": "negcon", "B01": "negcon", "A12": "poscon", "B12": "poscon"}
ROW = "{plate}\timages/{plate}\t{plate}.csv\t96\n"


def levelfield(screen: Screen, *arguments: str) -> subprocess.CompletedProcess:
    return screen.levelfield(*arguments, "--configfile", "config.yaml")


def add_plate(screen: Screen, plate: str, wells: dict[str, str]) -> None:
    """Add a plate of wells of the demo to a screen's sheet."""
    images = screen.folder / "images" / plate
    images.mkdir(parents=True, exist_ok=True)
    for well in wells:
        for path in DEMO_IMAGES.glob(f"*-{well[0]}-{well[1:]}.tif"):
            shutil.copy(path, images)
    write_layout(screen, plate, wells)
    sheet = screen.folder / "plates.tsv"
    sheet.write_text(sheet.read_text() + ROW.format(plate=plate))


def write_layout(screen: Screen, plate: str, wells: dict[str, str]) -> None:
    named = {"negcon": "no drug", "poscon": "Wortmannin", "trt": "LY294002"}
    lines = [f"{well},{kind},{named[kind]}\n" for well, kind in wells.items()]
    layout = "well,control_type,perturbation\n" + "".join(lines)
    (screen.folder / f"{plate}.csv").write_text(layout)


def new_screen(folder: Path, **sections: object) -> Screen:
    """Make a screen without any plate yet."""
    screen = small_screen(folder)
    shutil.rmtree(screen.images)
    (folder / "plates.tsv").write_text("plate\timages\tlayout\twells\n")
    screen.change_config(**({"packs_per_plate": 1, "readouts": {}} | sections))
    return screen


def test_the_plan_is_that_of_snakemake(tmp_path, monkeypatch):
    screen = new_screen(tmp_path / "plan", packs_per_plate=2)
    add_plate(screen, "P", WELLS)
    add_plate(screen, "Q", {"A01": "negcon"})
    config = yaml.safe_load((screen.folder / "config.yaml").read_text())
    config["objects"]["Nuclei"]["threshold_from"] = "plate"
    # A second set's network is trained here; it makes nothing that others build on.
    learned = {"method": "network", "channels": ["DNA"], "weights": "here"}
    config["objects"]["Learned"] = learned | {"parameters": {"diameter": 20}}
    image = next(screen.folder.rglob("Channel2-*.tif"))
    (screen.folder / "training.csv").write_text(f"image,labels,group\n{image},{image},day\n")
    network = {"training": str(screen.folder / "training.csv"), "start": "nuclei"}
    screen.change_config(objects=config["objects"], networks={"here": network})
    printed = screen.run_well("--dry-run", "--quiet", "rules")
    counts = dict(re.findall(r"^(\w+) +(\d+)$", printed, flags=re.MULTILINE))
    for name in ("total", "whole_screen"):
        counts.pop(name)
    monkeypatch.chdir(screen.folder)
    planned = Counter(job.rule for job in planned_jobs(read_plan_file(Path("config.yaml"))))
    assert {name: int(count) for name, count in counts.items()} == planned


@pytest.fixture(scope="module")
def first_week(tmp_path_factory) -> tuple[Screen, str]:
    """A screen of two plates, one of which fails; and what its run printed."""
    screen = new_screen(tmp_path_factory.mktemp("weeks"))
    add_plate(screen, "P", WELLS)
    add_plate(screen, "Q", WELLS)
    write_layout(screen, "Q", WELLS | {"H12": "poscon"})  # a control that has no images
    done = screen.run()
    assert done.returncode != 0
    return screen, done.stdout


def test_a_plate_that_fails_stops_neither_the_others_nor_the_verdict(first_week):
    screen, printed = first_week
    results = screen.folder / "results"
    assert (results / "P" / "report.html").is_file()
    assert not (results / "Q" / "report.html").exists()
    assert not list((results / "screen").glob("*.csv"))
    partial = results / "screen_partial"
    assert set(pd.read_csv(partial / "verdict.csv")["plate"]) == {"screen"}
    assert list(pd.read_csv(partial / "plates.csv")["Metadata_Plate"]) == ["P"]
    assert "the screen was judged by 1 of 2 plates: results/screen_partial/report.html" in printed
    page = (partial / "report.html").read_text()
    assert re.search(r"not in this report[^:]*:\s*Q", page.replace("\n", " "))
    assert "Traceback" not in printed


def test_the_summary_and_failures_name_plate_rule_reason_and_log(first_week):
    screen, printed = first_week
    failures = pd.read_csv(screen.folder / "results" / "Q" / "failures.csv").iloc[0]
    assert (failures["plate"], failures["rule"]) == ("Q", "index_plate")
    assert "H12 (poscon)" in failures["reason"]
    assert (screen.folder / failures["log"]).is_file()
    assert re.search(r"Q, index_plate: .*H12 \(poscon\).*results/Q/logs/index_plate\.log", printed)
    assert pd.read_csv(screen.folder / "results" / "P" / "failures.csv").empty
    assert "secret" not in printed


def test_status_tells_what_is_done_failed_and_waiting(first_week):
    screen, _ = first_week
    told = levelfield(screen, "status")
    assert told.returncode == 1
    assert re.search(r"^ *P +10 +0 +0 +0 ", told.stdout, flags=re.MULTILINE)
    assert re.search(r"^ *Q +0 +0 +9 +1 ", told.stdout, flags=re.MULTILINE)
    assert re.search(r"^ *index_plate +1 +0 +0 +1 ", told.stdout, flags=re.MULTILINE)
    assert "Q index_plate" in told.stdout
    listed = levelfield(screen, "status", "--removable").stdout
    assert "results/P/P.zarr" in listed
    assert "Nothing was deleted" in listed


def test_a_group_of_plates_runs_by_itself_and_the_screen_is_judged_by_all(first_week, tmp_path):
    """The next week's group: as docs/scale.md runs it, and then the whole sheet in one run."""
    screen = Screen(first_week[0].folder)
    before = digests(screen.results)
    report = (screen.results / "report.html").stat().st_mtime_ns
    write_layout(screen, "Q", WELLS)
    sheet = (screen.folder / "plates.tsv").read_text().splitlines(keepends=True)
    group = tmp_path / "group2.tsv"
    group.write_text(sheet[0] + sheet[2])
    printed = screen.run_well("--config", f"plates={group}", "--", "plates")
    assert "plate Q" in printed
    assert "plate P" not in printed
    folder = screen.folder / "results" / "screen"
    partial = folder.with_name("screen_partial")
    assert list(pd.read_csv(partial / "plates.csv")["Metadata_Plate"]) == ["P"]
    judged = levelfield(screen, "screen")
    assert "Judged by 2 of 2 plates: results/screen/report.html" in judged.stdout, judged.stderr
    assert not partial.exists()
    assert list(pd.read_csv(folder / "plates.csv")["Metadata_Plate"]) == ["P", "Q"]
    judged = (folder / "verdict.csv").read_bytes()
    printed = screen.run_well()
    # The screen was judged by the rules of the workflow, so it need not be judged again.
    assert "Nothing to be done" in printed
    assert (folder / "verdict.csv").read_bytes() == judged
    assert "not in this report" not in (folder / "report.html").read_text()
    assert digests(screen.results) == before
    assert (screen.results / "report.html").stat().st_mtime_ns == report
    assert levelfield(screen, "status").returncode == 0


def most_segmented_at_once(printed: str) -> int:
    """How many segmentations Snakemake had begun and not seen finished, at most."""
    running = most = 0
    for line in printed.splitlines():
        running += bool(re.match(r"Job \d+: Segmenting pack", line))
        running -= bool(re.match(r"Finished jobid: \d+ \(Rule: segment\)", line))
        most = max(most, running)
    return most


def test_on_one_machine_two_jobs_share_a_gpu_only_where_asked(copy):
    """No GPU is needed for this: it is the profile that lets jobs have one."""
    profile = ("--profile", str(REPOSITORY / "profiles" / "gpu"), "--set-threads", "segment=1")
    packs = ("results/P/segment/pack1.csv", "results/P/segment/pack2.csv")
    for gpus in ((), ("--resources", "gpu=2")):
        for path in packs:
            (copy.folder / path).unlink()
        printed = copy.run_well(*profile, *gpus, "--config", "device=cpu", "--", *packs)
        assert most_segmented_at_once(printed) == (2 if gpus else 1)
        logs = list((copy.results / "logs").glob("segment_*.log"))
        assert [read_job_log(path).gpus for path in logs] == [1, 1]


def test_a_disk_without_room_stops_the_plate_before_it_begins(copy):
    # As a plate of 60,000 GB: its index says so, and the store is never begun.
    shutil.rmtree(copy.results / "P.zarr")
    (copy.results / "store.csv").unlink()
    index = copy.results / "index.csv"
    table = pd.read_csv(index, keep_default_na=False)
    table.assign(size_y=30_000_000, size_x=1_000_000).to_csv(index, index=False)
    done = copy.run("--until", "create_store", "--rerun-triggers", "input")
    assert done.returncode != 0
    assert re.search(r"plate P needs about .* GB too few\. Nothing of the plate was", done.stdout)
    assert not (copy.results / "P.zarr").exists()


@pytest.mark.installed
def test_what_is_foretold_of_the_demo_comes_true(demo, tmp_path, monkeypatch):
    kinds = ("negcon", "poscon", "negcon", "trt")
    wells = [f"{row}{column}" for row in "ABC" for column in ("01", "02", "07", "12")]
    config = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text())
    measured = new_screen(tmp_path / "measured", readouts=config["readouts"])
    measured.change_config(measurement=config.get("measurement", {}))
    for plate, chosen in (("S", wells[:4]), ("L", wells)):
        add_plate(measured, plate, {well: kinds[i % 4] for i, well in enumerate(chosen)})
    measured.run_well()
    monkeypatch.chdir(measured.folder)
    costs = measure_costs(read_plan_file(Path("config.yaml")), ["S", "L"])
    monkeypatch.chdir(REPOSITORY)
    demo_config = yaml.safe_dump(config | {"results": str(demo)}, sort_keys=False)
    (tmp_path / "demo.yaml").write_text(demo_config)
    target = read_plan_file(tmp_path / "demo.yaml")
    [plate] = target.plates
    foretold = estimate(target, costs).iloc[-1]
    took = estimate(target, measure_costs(target, [plate])).iloc[-1]
    in_folder = list((demo / plate).rglob("*"))
    assert foretold["inodes"] == pytest.approx(len(in_folder), rel=0.2)
    n_bytes = sum(path.stat().st_size for path in in_folder if path.is_file())
    assert foretold["bytes"] == pytest.approx(n_bytes, rel=0.2)
    assert foretold["jobs"] == took["jobs"]
    # The time depends on what else the machine does; it only has to be foretold at all.
    assert foretold["cpu_hours"] > 0
    assert took["cpu_hours"] > 0
