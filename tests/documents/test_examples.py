"""Examples of the documents: Python runs, YAML is read, commands are ones that there are."""

import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import REPOSITORY

from levelfield.cli import main

PAGES = [
    path
    for folder in (".", "docs", "config", "demo")
    for path in sorted((REPOSITORY / folder).glob("*.md"))
]
METHODS_FOLDER = "levelfield/segmentation/methods"
ELSEWHERE = {"CONTRIBUTING.md"}
"""Whose Python belongs into a test of its own (test_recipes.py)."""


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced examples of a language."""
    found = re.findall(rf"^( *)```{language}\n(.*?)```", page.read_text(), re.M | re.S)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def examples(language: str) -> list:
    return [
        pytest.param(text, id=f"{page.name}-{number}")
        for page in PAGES
        for number, text in enumerate(blocks(page, language))
        if not (language == "python" and page.name in ELSEWHERE)
    ]


def commands() -> list:
    """Return every command of the shell examples, without comments and loops."""
    found = []
    for text in (param.values[0] for param in examples("bash")):
        for line in text.replace("\\\n", " ").splitlines():
            words = shlex.split(re.sub(r"\s#.*", "", line).strip(), comments=True)
            words = [word for word in words if word != "\\"]
            if words and words[0].rpartition("/")[2] in ("make", "levelfield", "snakemake"):
                found.append([words[0].rpartition("/")[2], *words[1:]])
    return found


def subcommands(capsys) -> str:
    with pytest.raises(SystemExit):
        main(["--help"])
    return capsys.readouterr().out


def readers_data() -> dict:
    """What the examples take for granted: two label images, three annotators, a field's facts."""
    labels = np.zeros((40, 40), np.int32)
    labels[5:15, 5:15], labels[20:32, 20:32] = 1, 2
    facts = {"Metadata_Plate": "P", "Metadata_Well": "A01", "Metadata_Site": 1}
    facts["Metadata_ControlType"] = "negcon"
    images = dict.fromkeys(("prediction", "reference"), labels)
    people = dict.fromkeys("abc", labels)
    return {**images, **people, "metadata": facts}


@pytest.mark.parametrize("text", examples("python"))
def test_python_runs(text):
    exec(text, readers_data())  # examples of our own documents


@pytest.mark.parametrize("text", examples("yaml"))
def test_yaml_is_read(text):
    assert yaml.safe_load(text)


def test_commands_are_ones_that_there_are(capsys):
    levelfield, targets = subcommands(capsys), (REPOSITORY / "Makefile").read_text()
    assert len(commands()) >= 15
    for words in commands():
        if words[0] == "levelfield":
            assert re.search(rf"^    {words[1]}\b", levelfield, re.MULTILINE), words
        elif words[0] == "make":
            assert re.search(rf"^{words[1]}:", targets, re.MULTILINE), words


def test_files_of_commands_are_there():
    for words in commands():
        for option, value in pairwise(words):
            if option in ("--profile", "--configfile") and not value.startswith("my"):
                assert (REPOSITORY / value).exists(), words


def test_the_example_of_a_segmenter_may_be_put_into_the_package():
    (example,) = blocks(REPOSITORY / "docs" / "add_a_segmenter.md", "python")
    file = ["--stdin-filename", f"{METHODS_FOLDER}/bright_pixels.py", "-"]
    for command in (["check"], ["format", "--diff"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *file],
            cwd=REPOSITORY,
            input=example,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
