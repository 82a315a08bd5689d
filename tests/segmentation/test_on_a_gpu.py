"""What only a GPU can show; skipped where there is none.

The same is brought about on a CPU by the tests that docs/gpu.md names.
"""

import logging
import subprocess
import sys

import numpy as np
import pytest
from real_images import REPOSITORY

torch = pytest.importorskip("torch")
if not torch.cuda.is_available():
    pytest.skip("no GPU that torch can use", allow_module_level=True)

from levelfield.evaluation import evaluate_image  # noqa: E402
from levelfield.execution.gpu_use import device_use  # noqa: E402
from levelfield.segmentation.decoders.flow import follow_to_the_end  # noqa: E402
from levelfield.segmentation.networks.cellpose.streams import stream_of  # noqa: E402
from levelfield.segmentation.networks.memory import Portion  # noqa: E402
from levelfield.segmentation.networks.stardist import load_stardist  # noqa: E402
from levelfield.segmentation.networks.unet_flows import follow  # noqa: E402
from levelfield.segmentation.registry import load_model, segment_images  # noqa: E402
from levelfield.steps.self_test import check_device, stored_tile  # noqa: E402

GPU = torch.device("cuda:0")
WEIGHTS = REPOSITORY / "levelfield" / "weights" / "nuclei.safetensors"
STARDIST = REPOSITORY / "tests" / "data" / "stardist_small"


def test_the_gpu_passes_its_test_and_is_named(caplog):
    with caplog.at_level(logging.INFO):
        check_device("cuda:0")
    assert "compute capability" in caplog.text
    assert device_use("cuda:0").name == torch.cuda.get_device_name(0)


def test_flows_end_where_the_cpu_has_them_end():
    rng = np.random.default_rng(0)
    flow = rng.normal(0, 1, (2, 200, 300)).astype(np.float32)
    mask = rng.random((200, 300)) < 0.7
    expected = follow_to_the_end(flow, mask, np.flatnonzero(mask))
    found = follow(torch.from_numpy(flow).to(GPU), torch.from_numpy(mask).to(GPU))
    np.testing.assert_array_equal(found.cpu().numpy(), expected)


def test_the_small_network_finds_what_it_finds_on_a_cpu_and_each_time_the_same():
    image = stored_tile()[0]
    on_gpu, on_cpu = (load_model("network", WEIGHTS, rule) for rule in ("cuda:0", "cpu"))
    alone, among, expected = (
        segment_images([image] * number, "network", {"diameter": 20.0}, [{"model": model}] * number)
        for model, number in ((on_gpu, 1), (on_gpu, 5), (on_cpu, 1))
    )
    for each in among:
        np.testing.assert_array_equal(each.labels, alone[0].labels)
    assert evaluate_image(alone[0].labels, expected[0].labels).scores["ap_70"] == 1


def test_stardist_says_on_a_gpu_what_it_says_on_a_cpu():
    """To 1e-5, which TF32 would not keep."""
    image = stored_tile()[0]
    for one, other in zip(
        load_stardist(STARDIST, "cuda:0").predict(image),
        load_stardist(STARDIST, "cpu").predict(image),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_memory_that_runs_out_halves_a_portion_and_the_work_is_done():
    whole = torch.cuda.mem_get_info(GPU)[1]
    allowed = torch.cuda.memory_reserved(GPU) + 2 * 2**30
    portion = Portion(16, "images")
    torch.cuda.set_per_process_memory_fraction(allowed / whole, GPU)
    try:
        found = portion.run(
            lambda some, _: [torch.ones(2**28 * len(some), device=GPU).sum().item()] * len(some),
            range(16),
        )
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, GPU)
    assert len(found) == 16 and portion.size < 16


def test_calls_share_their_streams():
    assert stream_of(GPU, "images") is stream_of(GPU, "images")


def test_a_kernel_that_fails_or_hangs_ends_a_job_and_its_table_is_made_by_the_next():
    script = REPOSITORY / "benchmarks" / "gpu_parts" / "faults.py"
    told = subprocess.run(
        [sys.executable, script, "--device", "cuda:0"],
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    ).stdout
    rows = [line for line in told.splitlines() if line.startswith("job with a fault")]
    assert len(rows) == 3
    assert all("exit 1" in row and "the table equal" in row for row in rows)
