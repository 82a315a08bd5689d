"""Files from elsewhere are read, shown and never obeyed."""

import ast

import numpy as np
import pandas as pd
import pytest
from conftest import REPOSITORY
from report_cases import answers_of, layout_of, plate_facts, readouts_of, report_of, tables_of

from levelfield.config.settings import EvaluationSettings
from levelfield.config.sheets import ConfigError, SheetError, path_below
from levelfield.config.weights import named_weights
from levelfield.evaluation.tables import evaluate_images, summarise
from levelfield.report import ScreenReport, plate_page, screen_page
from levelfield.report.evaluation import EvaluationReport, evaluation_page

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"
SHOWN = "&lt;script&gt;alert(1)&lt;/script&gt;"

FORBIDDEN = {
    "eval",
    "exec",
    "compile",
    "os.system",
    "os.popen",
    "pickle.load",
    "pickle.loads",
    "joblib.load",
    "dill.load",
    "cloudpickle.load",
    "cloudpickle.loads",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "pandas.read_pickle",
    "pd.read_pickle",
    "marshal.loads",
    "shutil.unpack_archive",
}
# A TorchScript is a program: the model is of a publisher, its sha256 is checked before, and its
# process has an environment of its own; docs/security.md says so.
ALLOWED = {("levelfield/segmentation/workers/run_instanseg.py", "torch.jit.load")}


def sources() -> list:
    folders = ("levelfield", "scripts", "envs")
    return sorted(path for name in folders for path in (REPOSITORY / name).rglob("*.py"))


def calls_of(path) -> list[tuple[str, dict]]:
    """Return the dotted name and the constant keywords of every call in a file."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            keywords = {
                k.arg: k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)
            }
            found.append((ast.unparse(node.func), keywords))
    return found


def faults_of(path) -> list[str]:
    name_of_file = (
        path.relative_to(REPOSITORY).as_posix() if path.is_relative_to(REPOSITORY) else ""
    )
    faults = []
    for name, keywords in calls_of(path):
        if (name_of_file, name) in ALLOWED:
            continue
        unsafe = (
            name in FORBIDDEN
            or name == "torch.jit.load"
            or (name == "torch.load" and keywords.get("weights_only") is not True)
            or (name in ("np.load", "numpy.load") and keywords.get("allow_pickle", False))
            or keywords.get("shell") is True
            or name.endswith(".extractall")
        )
        faults += [f"{name_of_file or path.name}: {name}"] if unsafe else []
    return faults


def test_nothing_in_the_package_executes_or_unpickles_what_it_reads():
    assert len(sources()) > 100
    assert [fault for path in sources() for fault in faults_of(path)] == []


@pytest.mark.parametrize(
    "line",
    [
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "pickle.load(file)",
        "yaml.load(text)",
        "subprocess.run(text, shell=True)",
        "eval(text)",
        "archive.extractall()",
        "torch.jit.load(path)",
    ],
)
def test_the_search_finds_what_it_is_for(tmp_path, line):
    (tmp_path / "code.py").write_text(line)
    assert faults_of(tmp_path / "code.py")


@pytest.mark.parametrize("text", ["../x", "a/../../x", "..", "./../x"])
def test_a_path_that_a_file_names_cannot_leave_its_folder(text):
    with pytest.raises(SheetError, match=r"sheet, line 2: .* leads out of the folder '/data'"):
        path_below("/data", text, "sheet, line 2")


@pytest.mark.parametrize("text", ["x", "a/b", "a/../x", "x..y", "...", "/elsewhere/x"])
def test_other_paths_are_taken(text):
    assert str(path_below("/data", text, "sheet")).startswith(("/data", "/elsewhere"))


def hostile_layout() -> pd.DataFrame:
    return layout_of(96, negative=HOSTILE, positives=(HOSTILE + "2",))


def test_the_page_of_a_plate_shows_hostile_wells_files_and_names():
    layout = hostile_layout()
    fields = pd.DataFrame({"channel": [HOSTILE], "status": ["ok"], "reason": [HOSTILE]})
    excluded = pd.DataFrame(
        {
            "Metadata_Plate": HOSTILE,
            "Metadata_Well": [HOSTILE],
            "Metadata_Site": 1,
            "reason": HOSTILE,
            "rule": HOSTILE,
            "file": f"raw/{HOSTILE}.tif",
        }
    )
    readouts = readouts_of(layout).assign(readout=HOSTILE)
    html = plate_page(
        report_of(
            layout,
            96,
            plate=plate_facts(96, 1, name=HOSTILE),
            excluded=excluded,
            readouts=readouts,
            illumination=fields,
        )
    )
    assert SHOWN in html
    assert "<script" not in html
    assert "<img src=x" not in html


def test_the_page_of_a_screen_shows_hostile_plates_that_are_not_in_it():
    layout = hostile_layout()
    answers, verdict = tables_of(answers_of(layout, plate=HOSTILE))
    html = screen_page(
        ScreenReport(
            plates=plate_facts(96, name=HOSTILE),
            answers=answers,
            verdict=verdict,
            readouts=readouts_of(layout, HOSTILE),
            versions={HOSTILE: HOSTILE},
            unfinished=[HOSTILE],
        )
    )
    assert html.count(SHOWN) >= 3
    assert "<script" not in html
    assert "<img src=x" not in html


def test_the_page_of_an_evaluation_shows_hostile_groups_and_files():
    squares = np.zeros((40, 40), np.int32)
    squares[5:15, 5:15], squares[20:30, 20:30] = 1, 2
    facts = {"Metadata_Plate": HOSTILE, "Metadata_Well": HOSTILE, "Metadata_Site": 1}
    facts["Metadata_Perturbation"] = HOSTILE
    objects, images = evaluate_images([(facts, squares, squares)])
    by = ["Metadata_Perturbation"]
    groups = summarise(objects, images, by).assign(object_set=HOSTILE)
    for table in (objects, images):
        table.insert(0, "object_set", HOSTILE)
    file = f"labels/{HOSTILE}.png"
    rows = [
        facts | {"object_set": HOSTILE, "file": file, "status": status, "reason": HOSTILE}
        for status in ("compared", "missing", "refused", "unused")
    ]
    html = evaluation_page(
        EvaluationReport(
            plate=HOSTILE,
            settings=EvaluationSettings({}, tuple(by)),
            objects=objects,
            images=images,
            groups=groups,
            references=pd.DataFrame(rows),
            picture=b"",
            versions={HOSTILE: HOSTILE},
        )
    )
    assert html.count(SHOWN) >= 5
    assert "<script" not in html
    assert "<img src=x" not in html


@pytest.mark.parametrize(
    "url",
    [
        "https://user:pass@host.example/w.pt",
        "https://token@host.example/w.pt",
        "https://host.example/w.pt?X-Amz-Signature=abc",
        "https://host.example/w.pt?access_token=abc",
    ],
)
def test_a_url_with_a_secret_is_refused_without_repeating_it(tmp_path, url):
    (tmp_path / "weights.yaml").write_text("{}")
    section = {"mine": {"source": url, "sha256": "0" * 64}}
    with pytest.raises(ConfigError, match="password or token") as error:
        named_weights(["mine"], section, tmp_path / "weights.yaml")
    assert "abc" not in str(error.value)
    assert "pass@" not in str(error.value)
