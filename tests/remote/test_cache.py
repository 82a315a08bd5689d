"""The cache of fetched images: bounded, whole or not there, and shared."""

import multiprocessing
import os

import pytest

from levelfield.remote import cache
from levelfield.remote.settings import settings, use_settings


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LEVELFIELD_REMOTE", "")
    use_settings({"cache": str(tmp_path / "cache"), "cache_gb": 1e-4})  # 100 kB
    return tmp_path / "cache"


def fail():
    raise AssertionError("it is in the cache")


def entries(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_an_entry_is_fetched_once(folder):
    assert cache.cached("a", lambda: b"one") == b"one"
    assert cache.cached("a", fail) == b"one"
    assert cache.cached("b", lambda: b"") == b""
    assert cache.cached("b", fail) == b""


@pytest.mark.parametrize("damage", [b"", b"x", b"two and its sum"])
def test_a_damaged_entry_is_fetched_again(folder, damage):
    cache.cached("a", lambda: b"one")
    entries(folder)[0].write_bytes(damage)
    assert cache.cached("a", lambda: b"one") == b"one"
    assert cache.cached("a", fail) == b"one"


def test_what_was_not_used_for_longest_is_deleted(folder):
    for number in range(40):
        cache.cached(str(number), lambda: bytes(5000))
        for entry in entries(folder):
            times = entry.stat()
            os.utime(entry, (times.st_atime - 10, times.st_mtime - 10))
        cache.cached("0", lambda: bytes(5000))  # is used all the time
    assert sum(entry.stat().st_size for entry in entries(folder)) <= 110_000
    cache.cached("0", fail)
    cache.cached("39", fail)
    assert not cache.is_cached("1")


def test_no_cache_and_entries_that_are_too_large(folder):
    assert cache.cached("large", lambda: bytes(20_000)) == bytes(20_000)
    assert not entries(folder)
    use_settings({"cache": str(folder), "cache_gb": 0})
    assert cache.cached("a", lambda: b"one") == b"one"
    assert not entries(folder)


def test_a_full_disk_costs_nothing_but_the_entry(folder, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "_write", full)
    assert cache.cached("a", lambda: b"one") == b"one"


def fill(folder):
    use_settings({"cache": str(folder), "cache_gb": 1e-4})
    for turn in range(3):
        for number in range(30):
            content = bytes([number]) * 5000
            assert cache.cached(str(number), lambda content=content: content) == content, turn


def test_several_jobs_share_one(folder):
    jobs = [multiprocessing.Process(target=fill, args=(folder,)) for _ in range(3)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0, 0, 0]
    assert not [path for path in entries(folder) if path.suffix == ".part"]
    assert cache.clear(folder, 100_000) <= 100_000


def test_abandoned_parts_are_removed(folder):
    cache.cached("a", lambda: b"one")
    part = entries(folder)[0].with_name("x.part")
    part.write_bytes(b"half")
    os.utime(part, (0, 0))
    cache.clear(folder, 100_000)
    assert not part.exists()


def test_settings_reach_the_processes_that_are_started(folder, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    use_settings({"cache": "near", "endpoint": None, "anonymous": False})
    assert settings().folder == tmp_path / "near"
    assert settings().endpoint == ""
    assert not settings().anonymous
    assert "near" in os.environ["LEVELFIELD_REMOTE"]
