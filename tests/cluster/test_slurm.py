"""The workflow under a real Slurm: the right jobs on GPUs, and nothing lost in any machine fault.

`make test-slurm` runs these tests; plain pytest leaves them out, because they install packages.
"""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
import slurm_cluster
import yaml
from failure_runs import (
    DONE,
    LONGEST_RUN,
    Run,
    chosen,
    end_heads,
    flip_and_verify,
    megabytes_of,
    read_only,
    small_disk,
    told_in,
    without_draft,
    write_rows,
)
from real_images import REPOSITORY
from slurm_cluster import Cluster, Refused, Unavailable, refuse_foreign
from workflow_runs import digests

from levelfield.execution.logs import read_job_log

pytestmark = pytest.mark.slurm

PROFILE = REPOSITORY / "profiles" / "slurm" / "profile.yaml"
STATUS = r"SLURM-job '\d+' failed, SLURM status is: '{}'"
DEMO = pytest.mark.parametrize("name", ["demo"])
# Of the job's own last words the end may be cut off; these are Slurm's, and always there.
STOPPED = r"\*\*\* JOB \d+ ON n1 CANCELLED"


@pytest.fixture(scope="module")
def cluster():
    """The cluster; where it cannot be had the tests are skipped, but not in CI."""
    try:
        refuse_foreign()
        slurm_cluster.install()
    except Unavailable as reason:
        if os.environ.get("CI"):
            pytest.fail(f"CI must run these tests, and cannot: {reason}")
        pytest.skip(str(reason))
    running = Cluster()
    try:
        running.start()
        yield running
    finally:
        running.stop()


def facility_profile() -> dict:
    """profiles/slurm as a facility engineer changes it: in the marked lines, and no others."""
    lines = PROFILE.read_text().splitlines()
    marked = [number for number, line in enumerate(lines) if "# <--" in line]
    assert len(marked) == 5
    for number in marked:
        lines[number] = lines[number].replace("jobs: 100", "jobs: 4").replace("default", "screens")
    return yaml.safe_load("\n".join(lines))


def small_profile() -> dict:
    """The facility's profile, made for a cluster of two cores and a plate of seven fields."""
    profile = facility_profile()
    small = {
        "slurm-status-command": "squeue",  # Slurm keeps no accounts here
        "slurm-keep-successful-logs": True,
        "latency-wait": 20,
        "set-threads": dict.fromkeys(profile["set-threads"], 1),
    }
    return profile | small


def of_run(cluster, run) -> list[dict]:
    """What `squeue` says of all jobs of a run: number, rule, state, partition, GPUs, node."""
    name = re.search(r"SLURM run ID: (\S+)", run.printed())
    if not name:
        return []
    form = "%i|%k|%T|%P|%b|%N"
    listed = cluster.ask("squeue", "-h", "--states=all", "--name", name[1], "-o", form)
    keys = ("number", "rule", "state", "partition", "gpus", "node")
    return [dict(zip(keys, line.split("|"), strict=True)) for line in listed.splitlines()]


def running_job(cluster, run) -> str:
    """The number of the job that waits at the field where the machine fault struck."""
    step = run.fault["step"]
    jobs = [
        job["number"]
        for job in of_run(cluster, run)
        if job["state"] == "RUNNING" and job["rule"].startswith(f"rule_{step}_")
    ]
    assert len(jobs) == 1
    return jobs[0]


def wait_in(cluster, run, step):
    """Start a run whose job waits at a field; return the run's head, and the job's number."""
    run.strike("wait", step)
    head = run.start()
    run.wait_until_struck(head)
    return head, running_job(cluster, run)


def job_log(run) -> str:
    """What the jobs of a run printed, which Slurm keeps in a file each."""
    logs = sorted((run.folder / ".snakemake" / "slurm_logs").rglob("*.log"))
    return "\n".join(log.read_text() for log in logs)


def struck_once(run, says: str, status: str = "FAILED") -> str:
    """A machine fault ends a job, and the same run sends it again."""
    told_by_head = told_in(run.finish(), STATUS.format(status))
    told_by_job = told_in(job_log(run), says) if says else ""
    return f"{told_by_head}. {told_by_job}"


def memory(cluster, run):
    """The job needs more memory than its first attempt has, and less than its second."""
    run.profile["set-resources"]["measure"] = {"mem_mb": "1200 * attempt"}
    run.strike("memory", "measure", megabytes=1000)
    return struck_once(run, r"slurmstepd\S*: error: Exceeded job memory limit")


def time_limit(cluster, run):
    """The limit is shortened while the job runs, so that the test need not wait for an hour."""
    head, first = wait_in(cluster, run, "measure")
    given = cluster.job(first)["TimeLimit"]
    cluster.ask("scontrol", "update", f"JobId={first}", "TimeLimit=1")
    told = told_in(run.end(head), STATUS.format("TIMEOUT"))
    again = [job["number"] for job in of_run(cluster, run) if job["rule"].startswith("rule_meas")]
    limits = {given} | {cluster.job(number)["TimeLimit"] for number in again if number != first}
    assert limits == {"01:00:00", "02:00:00"}
    by_job = told_in(job_log(run), STOPPED + r" AT \S+ DUE TO TIME LIMIT")
    return f"{told}. {re.sub(r' AT [0-9T:-]+', '', by_job)}"


