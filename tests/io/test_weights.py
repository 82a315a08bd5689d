"""Weights are fetched once, whole, checked; a download that was cut off goes on."""

import hashlib
import http.server
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from levelfield.config.sheets import ConfigError
from levelfield.config.weights import CATALOGUE, Weights, named_weights
from levelfield.io import download as downloads
from levelfield.io.weights import WeightsError, fetch_weights

REPOSITORY = Path(__file__).resolve().parents[2]
CONTENT = bytes(range(256)) * 4096 * 3  # 3 MB, three blocks of a download
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT; says which byte each request began at; may break off."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.starts = []
        self.break_off_after = []  # bytes of the next answers
        self.knows_ranges = True
        self.content = CONTENT

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/weights"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range", "bytes=0-") if server.knows_ranges else "bytes=0-"
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        server.starts.append(start)
        if self.path != "/weights":
            self.send_error(404)
            return
        if start >= len(server.content):
            self.send_error(416)
            return
        rest = server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if server.break_off_after:
            rest = rest[: server.break_off_after.pop(0)]
        self.wfile.write(rest)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(downloads.time, "sleep", lambda seconds: None)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Server()
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture
def fetch(server, tmp_path):
    """Fetch what the server has to `place`; return its bytes."""

    def run(place="resources/weights/w", sha256=SHA256, url=server.url) -> bytes:
        path = tmp_path / place
        fetch_weights(Weights("w", url, sha256), path, tmp_path / "cache")
        return path.read_bytes()

    return run


def test_weights_are_downloaded_once_for_all_workflows(server, fetch, tmp_path):
    assert fetch() == CONTENT
    assert fetch() == CONTENT
    assert fetch("another/workflow/w") == CONTENT
    assert server.starts == [0]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [SHA256]


def test_a_connection_that_breaks_off_is_taken_up_where_it_ended(server, fetch):
    server.break_off_after = [1_000_000, 500_000]
    assert fetch() == CONTENT
    assert server.starts == [0, 1_000_000, 1_500_000]


def test_the_next_run_goes_on_where_the_last_one_gave_up(server, fetch, tmp_path):
    server.break_off_after = [1000, 1000, 1000]
    with pytest.raises(WeightsError, match="broke off after 3000 of 3145728 bytes; 3000 bytes are"):
        fetch()
    assert not (tmp_path / "resources").exists()
    assert fetch() == CONTENT
    assert server.starts[-1] == 3000


def test_a_server_without_ranges_sends_all_again(server, fetch):
    server.knows_ranges = False
    server.break_off_after = [1_000_000]
    assert fetch() == CONTENT


def test_a_download_that_only_lacked_its_name_is_not_repeated(server, fetch, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / f"{SHA256}.part").write_bytes(CONTENT)
    assert fetch() == CONTENT
    assert server.starts == [len(CONTENT)]


def test_what_a_killed_download_left_is_gone_on_from_and_a_living_one_left_alone(
    server, fetch, tmp_path
):
    (tmp_path / "cache").mkdir()
    dead, living = (tmp_path / "cache" / f"{SHA256}.part.{name}" for name in ("dead", "living"))
    for path in (dead, living):
        path.write_bytes(CONTENT[:1000])
    os.utime(dead, (1e9, 1e9))
    assert fetch() == CONTENT
    assert server.starts == [1000]
    assert not dead.exists()
    assert living.read_bytes() == CONTENT[:1000]


def test_workflows_that_start_together_all_get_the_weights(server, fetch, tmp_path):
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(fetch, [f"{n}/w" for n in range(4)])) == {CONTENT}
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [SHA256]


def test_a_wrong_checksum_leaves_nothing_to_use_and_nothing_to_go_on_from(fetch, tmp_path):
    with pytest.raises(WeightsError, match=rf"sha256 is {SHA256}; it should be {'0' * 64}"):
        fetch(sha256="0" * 64)
    assert not (tmp_path / "resources").exists()
    assert not list((tmp_path / "cache").iterdir())


def test_a_damaged_cache_is_noticed_and_mended(server, fetch, tmp_path):
    fetch()
    kept = tmp_path / "cache" / SHA256
    kept.unlink()
    kept.write_bytes(CONTENT[:-1])
    assert fetch("another/w") == CONTENT
    assert server.starts == [0, 0]


