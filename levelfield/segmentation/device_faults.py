"""Errors of a GPU, as opposed to those of images and parameters."""

import re
import sys

# What libraries of a GPU say when they fail; torch raises some of it as a plain RuntimeError.
_FAILURE = re.compile(
    r"(CUDA|HIP|cuDNN|cuBLAS|NCCL|NVRTC|MPS)\w* (driver |runtime |internal )?error|"
    r"(CUBLAS|CUDNN|CUSOLVER|CUSPARSE|CUFFT|HIPBLAS|MIOPEN)_STATUS_|no kernel image is available",
    re.IGNORECASE,
)
_MEMORY = re.compile(r"(CUDA|HIP|MPS)\w* (backend )?out of memory", re.IGNORECASE)


class MachineFault(RuntimeError):
    """What failed is the machine, not an image: no field may be left out for it; told in words."""


def is_gpu_memory_error(error: BaseException) -> bool:
    """Say whether the memory of a GPU ran out."""
    return isinstance(error, _torch_error("OutOfMemoryError")) or _says(error, _MEMORY)


def is_gpu_failure(error: BaseException) -> bool:
    """Say whether a GPU or its libraries failed: this process may compute nothing more on it."""
    return isinstance(error, _torch_error("AcceleratorError")) or _says(error, _FAILURE)


def _torch_error(name: str) -> tuple[type[BaseException], ...]:
    torch = sys.modules.get("torch")  # never imported for the sake of an error
    return (getattr(torch, name),) if hasattr(torch, name) else ()


def _says(error: BaseException, pattern: re.Pattern[str]) -> bool:
    return isinstance(error, RuntimeError) and pattern.search(str(error)) is not None
