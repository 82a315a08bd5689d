"""Where results lie: one place for the workflow, the command line and a plate's folder."""

from pathlib import Path

from levelfield.config.results import RULES, Results, in_plate, log_in


def test_results_are_where_the_root_is_unless_they_are_absolute():
    results = Results("out", "first/")
    assert results.file("segment", plate="P", pack="pack1") == "first/out/P/segment/pack1.csv"
    assert results.file("fetch_weights", weights="nuclei") == "first/resources/weights/nuclei"
    assert results.store("P") == "first/out/P/P.zarr"
    assert Results("/data/out", "first").file("qc_screen") == "/data/out/screen/verdict.csv"
    assert Results("out").log("measure", plate="P") == "out/P/logs/measure_{pack}.log"
    assert Results("out").timing("index_plate", plate="P") == "out/P/timings/index_plate.tsv"


def test_the_paths_of_a_plate_are_those_of_its_folder():
    results = Results("out")
    for rule in RULES.values():
        if rule.unit == "plate":
            paths = [in_plate(Path("out/P"), rule.name, name) for name in rule.files]
            made = [Path(results.file(rule.name, name, plate="P")) for name in rule.files]
            assert paths == made
            assert log_in(Path("out/P"), rule.name) == Path(results.log(rule.name, plate="P"))


def test_no_two_rules_make_the_same_file():
    made = [Results("out").file(rule.name, name) for rule in RULES.values() for name in rule.files]
    assert len(made) == len(set(made))
