"""Times, busy shares and peaks of memory."""

import resource
import statistics
import time

import torch


def finish(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(run, device, repeats=1):
    """Return the median of the seconds that a run takes, and the last result."""
    seconds, result = [], None
    for _ in range(repeats):
        finish(device)
        started = time.perf_counter()
        result = run()
        finish(device)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds), result


def busy_share(run, device, rows=None, name=""):
    """Return the share of the time in which a kernel ran on the GPU; name what took most."""
    if device.type != "cuda":
        return ""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        seconds, _ = timed(run, device)
    events = [
        event for event in profile.events() if event.device_type == torch.autograd.DeviceType.CUDA
    ]
    spans = sorted((event.time_range.start, event.time_range.end, event.name) for event in events)
    busy, until, by_kernel = 0.0, 0.0, {}
    for start, end, kernel in spans:
        busy += max(0.0, end - max(start, until))
        until = max(until, end)
        by_kernel[kernel] = by_kernel.get(kernel, 0.0) + end - start
    if rows is not None:
        total = sum(by_kernel.values())
        for kernel, spent in sorted(by_kernel.items(), key=lambda item: -item[1])[:14]:
            rows.add(f"kernels of {name}", ratio=spent / total, note=kernel[:110])
    return busy / 1e6 / seconds


def memory(device):
    """Return the peaks since `forget_peak`, in GB."""
    process = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    if device.type != "cuda":
        return {"process_gb": process}
    return {
        "gpu_gb": torch.cuda.max_memory_allocated(device) / 1e9,
        "gpu_reserved_gb": torch.cuda.max_memory_reserved(device) / 1e9,
        "process_gb": process,
    }


def forget_peak(device):
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
