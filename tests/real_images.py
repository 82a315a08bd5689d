"""Where the real images lie that the tests use, and how they are read."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]

BBBC038 = Path(__file__).resolve().parent / "data" / "bbbc038_train"
"""``images/``, ``labels/`` (8-bit and 16-bit PNG by name) and ``index.csv``; see README there."""

BBBC013 = REPOSITORY / "demo" / "BBBC013"
"""The demo plate: columns 1, 2, 7 and 12."""
