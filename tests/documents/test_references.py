"""Whatever the project's texts point to is there: files, modules, links and anchors."""

import re
import subprocess
from pathlib import Path

import pytest
from conftest import REPOSITORY

from levelfield.segmentation.registry import GROUP

FOLDERS = r"docs|levelfield|benchmarks|config|workflow|scripts|envs|profiles|tests|demo"
PATH = re.compile(rf"(?<![\w/.}}<-])((?:\.\./)*(?:{FOLDERS})/[\w./-]*\w)(?![\w*<{{/-])")
"""A path below a folder of the project; not one with a wildcard or a placeholder."""
MODULE = re.compile(r"`(levelfield(?:\.\w+)+)(?<!\.yaml)(?<!\.lock)(?<!\.def)(?<!\.sif)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
TEXTS = {".py", ".md", ".yaml", ".yml", ".toml", ".smk", ".html", ".rst", ".def", ".cff", ""}
PAST = {"CHANGELOG.md"}
"""Names what was there once, too."""
DATA = ("benchmarks/results/", "tests/data/", "demo/BBBC013/")


def texts() -> list[Path]:
    """Return the files of the project that people write."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    names = [name for name in done.stdout.splitlines() if not name.startswith(DATA)]
    paths = [REPOSITORY / name for name in names if Path(name).suffix in TEXTS]
    own = Path(__file__).resolve()  # names what is missing on purpose
    return [path for path in paths if path.is_file() and not path.is_symlink() and path != own]


def is_there(name: str, text: Path) -> bool:
    """Tell whether a path exists below the project, or beside the file that names it."""
    # What readers are asked to write.
    if re.match(r"my_|(test_)?crowding\b|exposure\b", Path(name).name):
        return True
    below = re.sub(r"^(\.\./)+", "", name)
    return (REPOSITORY / below).exists() or (text.parent / name).exists()


def missing_paths(text: Path) -> list[str]:
    """Return the paths that a file names and that do not exist, with their lines."""
    return [
        f"{text.name}:{number}: {name}"
        for number, line in enumerate(text.read_text().splitlines(), 1)
        for name in PATH.findall(line)
        if text.name not in PAST and not is_there(name, text)
    ]


def module_is_there(name: str) -> bool:
    """Tell whether a dotted name is a module, or a name in one; without importing anything."""
    parts = name.split(".")
    for depth in range(len(parts), 0, -1):
        path = REPOSITORY.joinpath(*parts[:depth])
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                text, rest = file.read_text(), parts[depth:]
                return all(re.search(rf"\b{part}\b", text) for part in rest)
    return False


def anchors(text: Path) -> set[str]:
    """Return the anchors of a Markdown file, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text.read_text(), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading).strip().lower() for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


def broken_links(text: Path) -> list[str]:
    """Return the links of a Markdown file whose file or anchor does not exist."""
    broken = []
    for link in LINK.findall(text.read_text()):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = text.parent / name if name else text
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


def test_every_path_that_a_text_names_exists():
    assert len(texts()) > 300
    assert [fault for text in texts() for fault in missing_paths(text)] == []


def test_every_module_that_a_text_names_exists():
    named = {name for text in texts() for name in MODULE.findall(text.read_text())}
    named.discard(GROUP)  # of entry points
    assert len(named) > 50
    assert sorted(name for name in named if not module_is_there(name)) == []


@pytest.mark.parametrize(
    "text", [t for t in texts() if t.suffix == ".md"], ids=lambda path: path.name
)
def test_links_lead_somewhere(text):
    assert broken_links(text) == []


def test_what_is_missing_is_found(tmp_path):
    text = tmp_path / "page.md"
    text.write_text("See docs/qc.md, docs/gone.md, [here](other.md#top), config/my_screen.yaml")
    assert missing_paths(text) == ["page.md:1: docs/gone.md"]
    assert broken_links(text) == ["other.md#top"]
    assert not module_is_there("levelfield.qc.gone")
    assert module_is_there("levelfield.qc.plate.assess_plate")
