"""List 100,000 planes of an ImageXpress, an Operetta and a plate named by a pattern.

    python benchmarks/index.py [FOLDER]

The images are small files of a whole header. What is timed are names, metadata and headers, as a
plate is looked at (`levelfield inspect`) and listed (the rule `index_plate`).
"""

import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

N_PLANES = 100_000
WELLS = [f"{row}{column:02d}" for row in "ABCDEFGHIJKLMNOP" for column in range(1, 25)]
SITES = N_PLANES // (len(WELLS) * 5) + 1


def write(folder: Path, operetta: bool) -> None:
    """Write a plate of 384 wells, 5 channels and as many sites as it takes."""
    folder.mkdir(parents=True)
    first = folder.parent / "plane.tif"
    tifffile.imwrite(first, np.arange(64, dtype=np.uint16).reshape(8, 8))
    content = first.read_bytes()
    entries = []
    for number, well in enumerate(WELLS):
        row, column = divmod(number, 24)
        for site in range(1, SITES + 1):
            for channel in range(1, 6):
                name = f"r{row + 1:02d}c{column + 1:02d}f{site:02d}p01-ch{channel}sk1fk1fl1.tiff"
                if not operetta:
                    name = f"P_{well}_s{site}_w{channel}.TIF"
                (folder / name).write_bytes(content)
                entries.append((name, row + 1, column + 1, site, channel))
    if operetta:
        images = "".join(_IMAGE.format(*entry) for entry in entries)
        text = f'<EvaluationInputData xmlns="x/PEHH/HarmonyV5"><Images>{images}</Images>'
        (folder / "Index.idx.xml").write_text(text + "</EvaluationInputData>")
    else:
        (folder / "P.HTD").write_text('"WaveName1", "DAPI"\n')


_FILLER = "".join(f"<Fact{n}>some text of a fact</Fact{n}>" for n in range(18))
_IMAGE = (
    "<Image><id>x</id><State>Ok</State><URL>{0}</URL><Row>{1}</Row><Col>{2}</Col><FieldID>{3}"
    "</FieldID><PlaneID>1</PlaneID><TimepointID>0</TimepointID><ChannelID>{4}</ChannelID>"
    '<ChannelName>C{4}</ChannelName><ImageResolutionX Unit="m">2.98E-07</ImageResolutionX>'
    f"{_FILLER}</Image>"
)


def measure(what: str, folder: Path, images: dict) -> None:
    """List a plate in this process, and print the time and the most memory that it took."""
    from levelfield.io.formats import index_plate

    layout = pd.DataFrame({"Metadata_Well": WELLS, "Metadata_ControlType": "trt"})
    channels = {f"C{number}": {"match": number} for number in range(1, 6)}
    start = time.perf_counter()
    index = index_plate(folder, "P", layout, images, channels)
    seconds, cpu = time.perf_counter() - start, time.process_time()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    megabytes = int(status["VmHWM"].split()[0]) / 1024  # maxrss would be that of who started it
    faults = (index["fault"] != "").sum()
    print(f"{what},{len(index)},{faults},{seconds:.1f},{cpu:.1f},{megabytes:.0f}", flush=True)


PATTERN = r"_(?P<well>[A-P]\d\d)_s(?P<site>\d+)_w(?P<channel>\d)\.tif$"
CASES = {
    "imagexpress": ("names", {"format": "imagexpress"}),
    "operetta": ("operetta", {"format": "operetta"}),
    "pattern": ("names", {"format": "pattern", "pattern": PATTERN}),
}


def main() -> None:
    """Write the plates, and measure each in a process of its own."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "build/index_benchmark")
    for name in ("names", "operetta"):
        if not (folder / name).exists():
            write(folder / name, name == "operetta")
    if len(sys.argv) > 2:
        place, images = CASES[sys.argv[2]]
        measure(sys.argv[2], folder / place, images)
        return
    print("format,planes,faults,seconds,cpu_seconds,megabytes", flush=True)
    for name in CASES:
        subprocess.run([sys.executable, __file__, str(folder), name], check=True)
    for name in ("names", "operetta"):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [sys.executable, "-m", "levelfield.cli", "inspect", str(folder / name)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
        seconds = time.perf_counter() - start
        print(f"inspect {name},{N_PLANES},,{seconds:.1f},{cpu:.1f},", flush=True)


if __name__ == "__main__":
    main()
