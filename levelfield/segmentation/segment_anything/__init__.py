"""Segment Anything: from prompts, or from a grid of points."""
