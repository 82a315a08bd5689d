"""How work is carried out: progress, GPUs, caches, checkpoints, machine faults, logs."""
