"""Batches of images for a network: full, of one shape, and as many as memory is enough for."""

from concurrent.futures import ThreadPoolExecutor

import pytest

torch = pytest.importorskip("torch")

from levelfield.segmentation.device_faults import MachineFault  # noqa: E402
from levelfield.segmentation.networks import batches as rooms  # noqa: E402
from levelfield.segmentation.networks.batches import Batches, exact  # noqa: E402
from levelfield.segmentation.networks.memory import fitting  # noqa: E402

GIGABYTE = 10**9


@pytest.fixture
def four_at_once(monkeypatch):
    monkeypatch.setattr(rooms, "fitting", lambda device, bytes_each, largest: 4)


def images(sides):
    return [torch.full((1, side, side), float(n)) for n, side in enumerate(sides)]


def test_images_of_one_shape_fill_batches_and_come_back_in_order(four_at_once):
    seen = []

    def run(batch):
        seen.append(tuple(batch.shape))
        return batch[:, 0, 0, 0]

    found = Batches(run, torch.device("cpu"), "images", 1)(images([8, 6, 8, 8, 8, 8, 6]))
    assert [int(value) for value in found] == list(range(7))
    assert seen == [(4, 1, 8, 8), (4, 1, 8, 8), (4, 1, 6, 6)]


def test_memory_that_runs_out_halves_the_batch_and_at_one_image_ends_the_job(four_at_once, caplog):
    def fits_two(batch):
        if len(batch) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return batch[:, 0, 0, 0]

    def fits_none(batch):
        raise torch.OutOfMemoryError("CUDA out of memory")

    found = Batches(fits_two, torch.device("cpu"), "images", 1)(images([8] * 6))
    assert [int(value) for value in found] == list(range(6))
    assert "2 images at once from now on" in caplog.text
    with pytest.raises(MachineFault, match="not enough for even one of the images"):
        Batches(fits_none, torch.device("cpu"), "images", 1)(images([8]))


def test_threads_share_a_network_one_batch_at_a_time(four_at_once):
    inside = []

    def run(batch):
        inside.append(len(inside))
        assert inside == [0]
        values = batch[:, 0, 0, 0].clone()
        inside.clear()
        return values

    together = Batches(run, torch.device("cpu"), "images", 1)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: together(images([8] * 9)), range(20)):
            assert [int(value) for value in found] == list(range(9))


@pytest.mark.parametrize(
    ("free", "expected"), [(0.1, 1), (16, 4), (24, 8), (48, 16), (80, 32), (141, 32)]
)
def test_the_batch_follows_the_memory_that_is_free(free, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (int(free * GIGABYTE), 0))
    assert fitting(torch.device("cuda:0"), int(1.5 * GIGABYTE), 32) == expected
    assert fitting(torch.device("cpu"), 1, 32) == 1


def test_single_precision_is_not_rounded_to_ten_bits():
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    exact(torch.nn.Linear(2, 2), torch.device("cpu"))
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
