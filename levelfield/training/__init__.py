"""Training of the network: samples, losses, the loop, and what it leaves behind."""
