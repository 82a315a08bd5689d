"""Rows of results, written as they are made."""

import csv
import time


class Rows:
    """Rows of results, printed and written as they are made."""

    COLUMNS = (
        *("what", "sites", "sites_per_s", "ratio", "s_per_site", "tflops", "gpu_busy"),
        *("ap90_eval_float32", "ap90_labels", "gpu_gb", "gpu_reserved_gb", "process_gb", "note"),
    )

    def __init__(self, path, header):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", newline="")
        self._file.write(f"# {header}\n")
        self._writer = csv.DictWriter(self._file, self.COLUMNS, lineterminator="\n")
        self._writer.writeheader()
        self._start = time.perf_counter()
        print(header, flush=True)

    @property
    def seconds(self):
        return time.perf_counter() - self._start

    def add(self, what, **found):
        if bad := [name for name, v in found.items() if isinstance(v, float) and v != v]:
            raise ValueError(f"{what}: {', '.join(bad)} came out as no number")
        row = {name: f"{v:.4f}" if isinstance(v, float) else v for name, v in found.items()}
        self._writer.writerow({"what": what} | row)
        self._file.flush()
        told = ", ".join(f"{name} {value}" for name, value in row.items())
        print(f"[{self.seconds:5.0f} s] {what}: {told}", flush=True)
