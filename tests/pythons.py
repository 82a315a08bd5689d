"""Which interpreters are at hand."""

import os
import shutil
import subprocess
from pathlib import Path

SUPPORTED = ("3.13", "3.12", "3.11")


def newest_python() -> str:
    """Return the newest supported interpreter: on the path, or one that pyenv keeps."""
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in SUPPORTED:
        name = f"python{version}"
        places = [shutil.which(name), *sorted(kept.glob(f"{version}.*/bin/{name}"), reverse=True)]
        for place in filter(None, places):
            command = [str(place), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
            told = subprocess.run(command, capture_output=True, text=True, check=False)
            if told.stdout.strip() == version:
                return str(place)
    raise RuntimeError(f"no Python of {', '.join(SUPPORTED)} is at hand")
