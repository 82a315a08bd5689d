"""Environments come from the locks, stages need no more than theirs, no audit is green unasked."""

import importlib.util
import json
import re
import subprocess
import sys

import pytest
from conftest import REPOSITORY

ENVS = REPOSITORY / "envs"


def script(name: str):
    spec = importlib.util.spec_from_file_location(f"envs_{name}", ENVS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_conda_environments_of_the_stages_are_those_of_the_lock():
    for name, text in script("lock").stage_texts().items():
        assert (ENVS / f"{name}.yaml").read_text() == text, f"run `make lock` to write {name}.yaml"


@pytest.mark.parametrize("name", ["cellpose3", "instanseg", "stardist"])
def test_the_conda_environments_of_the_segmenters_are_those_of_their_locks(name):
    text = script("lock").other_text(name)
    assert (ENVS / f"{name}.yaml").read_text() == text, f"run `python envs/lock.py {name}`"


def test_every_environment_that_a_rule_names_is_there():
    named = {
        (path.parent / name).resolve()
        for path in (REPOSITORY / "workflow" / "rules").glob("*.smk")
        for name in re.findall(r'conda:\s+"([^"]+)"', path.read_text())
    }
    assert len(named) >= 2
    assert all(path.is_file() for path in named)


def test_the_cpu_environment_has_torch_and_no_cuda():
    text = (ENVS / "levelfield-cpu.yaml").read_text()
    lock = (ENVS / "levelfield-gpu.lock").read_text()
    version = re.search(r"^torch==([\d.]+)", lock, re.MULTILINE)
    assert f"pytorch-cpu ={version[1]}" in text
    assert "nvidia" not in text
    assert "      - torch" not in text


def test_the_base_lock_has_no_torch_and_the_others_pin_what_it_pins():
    locks = script("lock")
    base = set(locks.pins_of("levelfield"))
    assert not [pin for pin in base if re.match(r"torch|nvidia|cuda|cellpose|segment", pin)]
    for name in ("levelfield-gpu", "levelfield-dev"):
        # Where a package is needed may differ, its version may not.
        pinned = {pin.partition(" ;")[0] for pin in locks.pins_of(name)}
        assert {pin.partition(" ;")[0] for pin in base} <= pinned, name


WITHOUT = """
import importlib, sys
from levelfield.config.extras import EXTRAS
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in EXTRAS:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Blocked())
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def test_stages_without_networks_need_none_of_the_extras():
    rules = [
        path
        for path in (REPOSITORY / "workflow" / "rules").glob("*.smk")
        if "levelfield-core.yaml" in path.read_text()
    ]
    scripts = {
        name
        for path in rules
        for name in re.findall(r'"\.\./\.\./scripts/(\w+\.py)"', path.read_text())
    }
    assert len(scripts) >= 8
    modules = {
        module
        for name in scripts
        for module in re.findall(
            r"^from (levelfield[\w.]*) import", (REPOSITORY / "scripts" / name).read_text(), re.M
        )
    }
    command = [sys.executable, "-c", WITHOUT, *sorted(modules)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("recipe", ["Dockerfile", "levelfield.def"])
def test_recipes_install_the_lock_with_its_hashes_and_say_that_they_were_not_run(recipe):
    text = (ENVS / recipe).read_text()
    assert "--require-hashes -r /levelfield/envs/levelfield-gpu.lock" in text
    assert "Not run yet" in text


def answer(tmp_path, packages: list[dict] | None) -> tuple[str, ...]:
    """A command that answers as pip-audit does, or fails as without a network."""
    path = tmp_path / "answer.py"
    text = json.dumps({"dependencies": packages}) if packages is not None else ""
    path.write_text(f"print({text!r})" if text else "raise SystemExit('connection refused')")
    return (sys.executable, str(path))


SOUND = {"name": "numpy", "version": "2.2", "vulns": []}
BAD = {"name": "pip", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}
SKIPPED = {"name": "zarr", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("packages", "status", "says"),
    [
        ([SOUND], 0, "1 of 1 packages looked up, 0 known"),
        ([SOUND, BAD], 1, "pip 1: CVE-1, fixed in 2"),
        ([SOUND, SKIPPED], 2, "1 *not checked*"),
        ([SKIPPED], 2, "1 *not checked*"),
        ([], 2, ""),
        (None, 2, "*not checked* (connection refused)"),
    ],
)
def test_an_audit_that_looked_nothing_up_is_never_green(tmp_path, capsys, packages, status, says):
    audit = script("audit")
    assert audit.audit(ENVS / "levelfield.lock", answer(tmp_path, packages)) == status
    assert says in capsys.readouterr().out


def test_one_audit_that_was_not_made_is_not_hidden_by_another():
    worst = script("audit").worst
    assert worst([0, 2]) == 2
    assert worst([0, 2, 1]) == 1
    assert worst([]) == 2
