"""Faults of one machine: what the person sees, what is computed again, and the same result."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import failure_runs as faults
import pytest

pytestmark = pytest.mark.machine_faults


def struck_and_started_again(run, kind, step, says, threads=1):
    """A machine fault ends a job; the person starts the workflow again."""
    run.profile = run.profile | {"cores": threads, "set-threads": {step: threads}}
    run.strike(kind, step)
    told = faults.told_in(run.finish(good=False), says)
    run.finish()
    return told


def memory(run):
    return struck_and_started_again(
        run, "killed", "qc_evidence", r"levelfield: a process of the job was killed[^.]*\..*?\.", 2
    )


def segfault(run):
    return struck_and_started_again(
        run, "segfault", "measure", r"levelfield: a process of the job was killed[^.]*\..*?\.", 2
    )


def hung_reader(run):
    return struck_and_started_again(
        run, "hang", "segment", r"levelfield: \S+hanging.tif could not be read within 3 s[^.]*\."
    ).replace(str(run.notes), "…")


def gpu_memory(run):
    return struck_and_started_again(
        run, "gpu_memory", "segment", r"levelfield: the memory of the GPU ran out[^)]*\)"
    )


def interrupted(run):
    """Ctrl-C: the terminal sends SIGINT to all of its processes."""
    run.strike("wait", "qc_evidence")
    head = run.start()
    run.wait_until_struck(head)
    os.killpg(head.pid, signal.SIGINT)
    told = faults.told_in(
        run.end(head, good=False), r"levelfield: the job was told to stop: SIG[^.]*\."
    )
    run.finish()
    return told


def head_killed(run):
    """The dead head's job lives on, until it sees that the next head's job did the work."""
    run.strike("wait", "segment")
    head = run.start()
    run.wait_until_struck(head)
    head.kill()
    head.wait()
    told = faults.told_in(run.finish(good=False), r"Directory cannot be locked")
    run.finish("--unlock")
    run.finish()
    run.go_on()
    run.wait_for_jobs()
    return f"{told}; then, with --unlock, a new job does what is left, and the old one ends"


def two_heads(run):
    run.strike("wait", "qc_evidence")
    head = run.start()
    run.wait_until_struck(head)
    told = faults.told_in(run.finish(good=False), r"Directory cannot be locked")
    run.go_on()
    assert head.wait(faults.LONGEST_RUN) == 0, run.printed(1)[-6000:]
    return told


def disk_full(run):
    room = 0.6 * faults.megabytes_of(run.results / "P.zarr")
    run.undo("segment")
    with faults.small_disk(run.folder / "results", room) as grow:
        told = faults.told_in(
            run.finish(good=False), r"levelfield: no space is left on the disk[^.]*"
        )
        grow()
        run.finish()
        return told.partition(" for ")[0]


def store_read_only(run):
    run.undo("segment")
    with faults.read_only(run.results / "P.zarr"):
        says = r"levelfield: \S+ cannot be written or read[^.]*\."
        told = faults.told_in(run.finish(good=False), says)
    run.finish()
    return faults.without_draft(told)


def flipped_byte(run):
    told = faults.flip_and_verify(run.results)
    assert "1 fields made, 6 kept" in run.finish()
    return told


# The machine fault, what brings it about, and at how many fields its job's processes were.
FAULTS = {
    "memory kill": (memory, 2),
    "segmentation fault of a worker": (segfault, 2),
    "hung reader": (hung_reader, 1),
    "GPU out of memory": (gpu_memory, 1),
    "Ctrl-C": (interrupted, 1),
    "kill -9 of the head process": (head_killed, 1),
    "two heads": (two_heads, 0),
    "disk full": (disk_full, 1),
    "read-only store": (store_read_only, 1),
    "flipped byte": (flipped_byte, 1),
}
NEED_MOUNTS = ("disk full", "read-only store")


@pytest.fixture(scope="module")
def outcomes(request, tmp_path_factory, undisturbed):
    """What came of every machine fault; they run two at a time."""
    folder = tmp_path_factory.mktemp("failures")

    def strike(name):
        bring_about, fields = FAULTS[name]
        run = undisturbed.run(folder / name.replace(" ", "_"), dict(faults.LOCAL))
        told = bring_about(run)
        return run.outcome(name, "local", told, undisturbed.digests, fields)

    with ThreadPoolExecutor(2) as pool:
        names = [
            name for name in faults.chosen(request) if faults.can_mount() or name not in NEED_MOUNTS
        ]
        try:
            yield {name: pool.submit(strike, name) for name in names}
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            faults.end_heads()


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_lost_and_the_result_is_that_of_a_quiet_run(outcomes, name):
    if name not in outcomes:
        assert not os.environ.get("CI"), "CI must be able to mount"
        pytest.skip("only root can make a small disk or a read-only folder")
    outcome = outcomes[name].result()
    assert outcome.equal
    faults.write_rows([outcome])


def test_no_process_is_left_behind(outcomes):
    for outcome in outcomes.values():
        outcome.exception()
    assert not [
        line for line in faults.command_lines() if "/failures0/" in line and "snakemake" in line
    ]
