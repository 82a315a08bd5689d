"""The version is the same wherever it stands, and a tag that names this commit says it, too."""

import re
import subprocess
import tomllib

import yaml
from conftest import REPOSITORY

import levelfield

CHANGELOG = (REPOSITORY / "CHANGELOG.md").read_text()
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_version_is_one_of_three_numbers_and_comes_from_the_package():
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", levelfield.__version__)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    # A file of the package, not git: an archive without history builds the same wheel.
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "levelfield.__version__"}


def test_the_citation_names_this_version_and_who_made_it():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert citation["version"] == levelfield.__version__
    assert citation["license"] == "BSD-3-Clause"
    for key in ("cff-version", "message", "title", "authors"):
        assert citation[key]


def test_a_tag_of_this_commit_is_its_version():
    command = ["git", "tag", "--points-at", "HEAD", "--list", "v[0-9]*"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {f"v{levelfield.__version__}"}


def test_the_changelog_has_what_comes_next_and_then_this_version():
    versions = re.findall(r"^## (.+)$", CHANGELOG, re.MULTILINE)
    assert versions[0] == "Next"
    assert versions[1].split()[0] == levelfield.__version__


def test_the_changelog_sorts_by_the_usual_kinds():
    assert set(re.findall(r"^### (.+)$", CHANGELOG, re.MULTILINE)) <= KINDS
