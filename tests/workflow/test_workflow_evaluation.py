"""A plate of real nuclei, compared with its reference labels by the real workflow."""

import re

import numpy as np
import pandas as pd
import pytest
import yaml
from evaluation_cases import BBBC038, image_index, load
from skimage.io import imsave
from workflow_runs import ONE_PACK, Screen

from levelfield.config.references import plates_with_references
from levelfield.config.sheets import ConfigError
from levelfield.evaluation import evaluation_tables
from levelfield.io.store import read_labels
from levelfield.qc.truth import class_truth
from levelfield.questions import MEASURES, QUESTIONS, SCOPES
from levelfield.report.evaluation import picture_groups
from levelfield.steps.evaluate import look_for_references

pytestmark = pytest.mark.workflow

WELLS = {"A01": "negcon", "A02": "negcon", "A03": "trt"}
WELLS |= {"B01": "poscon", "B02": "poscon", "B03": "trt"}
PAGE = "results/P/evaluation/evaluation.html"
GROWTH_PX = 2
PARAMETERS = {"boundary_width": 3, "size_edges_px": [100, 300]}
CONFIG = {
    "images": {"pattern": r"(?P<well>[A-B]\d\d)_s(?P<site>\d)\.png$"},
    "channels": {"DNA": {"match": ""}},
    "objects": {
        "Nuclei": {"method": "classical", "channels": ["DNA"]},
        "Wider": {"method": "expansion", "parent": "Nuclei", "parameters": {"distance": GROWTH_PX}},
    },
    "measurement": {"families": ["AreaShape"]},
    "packs_per_plate": 1,
}


class NucleiScreen(Screen):
    """Six wells of one image each; beside the images the labels that people drew."""

    def evaluate(self, *patterns: str, **more: object) -> str:
        """Run the evaluation with references of those patterns; return what was printed."""
        references = dict(zip(CONFIG["objects"], patterns, strict=False))
        self.change_config(evaluation={"references": references, **more})
        return self.run_well("--", PAGE)

    def reference_folder(self, name: str, labels: dict[str, np.ndarray]):
        folder = self.folder / name / "P"
        folder.mkdir(parents=True)
        for well, array in labels.items():
            array = array if array.ndim == 3 else array.astype(np.uint16)
            imsave(folder / f"{well}_s1.png", array, check_contrast=False)
        return folder

    def prediction(self, well: str) -> np.ndarray:
        return read_labels(self.results / "P.zarr", well, 1, "Nuclei")

    def evaluation(self, name: str) -> pd.DataFrame:
        return pd.read_csv(
            self.results / "evaluation" / f"{name}.csv", float_precision="round_trip"
        )

    @property
    def page(self) -> str:
        return (self.folder / PAGE).read_text()


