"""The files for hosted CI call what `.ci/run` and the package have; they cannot be run here."""

import os
import subprocess
import tomllib

import pytest
import yaml
from conftest import REPOSITORY

import levelfield

FOLDER = REPOSITORY / ".github"
FILES = sorted(FOLDER.rglob("*.yml"))


def load(name: str) -> dict:
    text = (FOLDER / "workflows" / name).read_text()
    return yaml.load(text, Loader=yaml.BaseLoader)  # "on" stays a word


def commands(job: dict) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_they_are_yaml(path):
    assert isinstance(yaml.safe_load(path.read_text()), dict)


def test_the_checks_are_those_of_ci_run_on_the_oldest_and_the_newest_python():
    workflow = load("checks.yml")
    (job,) = workflow["jobs"].values()
    assert commands(job) == ['PYTHON="$(command -v python)" .ci/run']
    assert os.access(REPOSITORY / ".ci" / "run", os.X_OK)
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.13"]
    assert {"push", "pull_request"} <= set(workflow["on"])


def test_workflows_may_read_and_only_a_release_may_write():
    assert load("checks.yml")["permissions"] == {"contents": "read"}
    assert load("release.yml")["on"] == {"push": {"tags": ["v[0-9]*"]}}


@pytest.mark.parametrize(
    ("tag", "agrees"), [(f"v{levelfield.__version__}", True), ("v99.0.0", False)]
)
def test_a_release_asks_whether_tag_and_version_agree(tmp_path, tag, agrees):
    (job,) = load("release.yml")["jobs"].values()
    (compare,) = [text for text in commands(job) if "__version__" in text]
    environment = {**os.environ, "GITHUB_REF_NAME": tag, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        ["bash", "-e", "-c", compare], capture_output=True, text=True, env=environment, check=False
    )
    assert (done.returncode == 0) == agrees, done.stderr
    assert agrees or "correct one of them" in done.stdout


def test_the_notes_of_a_release_are_the_changelog_of_its_version(tmp_path):
    (job,) = load("release.yml")["jobs"].values()
    (notes,) = [text for text in commands(job) if "notes.md" in text and "awk" in text]
    (tmp_path / "CHANGELOG.md").write_text(
        "## Next\n\n- b\n\n## 1.2.0 (today)\n\n- a\n\n## 1.1.0\n"
    )
    environment = {**os.environ, "GITHUB_REF_NAME": "v1.2.0"}
    subprocess.run(["bash", "-e", "-c", notes], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "notes.md").read_text().strip() == "- a"


def test_hooks_before_a_commit_are_the_commands_of_make_lint():
    (local,) = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())["repos"]
    assert local["repo"] == "local"  # nothing is fetched
    makefile = (REPOSITORY / "Makefile").read_text()
    for hook in local["hooks"]:
        tool = hook["entry"].split()[0].removeprefix(".venv/bin/")
        assert f"$(BIN)/{tool}" in makefile
        assert hook["language"] == "system"


def test_the_tools_of_make_lint_are_installed_for_developers():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = " ".join(project["optional-dependencies"]["dev"])
    for tool in ("ruff", "mypy", "codespell", "snakefmt", "pre-commit"):
        assert tool in wanted
