"""Pack a folder of wheels for a machine with a GPU that reaches no package index.

Collects what Levelfield and its learned segmenters need, in the versions that are installed here
and built for the other machine's Python, less what is there. Run here, in the repository::

    python benchmarks/wheelhouse.py .wheels --python 3.12 --there packages_there.txt

where the file names the packages that the other machine has, separated by commas or white space (as
``pip list`` there says). Copy the repository with that folder to the other machine, and there::

    python -m pip install --no-index --no-deps --target /tmp/site .wheels/*.whl
    PYTHONPATH=/tmp/site:. python benchmarks/gpu.py --part 1 --out gpu1.csv
    PYTHONPATH=/tmp/site:. python benchmarks/gpu.py --part 2 --out gpu2.csv

``pip`` must be at hand here: ``--pip "python3 -m pip"`` names another one than this Python's.
"""

import argparse
import re
import shlex
import subprocess
import sys
from importlib.metadata import distribution, requires
from pathlib import Path

# What benchmarks/gpu.py imports, directly or by what it uses of Levelfield.
NEEDED = (
    *(
        "cellpose",
        "segment-anything",
        "torch",
        "torchvision",
        "numpy",
        "scipy",
        "pandas",
        "pyarrow",
    ),
    *("scikit-image", "numba", "zarr", "ome-zarr-models", "tifffile", "pillow", "jsonschema"),
    *("pydantic", "pyyaml", "tqdm", "joblib", "psutil", "safetensors", "onnxruntime", "matplotlib"),
    *("imagecodecs", "google-crc32c"),
)
GLIBC = ("2_28", "2_27", "2_24", "2_17", "2_12", "2_5")


def normalised(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def needs(name):
    """Return the names of what an installed package needs on Linux, without its extras."""
    from packaging.requirements import Requirement

    found = [Requirement(text) for text in requires(name) or []]
    return [
        normalised(requirement.name)
        for requirement in found
        if not requirement.marker or requirement.marker.evaluate({"extra": ""})
    ]


def missing(there):
    """Return the names of what is needed and not there, with what these need in turn."""
    waiting, found = [normalised(name) for name in NEEDED], {}
    while waiting:
        name = waiting.pop()
        if name not in found and name not in there:
            found[name] = distribution(name).version
            waiting += needs(name)
    return found


def download(pip, folder, python, versions):
    """Download wheels of exactly these versions."""
    platforms = [f"--platform=manylinux_{glibc}_x86_64" for glibc in GLIBC]
    command = [
        *(*shlex.split(pip), "download", "--quiet", "--no-deps", "--only-binary=:all:"),
        *("--python-version", python, "--implementation", "cp", *platforms),
        *("--platform=manylinux2014_x86_64", "--dest", str(folder)),
    ]
    subprocess.run([*command, *(f"{name}=={v}" for name, v in versions.items())], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", default="3.12", help="of the other machine")
    parser.add_argument("--there", type=Path, required=True, help="names of what it has")
    parser.add_argument("--pip", default=f"{shlex.quote(sys.executable)} -m pip")
    arguments = parser.parse_args()
    listed = re.split(r"[,\s]+", arguments.there.read_text().strip())
    versions = missing({normalised(name) for name in listed})
    arguments.folder.mkdir(parents=True, exist_ok=True)
    download(arguments.pip, arguments.folder, arguments.python, versions)
    size = sum(path.stat().st_size for path in arguments.folder.glob("*.whl"))
    told = ", ".join(f"{name} {v}" for name, v in sorted(versions.items()))
    print(f"{len(versions)} packages, {size / 2**20:.1f} MiB: {told}")


if __name__ == "__main__":
    main()
