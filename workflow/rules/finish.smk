# What a person reads at the end of a run: what failed, where and why.
import sys

from levelfield.runs.jobs import Screen


def finish(log, succeeded):
    """Write every plate's failures.csv, and print a summary."""
    screen = Screen(config, PLATES, Path(RESULTS))
    # Snakemake gives the files of all its loggers; its own comes first.
    path = Path(log[0] if isinstance(log, list) else log)
    text = call_in_subprocess("levelfield.runs.finish", "finish_run", screen, path, succeeded)
    print(text, file=sys.stderr)


onsuccess:
    finish(log, True)


onerror:
    finish(log, False)