def test_a_damaged_file_in_its_place_is_refused(fetch, tmp_path):
    fetch()
    place = tmp_path / "resources/weights/w"
    place.unlink()
    place.write_bytes(b"x")
    with pytest.raises(WeightsError, match=r"Remove '.*w', and it is fetched again"):
        fetch()


def test_without_a_network_the_error_says_which_file_to_put_where(fetch, tmp_path):
    with pytest.raises(WeightsError) as error:
        fetch(url="http://127.0.0.1:1/weights")
    text = str(error.value)
    place = tmp_path / "resources/weights/w"
    assert all(part in text for part in ["http://127.0.0.1:1/weights", str(place), SHA256])
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT)
    assert fetch(url="http://127.0.0.1:1/weights") == CONTENT


def test_a_file_that_the_server_lacks_is_not_asked_for_again(server, fetch):
    with pytest.raises(WeightsError, match="the server answers 404"):
        fetch(url=f"{server.url}_of_old")
    assert len(server.starts) == 1


def test_a_file_of_the_user_is_copied_not_linked(tmp_path):
    source, place = tmp_path / "mine.pth", tmp_path / "resources" / "mine"
    source.write_bytes(CONTENT)
    os.utime(source, (1e9, 1e9))
    fetch_weights(Weights("mine", str(source), SHA256), place, tmp_path / "cache")
    assert place.read_bytes() == CONTENT
    assert place.stat().st_mtime == 1e9
    assert not place.samefile(source)
    assert not (tmp_path / "cache").exists()


def test_a_file_of_the_user_with_another_checksum_is_refused(tmp_path):
    source = tmp_path / "mine.pth"
    source.write_bytes(b"changed")
    with pytest.raises(WeightsError, match=r"mine\.pth' is not the file that the config names"):
        fetch_weights(Weights("mine", str(source), SHA256), tmp_path / "w", tmp_path / "cache")
    assert not (tmp_path / "w").exists()


# The catalogue and the config's own section.


# Their publishers state no checksum.
WITHOUT_CHECKSUM = {
    *("cyto3", "cellpose3_nuclei"),
    *("fluorescence_nuclei_and_cells", "single_channel_nuclei"),
}


def test_every_published_file_has_a_source_a_checksum_and_a_licence():
    names = set(yaml.safe_load(CATALOGUE.read_text())) - WITHOUT_CHECKSUM
    found = named_weights(names, {}, CATALOGUE)
    assert {"cpsam_v2", "cpdino", "cpdino-vitb", "cpsam"} <= set(found)
    for weights in found.values():
        assert len(weights.sha256) == 64
        assert weights.licence
        if "mouseland" in weights.source:
            assert "non-commercial" in weights.licence


@pytest.mark.parametrize("name", sorted(WITHOUT_CHECKSUM))
def test_files_without_a_published_checksum_wait_for_one(name):
    with pytest.raises(ConfigError, match=rf"weights\.{name}\.sha256 is missing.*curl -L https"):
        named_weights([name], {}, CATALOGUE)
    weights = named_weights([name], {name: {"sha256": SHA256}}, CATALOGUE)[name]
    assert weights.is_url and weights.licence


def test_the_config_replaces_only_the_keys_that_it_gives(tmp_path):
    (tmp_path / "mirror").touch()
    section = {"cpsam_v2": {"source": str(tmp_path / "mirror")}}
    weights = named_weights(["cpsam_v2"], section, CATALOGUE)["cpsam_v2"]
    assert weights.source == str(tmp_path / "mirror")
    assert weights.sha256.startswith("0f1cc3f7")


def test_a_missing_checksum_is_an_error_that_tells_the_file_s(tmp_path):
    (tmp_path / "mine").write_bytes(CONTENT)
    with pytest.raises(ConfigError, match=rf"weights.mine.sha256 is missing.*{SHA256}"):
        named_weights(["mine"], {"mine": {"source": str(tmp_path / "mine")}}, CATALOGUE)


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({}, "'mine' is not there.*cpsam_v2"),
        ({"mine": {"sha256": SHA256}}, "source is missing"),
        ({"mine": {"source": "no/such/file", "sha256": SHA256}}, "no file 'no/such/file'"),
    ],
)
def test_weights_that_cannot_be_had_are_refused_before_any_job(section, says):
    with pytest.raises(ConfigError, match=says):
        named_weights(["mine"], section, CATALOGUE)
