"""Architectures of networks and the reading of their weights; only this room loads torch."""
