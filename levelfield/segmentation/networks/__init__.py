"""Architectures of networks and the reading of their weights."""