def cancelled(cluster, run):
    head, number = wait_in(cluster, run, "qc_evidence")
    cluster.ask("scancel", number)
    told = told_in(run.end(head), STATUS.format("CANCELLED"))
    return f"{told}. {told_in(job_log(run), STOPPED)}"


def requeued(cluster, run):
    head, number = wait_in(cluster, run, "measure")
    cluster.ask("scontrol", "requeue", number)
    assert not re.search(STATUS.format(".*"), run.end(head))
    assert cluster.job(number)["Restarts"] == "1"
    return f"nothing but a later end: {told_in(cluster.job(number)['Restarts'], '1')} restart"


def node_failure(cluster, run):
    head, number = wait_in(cluster, run, "segment")
    cluster.kill_node("g1")
    cluster.wait_for_end(number)
    cluster.start_node("g1")
    run.end(head)
    states = {job["node"]: job["state"] for job in of_run(cluster, run)}
    assert states["g1"] == "COMPLETED"
    return "nothing but a later end: Slurm requeues the job when the node does not answer"


def head_killed(cluster, run):
    """The dead head's job goes on, until it sees that the next head's job did the work."""
    head, orphan = wait_in(cluster, run, "measure")
    head.kill()
    head.wait()
    told = told_in(run.finish(good=False), r"Directory cannot be locked")
    run.finish("--unlock")
    run.finish()
    assert cluster.job(orphan)["JobState"] == "RUNNING"
    run.go_on()
    cluster.wait_for_end(orphan)
    assert cluster.job(orphan)["JobState"] == "COMPLETED"
    told_in(job_log(run), "the same job was started again, and has done all of the work")
    return f"{told}; then, with --unlock, a new job does what is left, and the old one ends"


def two_heads(cluster, run):
    run.strike("wait", "qc_evidence")
    head = run.start()
    run.wait_until_struck(head)
    told = told_in(run.finish(good=False), r"Directory cannot be locked")
    run.go_on()
    assert head.wait(LONGEST_RUN) == 0, run.printed(1)[-6000:]
    return told


def segfault(cluster, run):
    run.profile["set-threads"]["measure"] = 2
    run.strike("segfault", "measure")
    return struck_once(run, r"levelfield: a process of the job was killed[^.]*\.")


def hung_reader(cluster, run):
    run.strike("hang", "segment")
    told = struck_once(run, r"levelfield: \S+hanging.tif could not be read within 3 s[^.]*\.")
    return told.replace(str(run.notes), "…")


def gpu_memory(cluster, run):
    run.strike("gpu_memory", "segment")
    return struck_once(run, r"levelfield: the memory of the GPU ran out[^)]*\)")


def disk_full(cluster, run):
    run.profile["retries"] = 0
    room = 0.6 * megabytes_of(run.results / "P.zarr")
    run.undo("segment")
    with small_disk(run.folder / "results", room) as grow:
        by_head = told_in(run.finish(good=False), STATUS.format("FAILED"))
        by_job = told_in(job_log(run), r"levelfield: no space is left on the disk[^.]*")
        grow()
        run.finish()
        return f"{by_head}. {by_job.partition(' for ')[0]}"


def store_read_only(cluster, run):
    run.profile["retries"] = 0
    run.undo("segment")
    with read_only(run.results / "P.zarr"):
        by_head = told_in(run.finish(good=False), STATUS.format("FAILED"))
        by_job = told_in(job_log(run), r"levelfield: \S+ cannot be written or read[^.]*\.")
    run.finish()
    return f"{by_head}. {without_draft(by_job)}"


def flipped_byte(cluster, run):
    told = flip_and_verify(run.results)
    run.finish()
    return told


# The machine fault, what brings it about, the step that Slurm runs for it (what follows is run
# without), and at how many fields its job's processes were.
ON_GPU_NODE = {
    "hung reader": (hung_reader, "segment", 1),
    "GPU out of memory": (gpu_memory, "segment", 1),
    "disk full": (disk_full, "segment", 1),
    "read-only store": (store_read_only, "segment", 1),
    "flipped byte": (flipped_byte, "segment", 1),
}
ON_CPU_NODE = {
    "time limit": (time_limit, "measure", 1),
    "memory kill": (memory, "measure", 1),
    "kill -9 of the head process": (head_killed, "measure", 1),
    "segmentation fault of a worker": (segfault, "measure", 2),
    "requeue": (requeued, "measure", 1),
    "scancel": (cancelled, "qc_evidence", 1),
    "two heads": (two_heads, "qc_evidence", 0),
}
LOST_NODE = {"node failure": (node_failure, "segment", 1)}
FAULTS = ON_GPU_NODE | ON_CPU_NODE | LOST_NODE


