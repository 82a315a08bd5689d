"""Segmenters whose packages clash with Levelfield's, each in an environment of its own.

`exchange` starts a worker and talks to it; `serve` is the worker's side of that. The scripts
``run_<name>.py`` run in the environment ``<name>``, where nothing of Levelfield is installed: they
import their package, numpy and `serve`, and nothing else.
"""
