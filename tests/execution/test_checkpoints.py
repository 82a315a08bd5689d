"""Fields that an interrupted job had finished: kept whole, torn ones never, and then forgotten."""

from contextlib import suppress

import pandas as pd
import pytest

from levelfield.execution.checkpoints import Checkpoint, Superseded
from levelfield.execution.field_cache import field_fingerprints, map_changed_fields
from levelfield.execution.logs import job_log, read_job_log
from levelfield.execution.progress import map_fields


def tables(n_rows: int = 2) -> dict[str, pd.DataFrame]:
    columns = {"Metadata_Well": ["A01"] * n_rows, "area": [0.1] * n_rows, "n": [7] * n_rows}
    return {"Nuclei": pd.DataFrame(columns), "Image": pd.DataFrame({"mean": [0.5]})}


@pytest.fixture
def checkpoint(tmp_path):
    return Checkpoint(tmp_path / "checkpoint", "measure_pack1")


def test_fields_come_back_as_they_were_kept(checkpoint):
    checkpoint.keep("one", tables())
    checkpoint.keep("two", tables(0))
    found = checkpoint.read()
    assert list(found) == ["one", "two"]
    for name, table in tables().items():
        pd.testing.assert_frame_equal(found["one"][name], table)
    assert list(found["two"]["Nuclei"].columns) == ["Metadata_Well", "area", "n"]


def test_a_field_that_was_torn_is_left_out_and_those_before_it_are_not(checkpoint):
    for name in ("one", "two"):
        checkpoint.keep(name, tables())
    [path] = checkpoint.folder.iterdir()
    whole = path.read_bytes()
    for size in range(len(whole) // 2 + 10, len(whole) - 1, 97):
        path.write_bytes(whole[:size])
        assert list(checkpoint.read()) == ["one"]
    path.write_bytes(whole[:-20] + b"x" + whole[-19:])
    assert list(checkpoint.read()) == ["one"]


def keep_one(item):
    checkpoint, mark = item
    checkpoint.keep(mark, tables())


def test_every_process_keeps_its_fields_in_a_file_of_its_own(checkpoint):
    list(map_fields(keep_one, [(checkpoint, str(n)) for n in range(6)], 2, "test"))
    assert sorted(checkpoint.read()) == ["0", "1", "2", "3", "4", "5"]
    assert len(list(checkpoint.folder.iterdir())) <= 2


def test_a_finished_job_leaves_nothing_behind_but_what_other_jobs_need(checkpoint):
    other = Checkpoint(checkpoint.folder, "measure_pack10")
    checkpoint.keep("one", tables())
    other.keep("two", tables())
    checkpoint.remove()
    assert checkpoint.read() == {}
    assert list(other.read()) == ["two"]
    other.remove()
    assert not checkpoint.folder.exists()
    other.remove()


SEGMENTED = pd.DataFrame(
    {
        "Metadata_Plate": "P",
        "Metadata_Well": ["A01", "A02", "A03", "A04", "A05"],
        "Metadata_Site": 1,
        "fault": "",
        "Count_Nuclei": [1, 0, 1, 1, 1],
        "checksum_Nuclei": ["v", "w", "x", "y", "z"],
    }
)
FIELDS = field_fingerprints(SEGMENTED, {})


def rows_of(field):
    n_rows = 0 if field[1] == "A02" else 1
    return {"Nuclei": pd.DataFrame({"Metadata_Well": [field[1]] * n_rows})}


def run(checkpoint, compute):
    return map_changed_fields(compute, FIELDS, {}, dict, 1, "test", checkpoint)


def wells(made):
    return [list(one["Nuclei"]["Metadata_Well"]) for one in made]


def test_an_interrupted_job_computes_no_finished_field_again(checkpoint):
    done = []

    def compute(field):
        done.append(field[1])
        if done == ["A01", "A02", "A03"]:
            raise MemoryError
        return rows_of(field)

    with pytest.raises(MemoryError):
        run(checkpoint, compute)
    again = Checkpoint(checkpoint.folder, checkpoint.name)
    assert wells(run(again, compute)) == [["A01"], [], ["A03"], ["A04"], ["A05"]]
    assert done == ["A01", "A02", "A03", "A05", "A04", "A03"]


def test_two_jobs_of_the_same_work_meet_and_share_it(checkpoint):
    """The first is at its second field when another begins, which is cut off in the middle."""
    other = Checkpoint(checkpoint.folder, checkpoint.name)
    done = []

    def of_the_other(field):
        done.append(field[1])
        if field[1] == "A03":
            raise KeyboardInterrupt
        return rows_of(field)

    def compute(field):
        done.append(field[1])
        if field[1] == "A02":
            with suppress(KeyboardInterrupt):
                run(other, of_the_other)
        return rows_of(field)

    assert wells(run(checkpoint, compute)) == [["A01"], [], ["A03"], ["A04"], ["A05"]]
    assert done == ["A01", "A02", "A05", "A04", "A03", "A03"]
    checkpoint.remove()
    assert other.read(), "the job that began later may still need the fields"
    other.remove()
    assert not checkpoint.folder.exists()


def test_a_job_that_was_superseded_ends_and_computes_no_further_field(checkpoint):
    """The first is at its second field when another begins, and does all of the rest."""
    other = Checkpoint(checkpoint.folder, checkpoint.name)
    done = []

    def of_the_other(field):
        done.append(field[1])
        return rows_of(field)

    def compute(field):
        done.append(field[1])
        if field[1] == "A02":
            made = run(other, of_the_other)
            assert wells(made) == [["A01"], [], ["A03"], ["A04"], ["A05"]]
            other.remove()
        return rows_of(field)

    with pytest.raises(Superseded):
        run(checkpoint, compute)
    assert done == ["A01", "A02", "A05", "A04", "A03", "A02"]
    assert not checkpoint.folder.exists()


def test_a_superseded_job_ends_well_and_says_so(tmp_path):
    with job_log(str(tmp_path / "log")):
        raise Superseded("measure_pack1")
    assert read_job_log(tmp_path / "log").state == "done"
    assert "started again, and has done all" in (tmp_path / "log").read_text()


def test_a_job_does_not_take_over_fields_of_another_config(checkpoint):
    other = Checkpoint(checkpoint.folder, checkpoint.name)
    other.begin()
    assert checkpoint.begin()
    other.keep("of another config", tables())
    assert checkpoint.find("one") is None
    other.keep("one", tables())
    pd.testing.assert_frame_equal(checkpoint.find("one")["Image"], tables()["Image"])
