"""The parts of `benchmarks/gpu.py`, an idea a file."""
