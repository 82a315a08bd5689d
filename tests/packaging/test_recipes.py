"""Container recipes install by the commands that `make` runs on clean clones, and no others."""

import ast
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from conftest import REPOSITORY

from levelfield.runs.door import snakemake_command

ENVS = REPOSITORY / "envs"
QUIET = {"--quiet", "--disable-pip-version-check", "--no-cache-dir", "--editable"}
"""Options that change no package."""
ONLY_THERE = {"chmod"}
"""The image is built by root, and read by others."""


def run_lines(name: str) -> list[str]:
    """Return the commands that build an image."""
    text = (ENVS / name).read_text().replace("\\\n", " ")
    if name == "Dockerfile":
        return re.findall(r"^RUN (.+)$", text, re.MULTILINE)
    post = re.search(r"^%post\n(.*?)^%", text, re.MULTILINE | re.DOTALL)[1]
    return [line.strip() for line in post.splitlines() if not line.strip().startswith("#")]


def make_lines() -> list[str]:
    """Return the commands by which `make` installs what a run needs."""
    text = (REPOSITORY / "Makefile").read_text()
    values = {
        f"$({name})": re.search(rf"^{name} [?:]= (.+)$", text, re.MULTILINE)[1]
        for name in ("INSTALL", "GPU_LOCK")
    }
    rules = re.findall(r"^\$\(ENV\)/(?:run|gpu)\.installed:.*\n((?:\t.*\n)+)", text, re.MULTILINE)
    lines = "".join(rules)
    for name, value in values.items():
        lines = lines.replace(name, value)
    return [line.strip() for line in lines.splitlines()]


def normal(command: str) -> tuple[str, ...]:
    """Return the words of a command without folders and options that change no package."""
    # uv takes pip's options, and the environment besides.
    command = re.sub(r"--python \S+|\$\(UV\)|\b\w+=\S+ |^env -u \S+ ", "", command)
    words = command.replace("$(BIN)/", "").split()
    words = [re.sub(r"^/levelfield/?", "", word) or "." for word in words]
    return tuple(word for word in words if word not in QUIET)


@pytest.mark.parametrize("name", ["Dockerfile", "levelfield.def"])
def test_an_image_is_built_by_the_commands_of_make(name):
    commands = [part for line in run_lines(name) for part in line.split(" && ") if part]
    installs = [normal(part) for part in commands if part.split()[0] not in ONLY_THERE]
    assert len(installs) >= 3
    by_make = {normal(line) for line in make_lines()}
    assert [command for command in installs if command not in by_make] == []


def options_in_comments(name: str) -> list[list[str]]:
    """Return the options with which a comment says how an image is run."""
    text = (ENVS / name).read_text().replace("levelfield.sif", "levelfield")
    return [found.split() for found in re.findall(r"^#   .* levelfield (--.*) \.\.\.$", text, re.M)]


@pytest.mark.parametrize("name", ["Dockerfile", "levelfield.def"])
def test_an_image_run_as_its_comment_says_finds_its_profile(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where no folder is called as a profile
    text = (ENVS / name).read_text()
    if name == "Dockerfile":
        called = json.loads(re.search(r"^ENTRYPOINT (.+)$", text, re.MULTILINE)[1])
    else:
        called = re.search(r'^    exec (.+) "\$@"$', text, re.MULTILINE)[1].split()
    assert called == ["levelfield", "run"]
    (options,) = options_in_comments(name)
    command = snakemake_command(options)
    profile = command[command.index("--profile") + 1]
    assert profile == str(REPOSITORY / "profiles" / "local")


def test_a_user_of_the_apptainer_image_gets_a_copy_of_what_is_compiled_in_it(tmp_path):
    text = (ENVS / "levelfield.def").read_text()
    script = re.search(r"^%environment\n(.*?)^%", text, re.MULTILINE | re.DOTALL)[1]
    (tmp_path / "image/.numba/room").mkdir(parents=True)
    script = script.replace("/levelfield/.numba", str(tmp_path / "image" / ".numba"))
    environment = {"HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"]}
    for _ in range(2):
        command = ["sh", "-euc", script + 'printf %s "$NUMBA_CACHE_DIR"']
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert [path.name for path in Path(done.stdout).iterdir()] == ["room"]
    assert len(list(Path(done.stdout).parent.iterdir())) == 1


def test_the_apptainer_image_gets_what_a_wheel_is_built_from_and_nothing_else():
    text = (ENVS / "levelfield.def").read_text()
    files = re.search(r"^%files\n(.*?)^%", text, re.MULTILINE | re.DOTALL)[1]
    copied = dict(line.split() for line in files.strip().splitlines())
    assert copied == {name: f"/levelfield/{name}" for name in copied}
    assert all((REPOSITORY / name).exists() for name in copied)
    folders = re.search(r"^FOLDERS = (.+)$", (REPOSITORY / "setup.py").read_text(), re.MULTILINE)[1]
    packages = {"levelfield", "snakemake_logger_plugin_levelfield"}
    assert {name for name in copied if (REPOSITORY / name).is_dir()} == packages.union(
        ast.literal_eval(folders)
    )


@pytest.mark.parametrize("name", ["Dockerfile", "levelfield.def"])
def test_what_cannot_be_run_here_says_so(name):
    assert "Not run yet" in (ENVS / name).read_text()


@pytest.mark.parametrize("path", sorted((REPOSITORY / "envs").glob("*.yaml")), ids=lambda p: p.name)
def test_a_conda_environment_says_that_it_was_not_run(path):
    assert "Not run yet: no machine with conda was at hand" in path.read_text()