@pytest.fixture(scope="module")
def drawn() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Image and reference labels by well."""
    index = image_index()
    names = index.loc[index["group"] == "256x256_4", "name"]
    there = [name for name in names if (BBBC038 / "images" / f"{name}.png").exists()]
    return {well: load(name) for well, name in zip(WELLS, there[: len(WELLS)], strict=True)}


@pytest.fixture(scope="module")
def screen(tmp_path_factory, drawn) -> NucleiScreen:
    """The screen with its labels made; each test evaluates it again, with references of its own."""
    made = NucleiScreen(tmp_path_factory.mktemp("evaluation"))
    made.images.mkdir(parents=True)
    for well, (image, _) in drawn.items():
        imsave(made.images / f"{well}_s1.png", image, check_contrast=False)
    made.write_layout("".join(f"{well},{kind},x,\n" for well, kind in WELLS.items()))
    sheet = "plate\timages\tlayout\twells\nP\timages/P\tlayout.csv\t6\n"
    (made.folder / "plates.tsv").write_text(sheet)
    (made.folder / "config.yaml").write_text(yaml.safe_dump(CONFIG | {"plates": "plates.tsv"}))
    made.reference_folder("drawn", {well: labels for well, (_, labels) in drawn.items()})
    made.run_well(*ONE_PACK)
    return made


def test_the_scores_are_those_of_the_evaluation_called_directly(screen, drawn):
    printed = screen.evaluate("drawn/{plate}/{well}_s{site}.png", parameters=PARAMETERS)
    assert "sites compared with their references: 6; skipped, as they have none: 0" in printed
    pairs = [
        (
            {"Metadata_Well": well, "Metadata_ControlType": WELLS[well]},
            screen.prediction(well),
            labels,
        )
        for well, (_, labels) in drawn.items()
    ]
    direct = evaluation_tables(pairs, ["Metadata_ControlType"], **PARAMETERS)
    for name in ("objects", "images", "groups"):
        expected = getattr(direct, name).astype(
            dict.fromkeys(getattr(direct, name).select_dtypes("category"), str)
        )
        found = screen.evaluation(name)
        assert set(found["object_set"]) == {"Nuclei"}
        pd.testing.assert_frame_equal(found[expected.columns], expected, check_exact=True)
    ap = direct.groups.query("statistic == 'pooled' and size_class == 'all'")["ap_50"]
    assert ap.between(0.3, 0.999).all(), "references that match perfectly or never test nothing"


def test_the_page_shows_groups_scores_and_the_worst_image_first(screen):
    screen.evaluate("drawn/{plate}/{well}_s{site}.png", parameters=PARAMETERS)
    page = screen.page
    assert all(kind in page for kind in set(WELLS.values()))
    pooled = screen.evaluation("groups").query("statistic == 'pooled' and size_class == 'all'")
    for value in pooled["ap_50"]:
        assert f">{value:.2f}<" in page
    whole = screen.evaluation("images").query("size_class == 'all' and ap_50 < 1")
    ranked = whole.sort_values(["ap_50", "mean_ap"])["Metadata_Well"]
    worst = page[page.index('id="worst"') :]
    places = [worst.index(f"<td>{well}</td>") for well in ranked]
    assert places == sorted(places)
    assert "poscon − negcon" in page
    assert "boundary_width" in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_the_workflows_own_labels_as_references_are_perfect_and_wider_ones_too_large(screen):
    screen.reference_folder("own", {well: screen.prediction(well) for well in WELLS})
    screen.evaluate("own/{plate}/{image}.png", "own/{plate}/{row}{column}_s1.png")
    whole = screen.evaluation("images").query("size_class == 'all'").set_index("object_set")
    assert list(whole.index) == ["Nuclei"] * len(WELLS) + ["Wider"] * len(WELLS)
    images = whole.loc["Nuclei"]
    perfect = [name for name in images if name.startswith(("ap_", "f1_")) or name == "mean_ap"]
    assert len(perfect) == 21
    assert (images[[*perfect, "recall", "precision", "seg", "det"]] == 1).all(axis=None)
    errors = ["n_splits", "n_merges", "n_missed", "n_extra", "boundary_bias_px", "balance_pp"]
    assert (images[errors] == 0).all(axis=None)
    assert "No image is below an AP of 1" in screen.page
    wider = whole.loc["Wider"]
    assert (wider["mean_intersection_over_reference"] == 1).all()
    assert np.allclose(wider["boundary_bias_px"], GROWTH_PX, atol=0.5)
    assert 'id="scores-Wider"' in screen.page


def test_the_truth_of_both_classes_stands_beside_their_estimates(screen):
    pattern = "drawn/{plate}/{well}_s{site}.png"
    screen.change_config(evaluation={"references": {"Nuclei": pattern}})
    screen.run_well("--", "results/P/report.html")
    truth = pd.read_csv(screen.results / "qc" / "truth.csv").set_index(["measure", "scope"])
    assert set(truth["object_set"]) == {"Nuclei"}
    images = screen.evaluation("images").query("size_class == 'all'")
    assert set(truth["question"]) == set(QUESTIONS)
    assert set(truth.index) == {(name, scope) for name in MEASURES for scope in SCOPES}
    for name, measure in MEASURES.items():
        sides = {}
        for kind in ("negcon", "poscon"):
            own = images[images["Metadata_ControlType"] == kind]
            sides[kind] = measure.scale * class_truth(own, name).value
            assert truth.loc[(name, kind), "truth"] == pytest.approx(sides[kind])
        difference = truth.loc[(name, "difference"), "truth"]
        assert difference == pytest.approx(sides["poscon"] - sides["negcon"])
    assert truth["truth_verdict"].notna().all()
    verdict = pd.read_csv(screen.results / "qc" / "verdict.csv")
    verdict = verdict[verdict["object_set"] == "Nuclei"].set_index(["measure", "scope"])
    assert (truth["estimate"] == verdict["estimate"].loc[truth.index]).all()
    # All control wells have references, and treated wells are in no row.
    assert np.allclose(truth["same_sites_estimate"], truth["estimate"])
    convention = truth["same_sites_estimate"] - truth["truth"]
    assert np.allclose(truth.loc["bias", "annotators_convention_px"], convention["bias"])
    assert truth.drop("bias")["annotators_convention_px"].isna().all()
    page = (screen.results / "report.html").read_text()
    assert re.search(r"annotators draw (on|[\d.]+ px (out|in)side of) the visible edge", page)
    answers = pd.read_csv(screen.results / "qc" / "answers.csv").query("object_set == 'Nuclei'")
    assert list(answers["question"]) == list(QUESTIONS)
    for answer in answers.itertuples():
        worst = verdict.loc[(answer.worst_measure, answer.worst_scope)]
        assert (worst["question"], worst["verdict"]) == (answer.question, answer.verdict)


def test_missing_and_odd_references_are_reported_and_the_others_compared(screen, drawn):
    labels = {well: array for well, (_, array) in drawn.items() if well != "A01"}
    labels["A02"] = labels["A02"][:-6]
    labels["A03"] = labels["A03"] > 0
    labels["B01"] = np.dstack([labels["B01"].astype(np.uint8)] * 3)
    folder = screen.reference_folder("odd", labels)
    whole = (folder / "B02_s1.png").read_bytes()
    (folder / "B02_s1.png").write_bytes(whole[: len(whole) // 2])
    imsave(folder / "H12_s1.png", drawn["A01"][1].astype(np.uint16), check_contrast=False)
    printed = screen.evaluate("odd/{plate}/{well}_s{site}.png", by=["Metadata_Well"])
    references = screen.evaluation("references").fillna("")
    assert list(references["status"]) == ["missing", *["refused"] * 4, "compared", "unused"]
    told = references.set_index("Metadata_Well")["reason"]
    assert "250 × 256 px (height × width), the image 256 × 256 px" in told["A02"]
    assert "a mask" in told["A03"]
    assert "colour" in told["B01"]
    assert told["B02"]
    assert "sites compared with their references: 1; skipped, as they have none: 1" in printed
    for well in ("A02", "A03", "B01", "B02"):
        assert f"site {well} 1 is not compared" in printed
        assert f"odd/P/{well}_s1.png" in screen.page
    assert "no usable site has their name: 1; first" in printed
    assert "H12_s1.png" in screen.page
    assert list(screen.evaluation("images")["Metadata_Well"].unique()) == ["B03"]


def test_a_reference_that_is_drawn_again_is_compared_again(screen, drawn):
    folder = screen.reference_folder("redrawn", {"B03": drawn["B03"][1]})
    pattern = "redrawn/{plate}/{well}_s{site}.png"
    screen.evaluate(pattern)
    assert screen.evaluation("images")["mean_ap"].iloc[0] < 1
    imsave(folder / "B03_s1.png", screen.prediction("B03").astype(np.uint16), check_contrast=False)
    screen.evaluate(pattern)
    assert screen.evaluation("images")["mean_ap"].iloc[0] == 1


def test_references_of_no_site_end_the_evaluation_with_the_first_path(screen, drawn):
    screen.reference_folder("strange", {"H12": drawn["A01"][1]})
    pattern = "strange/{plate}/{well}_s{site}.png"
    screen.change_config(evaluation={"references": {"Nuclei": pattern}})
    done = screen.run("--", PAGE)
    assert done.returncode != 0
    assert "plate P: no site has a reference. Looked first for" in done.stdout
    assert "strange/P/A01_s1.png; found" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_whole_run_makes_the_page_only_where_there_are_references(screen):
    pattern = "drawn/{plate}/{well}_s{site}.png"
    screen.change_config(evaluation={"references": {"Nuclei": pattern}})
    assert "evaluate " in screen.run_well("--dry-run", "--quiet", "rules", "--forceall")
    config = yaml.safe_load((screen.folder / "config.yaml").read_text())
    del config["evaluation"]
    (screen.folder / "config.yaml").write_text(yaml.safe_dump(config))
    assert "evaluate " not in screen.run_well("--dry-run", "--quiet", "rules", "--forceall")


def test_references_that_are_added_later_make_nothing_else_again(copy, tmp_path):
    labels = read_labels(copy.results / "P.zarr", "A01", 1, "Nuclei")
    (tmp_path / "labels").mkdir()
    imsave(tmp_path / "labels" / "A01.png", labels.astype(np.uint16), check_contrast=False)
    copy.change_config(evaluation={"references": {"Nuclei": f"{tmp_path}/labels/{{well}}.png"}})
    printed = copy.run_well("--dry-run", "--quiet", "rules")
    jobs = printed.split("Job stats:")[1].split("total")[0].split("\n")[3:]
    # The page shows the truth beside the estimates; no image is looked at again.
    expected = ["evaluate", "provenance", "qc_truth", "report_plate", "whole_screen"]
    assert sorted(line.split()[0] for line in jobs if line.split()) == expected


@pytest.mark.parametrize(
    ("references", "says"),
    [
        ({"Nuclei": "nowhere/{plate}_{well}.png"}, ["not one file fits", "nowhere/P_*.png"]),
        ({"Nucleus": "{well}.png"}, ["references.Nucleus", "no such object set", "Nuclei"]),
        ({"Nuclei": "{wel}.png"}, ["cannot be filled in ('wel')", "well", "image"]),
        ({"Nuclei": "{well:02d}.png"}, ["cannot be filled in", "{site:02d}"]),
        ({"Nuclei": "{well.png"}, ["cannot be filled in"]),
    ],
)
def test_wrong_patterns_are_refused_before_any_job_runs(tmp_path, references, says):
    config = {
        "data_folder": str(tmp_path),
        "objects": {"Nuclei": {}},
        "evaluation": {"references": references},
    }
    with pytest.raises(ConfigError) as error:
        plates_with_references(config, ["P", "Q"])
    assert all(part in str(error.value) for part in says)


def test_plates_without_references_are_left_out(tmp_path):
    for name in ("P1_A01_s02.png", "P[1]_A01_s1.png", "P1_notes.txt"):
        (tmp_path / name).touch()
    references = {"Nuclei": "{plate}_{well}_s{site:02d}.png"}
    config = {"data_folder": str(tmp_path), "objects": {"Nuclei": {}}}
    assert plates_with_references(config, ["P1"]) == {}
    config["evaluation"] = {"references": references}
    found = plates_with_references(config, ["P1", "P[1]", "P2"])
    assert found == {"P1": [tmp_path / "P1_A01_s02.png"], "P[1]": [tmp_path / "P[1]_A01_s1.png"]}


def test_one_file_for_two_sites_is_refused(tmp_path):
    fields = pd.DataFrame(
        {
            "Metadata_Plate": "P",
            "Metadata_Well": "A01",
            "Metadata_Site": [1, 2],
            "raw_file": ["a.tif", "b.tif"],
        }
    )
    with pytest.raises(ValueError, match=r"same file for 2 sites.*\{site\}"):
        look_for_references("P", fields, "Nuclei", "{well}.png", tmp_path)
    table = look_for_references("P", fields, "Nuclei", "{row}{column}_{image}.png", tmp_path)
    assert [name.rsplit("/", 1)[1] for name in table["file"]] == ["A01_a.png", "A01_b.png"]


def test_more_groups_than_colours_share_the_picture_by_object_set():
    images = pd.DataFrame(
        {"object_set": ["Cells", "Nuclei"] * 9, "Metadata_Well": np.repeat(range(9), 2)}
    )
    assert picture_groups(images, ["Metadata_Well"]) == ["object_set"]
    assert picture_groups(images[:8], ["Metadata_Well"]) == ["object_set", "Metadata_Well"]
    assert picture_groups(images[images["object_set"] == "Cells"], ["Metadata_Well"]) == []
