"""The review of a plate: its page, and what the page sends back when it is served."""

from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from levelfield.config.plan import Plan
from levelfield.config.results import in_plate
from levelfield.config.sheets import SCHEMAS, read_sheet
from levelfield.io.tables import read_csv, write_csv, write_text
from levelfield.qc.review.answers import check_answers
from levelfield.qc.review.table import reviewed_rows
from levelfield.qc.verdict.screen_review import review_plan
from levelfield.runs.review_server import ReviewServer
from levelfield.steps.review_page import plate_review_page


def make_page(plan: Plan, name: str) -> Path:
    """Write the review page of a judged plate; nothing if it is there and of its last judgement.

    Raises
    ------
    FileNotFoundError
        When the plate is not known, or not judged yet.
    """
    if name not in plan.plates:
        raise FileNotFoundError(
            f"the config knows no plate '{name}'. It has: {', '.join(plan.plates)}."
        )
    folder = Path(plan.results.path) / name
    listed, page = in_plate(folder, "qc_plate", "review_list"), in_plate(folder, "review_page")
    if not listed.is_file():
        raise FileNotFoundError(f"plate '{name}' is not judged yet. Let snakemake finish it first.")
    if page.is_file() and page.stat().st_mtime >= listed.stat().st_mtime:
        return page
    plate = plan.plates[name]
    html = plate_review_page(
        folder,
        plate.layout_path,
        plate.n_wells,
        plan.results.store(name),
        plan.science,
        plan.review_path(name),
    )
    write_text(html, page)
    return page


def next_plate(plan: Plan) -> str:
    """Return the plate that people should look at next for the verdict of the screen.

    Raises
    ------
    ValueError
        When no plate is judged yet, or all that are needed were looked at.
    """
    tables = [
        reviewed_rows(read_csv(Path(plan.results.file("qc_plate", "reviewed", plate=name))))
        for name in plan.finished_plates()
    ]
    planned = review_plan(tables)
    waiting = [row.plate for row in planned if row.state == "open"]
    if not waiting:
        done = "all plates that the screen is judged by were looked at" if planned else ""
        raise ValueError(f"{done or 'no plate is judged yet'}. Name a plate to review it.")
    return waiting[0]


def serve(plan: Plan, name: str, page: Path, port: int = 0) -> None:
    """Serve the review page of a plate to this machine alone, until it is interrupted."""
    with ReviewServer(page, partial(save_answers, plan, name), port) as server:
        print(f"Open {server.url}")
        print(f"Answers are saved in {plan.review_path(name)}. Ctrl-C ends it.", flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()
    print("\nRun snakemake again: only the QC and the reports are made again.")


def save_answers(plan: Plan, name: str, text: str) -> str:
    """Write what the page sends into the plate's review sheet; return what was done, in words.

    Rows of other plates and other people stay. Nothing is written that the workflow would refuse.

    Raises
    ------
    ValueError
        When a row is wrong, or of another plate or sample.
    """
    with TemporaryDirectory() as folder:
        sent = Path(folder) / "review.csv"
        sent.write_text(text)
        new = read_sheet(sent, SCHEMAS / "review.yaml")
    listed = read_csv(in_plate(Path(plan.results.path) / name, "qc_plate", "review_list"))
    known = set(listed["sample"].astype(str))
    if set(new["plate"]) - {name} or set(new["sample"]) - known:
        raise ValueError(
            f"these answers are not of plate '{name}' as it is now: it was judged again since this "
            "page was made. Close the page, and call levelfield review again."
        )
    check_answers(new, name)
    path, kept = plan.review_path(name), new
    if path.is_file():
        old = pd.read_csv(path, dtype=str, keep_default_na=False)
        own = (old["plate"] == name) & old["reviewer"].isin(set(new["reviewer"]))
        kept = pd.concat([old[~own], new], ignore_index=True).fillna("")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_csv(kept, path)
    crops = int((new["answer"] == "missed").sum())
    return f"{crops} crops saved in {path}. Run snakemake again when you are done."
