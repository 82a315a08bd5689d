# Two commands: `make demo` and `make test`. `make help` lists the others.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
ENV := .venv
BIN := $(ENV)/bin
TRAINED := trained
DATA ?= ../shared/data
AGAIN := --steps 4500 --learning_rate 0.002 --seed 1
# Tests at a time: one more than cores, as a run of the workflow leaves them idle for a part of its
# time. Libraries that take all cores would only wait for each other.
WORKERS ?= 3
PYTEST = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder
UV := .venvs/uv/bin/uv
INSTALL := $(UV) pip install --quiet --require-hashes --python
# Installs exactly what a lock holds; with the pip of one Python into the environment of another.
PIP_INSTALL = install --quiet --disable-pip-version-check --require-hashes -r

# Without bytecode every job of the workflow would compile what it imports again.
unexport PYTHONDONTWRITEBYTECODE

SEGMENTERS := cellpose3 instanseg stardist

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help gpu demo demo-planted demo-missed test coverage test-installed test-slurm test-segmenters train-nuclei train-qc lint lock audit clean

help: ## list what can be made
	@grep -hE '^[a-z%-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

demo: $(ENV)/run.installed ## install, and run the workflow on the demo plate
	@echo "== The demo plate: 32 wells of BBBC013, from raw TIFF to the verdict (about half a minute)"
	$(BIN)/snakemake --profile profiles/local
	@echo
	@$(BIN)/levelfield verdict BBBC013-demo

demo-planted: $(ENV)/run.installed ## the same with nuclei of the positive controls grown on purpose, which must fail
	@echo "== The demo plate with nuclei grown in its positive controls"
	$(BIN)/snakemake --profile profiles/local --configfile config/demo_planted.yaml
	@echo
	@$(BIN)/levelfield verdict BBBC013-demo --results results_planted

demo-missed: $(ENV)/run.installed ## the same with a quarter of their nuclei dropped on purpose, which must fail
	@echo "== The demo plate with nuclei missing in its positive controls"
	$(BIN)/snakemake --profile profiles/local --configfile config/demo_missed.yaml
	@echo
	@$(BIN)/levelfield verdict BBBC013-demo --results results_missed

test: $(ENV)/dev.installed ## install, and run the tests
	@echo "== The tests: several minutes, with the real workflow among them"
	$(PYTEST)

coverage: $(ENV)/dev.installed ## the tests, and which lines of the package they run (at least 90 %)
	$(PYTEST) --cov --cov-report=term --cov-fail-under=90

test-installed: $(ENV)/dev.installed ## what people install and start: the wheel on two Pythons, the demo, a module
	$(PYTEST) -m installed tests/packaging tests/workflow --durations 0

test-slurm: $(ENV)/dev.installed ## install Slurm (as root), and bring about failures under it and without
	@echo "== Slurm on this machine: several minutes, then all that was started is stopped"
	$(BIN)/python -m pytest -m "slurm or machine_faults" tests/cluster/test_slurm.py tests/cluster/test_failures.py --durations 0 -rs

test-segmenters: $(ENV)/dev.installed $(SEGMENTERS:%=.venvs/%.installed) ## install the segmenters' own environments, and test them
	@echo "== The segmenters: small models are trained, which takes about an hour"
	$(BIN)/python -m pytest tests/segmenters --durations 0

lint: $(ENV)/dev.installed ## check style, types and spelling: ruff, mypy, codespell, snakefmt, snakemake --lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

$(UV): envs/uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Levelfield needs Python 3.11, 3.12 or 3.13, and '$(PYTHON)' is another. Name it: make demo PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv --without-pip .venvs/uv
	@# Where this Python has no pip, or one before 22.3, the environment gets its own (5 s more).
	@$(PYTHON) -m pip --python .venvs/uv/bin/python $(PIP_INSTALL) $< 2>/dev/null || \
	  { .venvs/uv/bin/python -m ensurepip >/dev/null && .venvs/uv/bin/python -m pip $(PIP_INSTALL) $<; }
	@touch $@

$(ENV)/run.installed: envs/levelfield.lock pyproject.toml $(UV)
	@echo "== Installing Levelfield into $(ENV) (1 GB)"
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(ENV)
	$(INSTALL) $(BIN)/python -r envs/levelfield.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	$(BIN)/python -m levelfield.runs.warm_up
	@touch $@

# For drivers older than 580: make gpu GPU_LOCK=levelfield-cuda12
GPU_LOCK ?= levelfield-gpu
$(ENV)/gpu.installed: envs/$(GPU_LOCK).lock $(ENV)/run.installed
	@echo "== Installing torch and the learned segmenters (5 GB more)"
	$(INSTALL) $(BIN)/python -r envs/$(GPU_LOCK).lock
	@touch $@

$(ENV)/dev.installed: envs/levelfield-dev.lock $(ENV)/run.installed
	@echo "== Installing what the tests need, torch and the learned segmenters among it (5 GB more)"
	$(INSTALL) $(BIN)/python -r envs/levelfield-dev.lock
	@touch $@

gpu: $(ENV)/gpu.installed ## install torch and all learned segmenters beside the base installation

env-%: .venvs/%.installed ## build the environment of a segmenter or of a benchmark from envs/<name>.lock
	@echo "== .venvs/$* is ready"

.PRECIOUS: .venvs/%.installed
.venvs/%.installed: envs/%.lock $(UV)
	@echo "== Installing into .venvs/$* (several minutes; with torch about 5 GB)"
	$(UV) venv --quiet --clear --python $(PYTHON) .venvs/$*
	$(INSTALL) .venvs/$*/bin/python -r $<
	@touch $@

train-nuclei: $(ENV)/dev.installed ## train the shipped weights for nuclei again (hours on a CPU; resumes)
	$(BIN)/python benchmarks/train_network.py --fold 1 --steps 8000 --out $(TRAINED)/first
	$(BIN)/python benchmarks/train_network.py --fold 1 --start $(TRAINED)/first/weights.safetensors $(AGAIN) --out $(TRAINED)/fold1
	$(BIN)/python benchmarks/train_network.py --fold 0 --validation --start $(TRAINED)/first/weights.safetensors $(AGAIN) --out $(TRAINED)/nuclei

train-qc: $(ENV)/dev.installed ## train and calibrate the QC's evidence again (hours; the images under DATA)
	$(BIN)/python -m levelfield.qc.train.collect --data $(DATA) --networks benchmarks/networks --out $(TRAINED)/qc
	$(BIN)/python -m levelfield.qc.train.evidence --collected $(TRAINED)/qc --out $(TRAINED)/qc_scores
	$(BIN)/python -m levelfield.qc.train.tables --collected $(TRAINED)/qc --scored $(TRAINED)/qc_scores --results benchmarks/results --write
	$(BIN)/python -m levelfield.qc.train.document --results benchmarks/results docs/qc.md README.md levelfield/qc/evidence/model/evidence.md

lock: $(ENV)/dev.installed ## resolve the dependencies of pyproject.toml again
	$(BIN)/python envs/lock.py

audit: ## look up known vulnerabilities of all pinned packages; says so where it could not
	$(MAKE) --no-print-directory env-audit
	.venvs/audit/bin/python envs/audit.py

clean: ## remove the environments and the results
	rm -rf $(ENV) .venvs results results_planted results_missed .snakemake