@pytest.fixture(scope="module")
def runs(request, cluster, undisturbed, tmp_path_factory):
    """The demo and the machine faults, several at a time; the GPU node is lost when none needs it.

    Those of the GPU node come first, so that the loss runs beside the others.
    """
    folder = tmp_path_factory.mktemp("slurm")
    names = chosen(request)

    def strike(name):
        bring_about, step, fields = FAULTS[name]
        run = undisturbed.run(folder / name.replace(" ", "_"), small_profile())
        run.targets = (DONE[step],)
        told = re.sub(r"(?<=')\d+(?=')|(?<=JOB )\d+", "N", bring_about(cluster, run))
        run.end_on_this_machine()
        return run.outcome(name, "Slurm", told, undisturbed.digests, fields)

    def strike_after(name, before):
        wait(before)
        return strike(name)

    with ThreadPoolExecutor(4) as pool, ThreadPoolExecutor(1) as last:
        wanted = {}
        if "demo" in names:
            wanted["demo"] = pool.submit(run_demo, cluster, folder / "demo")
        wanted |= {name: pool.submit(strike, name) for name in ON_GPU_NODE if name in names}
        before = list(wanted.values())
        wanted |= {name: pool.submit(strike, name) for name in ON_CPU_NODE if name in names}
        if "node failure" in names:
            wanted["node failure"] = last.submit(strike_after, "node failure", before)
        try:
            yield wanted
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            last.shutdown(wait=False, cancel_futures=True)
            end_heads()


def run_demo(cluster, folder):
    """Run the demo as `make demo` does, but through profiles/slurm."""
    folder.mkdir()
    for name in ("config", "demo"):
        (folder / name).symlink_to(REPOSITORY / name)
    run = Run(folder, small_profile(), {"kind": "none"}, targets=())
    run.finish()
    return run, of_run(cluster, run)


@DEMO
def test_only_jobs_of_segmentation_have_a_gpu_and_run_on_the_gpu_partition(cluster, runs, name):
    _, jobs = runs[name].result()
    assert len(jobs) >= 14
    for job in jobs:
        on_gpu = job["rule"].startswith("rule_segment_")
        details = cluster.job(job["number"])
        assert job["state"] == details["JobState"] == "COMPLETED"
        assert (job["partition"], job["node"]) == (("gpu", "g1") if on_gpu else ("cpu", "n1")), job
        assert ("gres:gpu:1" in details.get("TresPerJob", "")) == on_gpu, details
        assert details["Account"] in ("screens", "(null)")
    assert {job["rule"].split("_wildcards")[0] for job in jobs} >= {"rule_segment", "rule_measure"}


@DEMO
def test_inside_the_jobs_segmentation_sees_one_gpu_and_the_others_none(runs, name):
    run, listed = runs[name].result()
    jobs = [job for job in run.noted("jobs") if job["job"]]
    assert {job["job"] for job in jobs} == {job["number"] for job in listed}
    for job in jobs:
        if job["rule"] == "segment":
            assert (job["node"], job["gpus"]) in (("g1", "0"), ("g1", "1")), job
        else:
            assert (job["node"], job["gpus"]) == ("n1", ""), job


@DEMO
def test_the_logs_count_the_gpus_that_a_job_held(runs, name):
    run, _ = runs[name].result()
    logs = run.folder / "results" / "BBBC013-demo" / "logs"
    held = {path.stem: read_job_log(path).gpus for path in logs.glob("*.log")}
    assert held.pop("segment_pack1") == held.pop("segment_pack2") == 1
    assert len(held) >= 9
    assert not any(held.values())


@DEMO
def test_it_ends_with_a_verdict(runs, name):
    run, _ = runs[name].result()
    plate = run.folder / "results" / "BBBC013-demo"
    assert (plate / "report.html").is_file()
    assert (plate / "qc" / "verdict.csv").is_file()
    assert len(digests(plate)) > 32


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_lost_and_the_result_is_that_of_a_quiet_run(runs, name):
    outcome = runs[name].result()
    assert outcome.equal
    write_rows([outcome])


def test_a_host_with_a_slurm_of_its_own_is_left_alone(tmp_path):
    foreign = tmp_path / "slurm.conf"
    foreign.write_text("ClusterName=production\n")
    with pytest.raises(Refused, match="this host has a Slurm configuration"):
        refuse_foreign([foreign], {})
    with pytest.raises(Refused, match="SLURM_CONF names"):
        refuse_foreign([], {"SLURM_CONF": str(foreign)})
    assert foreign.read_text() == "ClusterName=production\n"


def test_what_a_killed_run_of_these_tests_left_is_cleared_away(tmp_path):
    left = tmp_path / f"{slurm_cluster.FOLDER}x"
    left.mkdir()
    (left / "slurm.conf").touch()
    link = tmp_path / "slurm.conf"
    link.symlink_to(left / "slurm.conf")
    (left / "owner.pid").write_text(str(os.getpid()))
    with pytest.raises(Refused, match="runs already"):
        refuse_foreign([link], {})
    ended = subprocess.Popen(["true"])
    ended.wait()
    (left / "owner.pid").write_text(str(ended.pid))
    refuse_foreign([link], {})
    assert not link.is_symlink()
    assert not left.exists()
