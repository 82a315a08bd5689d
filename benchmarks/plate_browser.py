"""How long a click in the plate browser takes, for a plate of 384 wells and nine sites.

    python benchmarks/plate_browser.py

Simulated tables with real pictures of BBBC013 (640 x 640 px, two channels), opened from the disk by
headless Chromium. A click counts until the last picture it asked for is drawn; each is made on
several wells that were not looked at before. Writes ``results/plate_browser.csv``: seconds, and
the sizes of page and files.
"""

import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
RESULT = Path(__file__).parent / "results" / "plate_browser.csv"
CONTROL = ".overview .look[data-measure='{}'][data-set='{}'][data-scope='{}']"
WELLS = ("C05", "H11", "D17", "M20", "K23")
ANSWERS = [("missed", "Nuclei", "negcon"), ("agreement", "Cells", "poscon")]


def timed(tab: "object", click: str, drawn: str) -> float:
    """Return the seconds from a click to the moment when all that is `drawn` is drawn."""
    script = (
        "new Promise((done) => { const wanted = " + json.dumps(drawn) + ";"
        f"document.querySelector({json.dumps(click)}).scrollIntoView({{block: 'center'}});"
        "document.querySelectorAll('canvas[data-painted]').forEach(c => delete c.dataset.painted);"
        f"const start = performance.now(); document.querySelector({json.dumps(click)}).click();"
        "const look = () => { const all = [...document.querySelectorAll(wanted)];"
        "if (all.length && all.every(c => c.dataset.painted)) done(performance.now() - start);"
        "else requestAnimationFrame(look); }; requestAnimationFrame(look); })"
    )
    return tab.run(script) / 1000


def measure(folder: Path) -> list[dict[str, object]]:
    """Build the page, click through it, and return a row per figure."""
    from browser_cases import browser_report, write_report
    from chromium import chromium

    page = write_report(browser_report(384, 9), folder / "plate")
    sizes = [path.stat().st_size for path in (page.parent / "browser").iterdir()]
    rows: list[dict[str, object]] = [
        {"what": "page", "value": page.stat().st_size / 1e6, "unit": "MB"},
        {"what": "files of wells", "value": len(sizes), "unit": "files"},
        {"what": "all files of wells", "value": sum(sizes) / 1e6, "unit": "MB"},
        {"what": "other work meanwhile", "value": os.getloadavg()[0], "unit": "processes"},
    ]
    times: dict[str, list[float]] = {"page opened": []}
    with chromium(folder / "profile") as tab:
        tab.window(1300, 1000)
        panes = "#browser-panes canvas, #browser-objects canvas"
        for answer in ANSWERS:
            tab.open(page.as_uri())
            load = "performance.getEntriesByType('navigation')[0].loadEventEnd"
            times["page opened"].append(tab.run(load) / 1000)
            clicks = {
                "1st click: answer to worst site": (CONTROL.format(*answer), panes),
                "2nd click: object": ("#browser-objects button", "#browser-object-picture"),
            }
            for what, (click, drawn) in clicks.items():
                times.setdefault(what, []).append(timed(tab, click, drawn))
        for well in WELLS:
            click = f"#browser-map [data-well='{well}']"
            times.setdefault("well on the map", []).append(timed(tab, click, panes))
        times["both classes"] = [timed(tab, "#browser-classes", "#browser-panes canvas")]
    for what, seconds in times.items():
        rows.append({"what": what, "value": statistics.median(seconds), "unit": "s, median"})
        rows.append({"what": what, "value": max(seconds), "unit": "s, longest"})
    return rows


def main() -> None:
    """Measure, and write the table."""
    with tempfile.TemporaryDirectory() as folder:
        table = pd.DataFrame(measure(Path(folder)))
    table.round(3).to_csv(RESULT, index=False, lineterminator="\n")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
